"""Commands that explain: a photograph, or the images of a range."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightline import __version__
from sightline.cli.options import (
    MODEL_HELP,
    Device,
    Id,
    Json,
    Layers,
    Output,
    PrecisionName,
    Sha256,
    Shard,
    Weights,
    from_json,
    loading,
    model_specification,
)
from sightline.errors import SightlineError

if TYPE_CHECKING:
    from sightline.jobs.explain import Change


def explain(
    image: Annotated[Path, typer.Argument(help="A photograph.")],
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    method: Annotated[str, typer.Option(help="Such as gradcam, or gradcam@0.5.")] = "gradcam",
    output: Annotated[Path | None, typer.Option(help="PNG; beside the image unless given.")] = None,
    weights: Weights = None,
    pretrained: Annotated[bool, typer.Option(help="Off: random weights.")] = True,
    role: Annotated[
        str, typer.Option(help="predicted, top2 to top5, class:<k>, or a class's name.")
    ] = "predicted",
    settings: Annotated[str, typer.Option(help="JSON of the method's settings.")] = "{}",
    seed: Annotated[int, typer.Option(help="For stochastic methods.")] = 0,
    device: Device = "auto",
) -> None:
    """Explain one photograph; writes an overlay and says what the model sees."""
    from sightline.notebook import explain as explain_one
    from sightline.notebook.explained import check_picture_file

    output = output or image.with_name(f"{image.stem}-{method}.png")
    check_picture_file(output)
    found = explain_one(
        model_specification(model),
        image,
        method=method,
        target=role,
        settings=from_json(settings, "--settings"),
        weights=weights,
        pretrained=pretrained,
        seed=seed,
        device=device,
    )
    if found.status != "ok":
        raise SightlineError(f"{method} of {found.model} gives a {found.status} map.")
    found.save(output)
    print(f"{found.model} gives {found.name} a probability of {found.probability:.1%}.")
    print(f"{method}: {output}")


def explain_range(
    model_id: Id,
    method_id: Id,
    model: Json,
    method: Json,
    images: Shard,
    output: Output,
    roles: Annotated[str, typer.Option(help="Separated by commas.")] = "predicted",
    seed: int = 0,
    redraw: Annotated[str, typer.Option(help="A word that makes other draws.")] = "",
    variant: Annotated[str, typer.Option(help="JSON: what is altered before.")] = "",
    layers: Layers = None,
    weights: Weights = None,
    sha256: Sha256 = None,
    device: Device = "auto",
    precision: PrecisionName = "float32",
) -> None:
    """Explain one range's images with one model and one method."""
    from sightline.jobs.explain import Job, explain_range
    from sightline.methods.catalogue import find_method

    spec = from_json(method, "--method")
    entry = find_method(spec["method"])
    job = Job(
        model_id=model_id,
        method_id=method_id,
        model=from_json(model, "--model"),
        method=spec,
        function=entry.load(),
        settings=entry.settings.model_validate(spec["settings"]),
        score=entry.score,
        needs_layer=entry.needs_layer,
        seed=seed,
        roles=tuple(roles.split(",")),
        version=__version__,
        redraw=redraw,
        change=_change(from_json(variant, "--variant")) if variant else None,
    )
    explain_range(
        job,
        images,
        output,
        loading(layers, weights, sha256, device, precision),
    )


def _change(variant: dict[str, Any]) -> Change:
    from sightline.evaluate.alterations import find_alteration
    from sightline.jobs.variant import Variant

    entry = find_alteration(variant["alteration"])
    return Variant(**variant, module=entry.module, own_draws=entry.own_draws)
