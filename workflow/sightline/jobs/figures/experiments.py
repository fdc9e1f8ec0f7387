"""Draw what the experiments of a study give, and what all of them come to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sightline.plots.classes import classes_figure
from sightline.plots.evaluation import evaluation_figure
from sightline.plots.experiment import experiment_figure
from sightline.plots.style import check_palette, house_style, save
from sightline.tabular import read_table


def draw_experiment(
    table: Path, output: Path, *, question: str, over: Mapping[str, str], role: str, palette: str
) -> None:
    """Draw the table of `sightline.jobs.experiments.experiment_table.merge_experiment`.

    Parameters
    ----------
    table
        Of one experiment.
    output
        The figure.
    question, over, role, palette
        As for `sightline.plots.experiment.experiment_figure`.
    """
    check_palette(palette)
    with house_style():
        save(experiment_figure(read_table(table), question, over, role, palette), output)


def draw_classes(table: Path, output: Path, *, role: str, what: str, palette: str) -> None:
    """Draw the table of `sightline.jobs.experiments.class_table.merge_classes`.

    Parameters
    ----------
    table
        Of one experiment.
    output
        The figure.
    role, what, palette
        As for `sightline.plots.classes.classes_figure`.
    """
    check_palette(palette)
    with house_style():
        save(classes_figure(read_table(table), role, what, palette), output)


def draw_evaluation(
    summary: Path, methods: Path, agreement: Path, output: Path, *, palette: str
) -> None:
    """Draw the tables of `sightline.jobs.experiments.evaluation.summarise_evaluation`."""
    check_palette(palette)
    with house_style():
        ranks, ordered, agreed = (read_table(path) for path in (summary, methods, agreement))
        save(evaluation_figure(ranks, ordered, agreed, palette), output)
