"""Commands that check explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import (
    Device,
    Id,
    Json,
    Layers,
    Output,
    PrecisionName,
    Sha256,
    Weights,
    from_json,
    loading,
)


def sanity(
    images: Annotated[list[Path], typer.Argument(help="Image shards, in order.")],
    model_id: Id,
    method_id: Id,
    model: Json,
    method: Json,
    declared: Json,
    options: Json,
    output: Output,
    seed: int = 0,
    layers: Layers = None,
    weights: Weights = None,
    sha256: Sha256 = None,
    device: Device = "auto",
    precision: PrecisionName = "float32",
) -> None:
    """Check one method on one model, on the first images of the study."""
    from sightline.evaluate.sanity.verdict import Declared
    from sightline.jobs.sanity import SanityJob, check_method
    from sightline.methods.catalogue import find_method

    spec = from_json(method, "--method")
    entry = find_method(spec["method"])
    given = from_json(declared, "--declared")
    how = from_json(options, "--options")
    job = SanityJob(
        model_id=model_id,
        method_id=method_id,
        model=from_json(model, "--model"),
        function=entry.load(),
        settings=entry.settings.model_validate(spec["settings"]),
        declared=Declared.of(given),
        needs_layer=entry.needs_layer,
        checks=tuple(how["checks"]),
        images=how["images"],
        stages=how["stages"],
        grid=how["grid"],
        seed=seed,
    )
    check_method(
        job,
        images,
        output,
        loading(layers, weights, sha256, device, precision),
    )


def sanity_table(
    files: Annotated[list[Path], typer.Argument(help="Checks of each model and method.")],
    declared: Annotated[str, typer.Option(help="JSON: of each method what is expected of it.")],
    output: Output,
) -> None:
    """Judge the checks of all models and methods."""
    from sightline.jobs.merging.sanity import merge_checks

    merge_checks(files, from_json(declared, "--declared"), output)


def sanity_figure(
    table: Annotated[Path, typer.Argument(help="The table of checks.")],
    output: Output,
    palette: str = "viridis",
) -> None:
    """Draw which checks the methods pass."""
    from sightline.jobs.figures.of_methods import draw_sanity

    draw_sanity(table, output, palette=palette)
