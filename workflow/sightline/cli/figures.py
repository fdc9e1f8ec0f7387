"""Commands that draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Id, Json, Output, Ranges, from_json, groups, pattern_files


def figures(
    statistics: Annotated[str, typer.Argument(help="Comparisons, with {range}.")],
    ranges: Ranges,
    folder: Annotated[Path, typer.Option(help="Of the method's comparison.")],
    families: Json,
    options: Json,
    output: Annotated[Path, typer.Option(help="Folder for the figures.")],
) -> None:
    """Draw how alike the models are under one method."""
    from sightline.jobs.figures.of_methods import draw_pairs

    given = from_json(options, "--options")
    suffix = given.pop("format")
    names = ["heatmap", "dendrogram", "communities", "resolutions", "clusters", "embedding"]
    draw_pairs(
        folder,
        pattern_files(statistics, range=ranges),
        from_json(families, "--families"),
        {name: output / f"{name}.{suffix}" for name in [*names, "histograms"]},
        **given,
    )


def overlays(
    maps: Annotated[list[str], typer.Argument(help="MODEL=FILE of each model and range.")],
    method: Id,
    shards: Annotated[str, typer.Option(help="Image shards, separated by commas.")],
    classes: Json,
    options: Json,
    output: Output,
) -> None:
    """Draw the maps of all models over some images."""
    from sightline.jobs.figures.of_methods import draw_overlays

    draw_overlays(
        method,
        [Path(path) for path in shards.split(",")],
        groups(maps),
        from_json(classes, "--classes"),
        output=output,
        **from_json(options, "--options"),
    )
