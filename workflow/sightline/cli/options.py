"""Options that several commands share, and how their text is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightline.errors import SightlineError
from sightline.study.runs import lengthen

if TYPE_CHECKING:
    from sightline.jobs.loading import Loading

Json = Annotated[str, typer.Option(help="JSON, as the study resolves it.")]
Id = Annotated[str, typer.Option(help="Its id in the study.")]
MODEL_HELP = (
    "Any name that a configuration takes, or what stands there under it, as JSON: "
    '{"name": "mine:make", "input": {"size": [224, 224], ...}}.'
)
Output = Annotated[Path, typer.Option(help="File to write.")]
Models = Annotated[str, typer.Option(help="Ids, separated by commas.")]
Ranges = Annotated[
    str, typer.Option(help="Names in order, with commas; FIRST-LAST/LENGTH stands for many.")
]
Shard = Annotated[Path, typer.Option(help="Image shard of the range.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Weights = Annotated[Path | None, typer.Option(help="Weights file; none for random weights.")]
Sha256 = Annotated[str | None, typer.Option(help="What the weights' digest must be.")]
Layers = Annotated[Path | None, typer.Option(help="The model's layers, found before.")]
PrecisionName = Annotated[str, typer.Option(help="float32, bfloat16 or float16.")]


def loading(
    layers: Path | None, weights: Path | None, sha256: str | None, device: str, precision: str
) -> Loading:
    """How a job has its model, by the options of that name."""
    from sightline.jobs.loading import Loading
    from sightline.models.precision import as_precision

    return Loading(layers, weights, sha256, device, as_precision(precision))


def from_json(text: str, option: str) -> dict[str, Any]:
    """The JSON object that an option holds."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise SightlineError(f"{option} is no JSON: {error}.") from error
    if not isinstance(value, dict):
        raise SightlineError(f"{option} must be a JSON object, got {text}.")
    return value


def model_specification(text: str) -> dict[str, Any]:
    """What a person says of a model: its name, or a JSON object as in a configuration."""
    if text.lstrip().startswith("{"):
        return from_json(text, "MODEL")
    return {"name": text}


def untrained(model: str, weights: Path | None, pretrained: bool) -> dict[str, Any]:
    """A model's specification, for what depends little on weights: random ones unless asked."""
    from sightline.models.names import parse_name

    given = model_specification(model)
    if weights is not None:
        given["weights"] = str(weights)
    source = parse_name(str(given.get("name", ""))).source
    if given.get("weights") is None and source in ("timm", "torchvision"):
        given.setdefault("pretrained", pretrained)
    return given


def pairs(arguments: list[str]) -> list[tuple[str, str]]:
    """Arguments of the form NAME=FILE, in their order."""
    parts = [argument.partition("=") for argument in arguments]
    for argument, (name, _, file) in zip(arguments, parts, strict=True):
        if not name or not file:
            raise SightlineError(f"{argument!r} should be NAME=FILE.")
    return [(name, file) for name, _, file in parts]


def groups(arguments: list[str]) -> dict[str, list[Path]]:
    """Arguments of the form NAME=FILE: the files of each name."""
    found: dict[str, list[Path]] = {}
    for name, file in pairs(arguments):
        found.setdefault(name, []).append(Path(file))
    return found


def pattern_files(pattern: str, **values: str) -> list[Path]:
    """The files that a pattern names: one for each of the comma-separated values of a wildcard.

    A list of a thousand files is longer than a command may be; their ids are not. Ranges may be
    shortened (`sightline.study.runs`).
    """
    files = [pattern]
    for name, listed in values.items():
        if f"{{{name}}}" not in pattern:
            raise SightlineError(f"{pattern!r} should hold {{{name}}}.")
        given = listed.split(",")
        each = lengthen(given) if name == "range" else given
        files = [file.replace(f"{{{name}}}", value) for file in files for value in each]
    return [Path(file) for file in files]
