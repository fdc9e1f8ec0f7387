"""Draw where the variance lies, how alike methods are and how many images are enough."""

from __future__ import annotations

from pathlib import Path

from sightline.compare.method_pairs import RANKS
from sightline.errors import unknown
from sightline.plots.images_needed import images_needed_figure
from sightline.plots.methods import methods_figure
from sightline.plots.style import check_palette, house_style, save
from sightline.plots.variance import variance_figure
from sightline.tabular import read_table


def draw_variance(table: Path, output: Path) -> None:
    """Draw the table of `sightline.jobs.merging.variance.find_variance`."""
    with house_style():
        save(variance_figure(read_table(table)), output)


def draw_methods(overall: Path, output: Path, *, measure: str, palette: str) -> None:
    """Draw how alike methods are over all models.

    Parameters
    ----------
    overall
        The table of `sightline.jobs.merging.method_pairs.merge_methods`.
    output
        The figure.
    measure
        Shown beside the rank correlation.
    palette
        Colour map.
    """
    with house_style():
        table = read_table(overall)
        save(methods_figure(table, [measure, RANKS], check_palette(palette)), output)


def draw_images_needed(curve: Path, recommended: Path, output: Path, *, measure: str) -> None:
    """Draw the tables of `sightline.jobs.merging.images_needed.find_images_needed`.

    Parameters
    ----------
    curve, recommended
        Of one method.
    output
        The figure.
    measure
        Which is drawn.
    """
    tables = [read_table(path) for path in (curve, recommended)]
    known = set(tables[0]["measure"])
    if measure not in known:
        raise unknown("measure", measure, known)
    with house_style():
        save(images_needed_figure(*(one[one["measure"] == measure] for one in tables)), output)
