"""Commands that look for artefacts in the maps of all models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Id, Json, Models, Output, Ranges, from_json, pattern_files


def artefacts(
    maps: Annotated[str, typer.Argument(help="Map files, with {model} and {range}.")],
    models: Models,
    ranges: Ranges,
    method: Id,
    layers: Json,
    role: Annotated[str, typer.Option(help="Whose maps.")],
    seed: Annotated[int, typer.Option(help="Of the shifts and of draws among ties.")],
    output: Output,
    means: Annotated[Path, typer.Option(help="For the mean maps of the models shown.")],
) -> None:
    """Measure the patch grid, the border and the corners of all models' maps."""
    from sightline.jobs.merging.artefacts import find_method_artefacts

    find_method_artefacts(
        method,
        {
            model: pattern_files(maps.replace("{model}", model), range=ranges)
            for model in models.split(",")
        },
        {model: Path(path) for model, path in from_json(layers, "--layers").items()},
        output,
        means,
        role=role,
        seed=seed,
    )


def artefacts_figure(
    table: Annotated[Path, typer.Argument(help="Of `sightline artefacts`.")],
    means: Annotated[Path, typer.Option(help="The mean maps beside it.")],
    options: Json,
    output: Output,
) -> None:
    """Draw the artefacts of one method's maps."""
    from sightline.jobs.figures.artefacts import draw_artefacts

    draw_artefacts(table, means, output, **from_json(options, "--options"))
