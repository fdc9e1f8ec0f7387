"""Commands that compare the maps of models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Id, Json, Models, Output, Ranges, from_json, pattern_files

Pattern = Annotated[str, typer.Argument(help="Files, with {model} or {range} in their place.")]


def compare(maps: Pattern, models: Models, settings: Json, output: Output) -> None:
    """Compare the maps of all models for one method and range."""
    from sightline.jobs.compare import compare_range

    files = pattern_files(maps, model=models)
    compare_range(
        dict(zip(models.split(","), files, strict=True)), from_json(settings, "--settings"), output
    )


def ceiling(
    maps: Annotated[str, typer.Argument(help="Map files, with {model} and {range}.")],
    again: Annotated[str, typer.Option(help="Maps by the second seed, with {model}.")],
    statistics: Annotated[str, typer.Option(help="Comparisons, with {range}.")],
    models: Models,
    ranges: Ranges,
    method: Id,
    settings: Json,
    options: Json,
    output: Output,
) -> None:
    """Tell how far each model agrees with itself under a second seed."""
    from sightline.jobs.merging.ceiling import find_ceilings

    names = models.split(",")
    find_ceilings(
        method,
        {name: pattern_files(maps.replace("{model}", name), range=ranges) for name in names},
        dict(zip(names, pattern_files(again, model=models), strict=True)),
        pattern_files(statistics, range=ranges),
        from_json(settings, "--settings"),
        output,
        **from_json(options, "--options"),
    )


def merge(
    statistics: Pattern,
    ranges: Ranges,
    method: Id,
    options: Json,
    similarity: Output,
    agreement: Output,
    pairs: Output,
    ceiling: Annotated[Path | None, typer.Option(help="Agreement with a second seed.")] = None,
) -> None:
    """Make a method's tables of pairs from the comparisons of all its ranges."""
    from sightline.jobs.compare import merge_method

    merge_method(
        method,
        pattern_files(statistics, range=ranges),
        similarity,
        agreement,
        pairs,
        ceiling=ceiling,
        **from_json(options, "--options"),
    )


def gather(
    tables: Annotated[list[Path], typer.Argument(help="One a method.")], output: Output
) -> None:
    """Put the tables of all methods together."""
    from sightline.jobs.compare import gather_tables

    gather_tables(tables, output)


def prediction_agreement(
    pairs: Annotated[Path, typer.Argument(help="The method's pairs file.")],
    method: Id,
    options: Json,
    output: Output,
) -> None:
    """Tell whether models that answer alike look alike."""
    from sightline.jobs.merging.prediction_agreement import correlate_predictions

    correlate_predictions(method, pairs, output, **from_json(options, "--options"))
