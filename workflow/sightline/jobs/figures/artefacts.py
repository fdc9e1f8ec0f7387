"""Draw the artefacts of a method's maps."""

from __future__ import annotations

from pathlib import Path

from sightline.jobs.merging.artefacts import MEANS_SCHEMA
from sightline.plots.artefacts import artefacts_figure
from sightline.plots.style import check_palette, house_style, save
from sightline.sealed import sealed_reader
from sightline.tabular import read_table


def draw_artefacts(table: Path, means: Path, output: Path, *, palette: str) -> None:
    """Draw what `sightline.jobs.merging.artefacts.find_method_artefacts` found of one method.

    Parameters
    ----------
    table, means
        As it wrote them.
    output
        The figure.
    palette
        Colour map of the maps.
    """
    check_palette(palette)
    with sealed_reader(means, MEANS_SCHEMA) as file:
        order = sorted(file, key=lambda model: int(file[model].attrs["place"]))
        maps = {model: file[model]["mean"][:] for model in order}
        spectra = {model: file[model]["spectrum"][:] for model in order}
    with house_style():
        save(artefacts_figure(read_table(table), maps, spectra, palette), output)
