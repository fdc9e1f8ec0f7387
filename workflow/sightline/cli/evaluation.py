"""Commands that put experiments together and draw them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Json, Output, from_json, pairs

Summary = Annotated[Path, typer.Option(help="Table: every ranked measure of every experiment.")]
Methods = Annotated[Path, typer.Option(help="Table: methods by their mean ranks.")]
Agreement = Annotated[Path, typer.Option(help="Table: whether measures, and models, agree.")]


def evaluation(
    rankings: Json,
    role: Annotated[str, typer.Option(help="The study's first.")],
    options: Json,
    summary: Summary,
    methods: Methods,
    agreement: Agreement,
    tables: Annotated[list[str] | None, typer.Argument(help="EXPERIMENT=FILE: its table.")] = None,
) -> None:
    """Rank a study's methods by all experiments."""
    from sightline.evaluate.ranking.judges import Significance
    from sightline.evaluate.ranking.summary import Ranking
    from sightline.jobs.experiments.evaluation import summarise_evaluation

    summarise_evaluation(
        {name: Path(file) for name, file in pairs(tables or [])},
        {name: Ranking(**one) for name, one in from_json(rankings, "--rankings").items()},
        role,
        Significance(**from_json(options, "--options")),
        {"summary": summary, "methods": methods, "agreement": agreement},
    )


def experiment_figure(
    table: Annotated[Path, typer.Argument(help="The experiment's table.")],
    options: Json,
    output: Output,
) -> None:
    """Draw what an experiment gives."""
    from sightline.jobs.figures.experiments import draw_experiment

    draw_experiment(table, output, **from_json(options, "--options"))


def class_figure(
    table: Annotated[Path, typer.Argument(help="The experiment's table of classes.")],
    options: Json,
    output: Output,
) -> None:
    """Draw what an experiment says of each class."""
    from sightline.jobs.figures.experiments import draw_classes

    draw_classes(table, output, **from_json(options, "--options"))


def evaluation_figure(
    summary: Summary,
    methods: Methods,
    agreement: Agreement,
    output: Output,
    palette: str = "viridis",
) -> None:
    """Draw the ranks of a study's methods."""
    from sightline.jobs.figures.experiments import draw_evaluation

    draw_evaluation(summary, methods, agreement, output, palette=palette)
