"""Commands that draw what all models, or all methods, have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Id, Json, Models, Output, Ranges, from_json, pattern_files

Table = Annotated[Path, typer.Argument(help="The table.")]
Folder = Annotated[Path, typer.Argument(help="Folder of the method's comparison.")]
Accuracy = Annotated[Path, typer.Option(help="The table of accuracies.")]
Measure = Annotated[str, typer.Option(help="Id of the measure that is drawn.")]
ByRange = Annotated[str, typer.Option(help="Files, with {range} in its place.")]
Palette = Annotated[str, typer.Option(help="A colour map.")]


def consensus_figure(folder: Folder, accuracy: Accuracy, families: Json, output: Output) -> None:
    """Draw how far each model agrees with the others, and its accuracy."""
    from sightline.jobs.figures.consensus import draw_consensus

    draw_consensus(
        folder / "consensus.csv",
        folder / "consensus_accuracy.csv",
        accuracy,
        from_json(families, "--families"),
        output,
    )


def consensus_maps(
    folder: Folder,
    method: Id,
    images: ByRange,
    files: ByRange,
    maps: Annotated[str, typer.Option(help="Map files, with {model} and {range}.")],
    models: Models,
    ranges: Ranges,
    options: Json,
    output: Output,
) -> None:
    """Draw the consensus of the models over some images."""
    from sightline.jobs.figures.consensus import draw_consensus_maps

    draw_consensus_maps(
        method,
        pattern_files(images, range=ranges),
        pattern_files(files, range=ranges),
        folder / "consensus.csv",
        {
            model: pattern_files(maps.replace("{model}", model), range=ranges)
            for model in models.split(",")
        },
        output=output,
        **from_json(options, "--options"),
    )


def variance_figure(table: Table, output: Output) -> None:
    """Draw where the variance of the maps lies."""
    from sightline.jobs.figures.spread import draw_variance

    draw_variance(table, output)


def images_needed_figure(folder: Folder, measure: Measure, output: Output) -> None:
    """Draw how many images are enough for one method."""
    from sightline.jobs.figures.spread import draw_images_needed

    curve, recommended = (
        folder / f"{name}.csv" for name in ("images_needed", "images_recommended")
    )
    draw_images_needed(curve, recommended, output, measure=measure)


def methods_figure(
    table: Table, measure: Measure, output: Output, palette: Palette = "viridis"
) -> None:
    """Draw how alike methods are over all models."""
    from sightline.jobs.figures.spread import draw_methods

    draw_methods(table, output, measure=measure, palette=palette)
