"""Commands that ask whether the models' architecture explains their maps, and answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Json, Output, from_json, pairs

Pairs = Annotated[list[str], typer.Argument(help="METHOD=FILE: pairs of models of each method.")]
Models = Annotated[Path, typer.Option(help="The table of models.")]


def models_table(
    accuracy: Annotated[Path, typer.Argument(help="The table of accuracies.")],
    described: Json,
    output: Output,
    table: Annotated[Path | None, typer.Option(help="A CSV file with the column model.")] = None,
) -> None:
    """Put together what is known of each model."""
    from sightline.jobs.merging.models import write_models_table

    write_models_table(accuracy, from_json(described, "--described"), table, output)


def architecture(
    files: Pairs,
    models: Models,
    options: Json,
    tests: Annotated[Path, typer.Option(help="Table to write: every test.")],
    answers: Annotated[Path, typer.Option(help="Table to write: what the tests come to.")],
) -> None:
    """Test whether family, size or the like explain how far apart models are."""
    from sightline.jobs.merging.factors import examine_factors

    given = from_json(options, "--options")
    statistics = {method: Path(file) for method, file in pairs(files)}
    examine_factors(statistics, models, tests, answers, **given)


def architecture_figures(
    files: Pairs,
    models: Models,
    figures: Annotated[list[str], typer.Option("--figure", help="FACTOR=FILE to write.")],
) -> None:
    """Draw dissimilarities beside what may explain them."""
    from sightline.jobs.figures.factors import draw_factors

    statistics = {method: Path(file) for method, file in pairs(files)}
    draw_factors(statistics, models, {name: Path(file) for name, file in pairs(figures)})


def answers(
    tables: Annotated[Path, typer.Argument(help="The folder of the study's tables.")],
    figures: Annotated[Path, typer.Option(help="The folder of its figures.")],
    study: Annotated[str, typer.Option(help="Its name.")],
    options: Json,
    output: Output,
) -> None:
    """Write the page that answers a study's questions."""
    from sightline.jobs.answers import write_answers

    write_answers(study, tables, figures, output, **from_json(options, "--options"))
