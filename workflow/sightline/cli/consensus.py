"""Commands for what all models, or all methods, have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.compare import Pattern
from sightline.cli.options import Id, Json, Models, Output, Ranges, from_json, pattern_files

OfMethods = Annotated[str, typer.Argument(help="Files, with {method} and {range}.")]
Scaling = Annotated[str, typer.Option(help="Steps, separated by commas.")]
Level = Annotated[float, typer.Option(help="Of the intervals.")]


def consensus(maps: Pattern, models: Models, output: Output, scaling: Scaling = "") -> None:
    """Put the maps of all models together, one method and range."""
    from sightline.jobs.merging.consensus import consensus_range

    files = dict(zip(models.split(","), pattern_files(maps, model=models), strict=True))
    consensus_range(files, [step for step in scaling.split(",") if step], output)


def merge_consensus(
    files: Pattern,
    ranges: Ranges,
    method: Id,
    accuracy: Annotated[Path, typer.Option(help="The table of accuracies.")],
    options: Json,
    consensus: Output,
    related: Output,
) -> None:
    """Make a method's tables of agreement with the consensus."""
    from sightline.jobs.merging import consensus as jobs

    given = from_json(options, "--options")
    parts = pattern_files(files, range=ranges)
    jobs.merge_consensus(method, parts, accuracy, consensus, related, **given)


def variance(files: OfMethods, ranges: Json, output: Output, level: Level = 0.95) -> None:
    """Tell how much of the maps' variance is model, method and image."""
    from sightline.jobs.merging.variance import find_variance

    find_variance(_of_methods(files, ranges), output, level=level)


def images_needed(
    statistics: Pattern,
    ranges: Ranges,
    method: Id,
    options: Json,
    curve: Output,
    recommended: Output,
) -> None:
    """Tell how many images are enough for one method."""
    from sightline.jobs.merging.images_needed import find_images_needed

    given = from_json(options, "--options")
    parts = pattern_files(statistics, range=ranges)
    find_images_needed(method, parts, curve, recommended, **given)


def compare_methods(
    maps: OfMethods,
    ranges: Json,
    model: Id,
    settings: Json,
    options: Json,
    statistics: Output,
    table: Output,
) -> None:
    """Compare the maps that all methods make of one model."""
    from sightline.jobs.merging import method_pairs

    method_pairs.compare_methods(
        model,
        _of_methods(maps, ranges),
        from_json(settings, "--settings"),
        statistics,
        table,
        **from_json(options, "--options"),
    )


def merge_methods(tables: Pattern, models: Models, output: Output, overall: Output) -> None:
    """Put the comparisons of methods of all models together."""
    from sightline.jobs.merging import method_pairs

    method_pairs.merge_methods(pattern_files(tables, model=models), output, overall)


def _of_methods(pattern: str, ranges: str) -> dict[str, list[Path]]:
    """The files of each method, from its ranges: {"METHOD": ["RANGE", ...]}."""
    return {
        method: pattern_files(pattern.replace("{method}", method), range=",".join(names))
        for method, names in from_json(ranges, "--ranges").items()
    }
