"""The command line: one command a rule, and `explain` for a photograph.

Commands import what they run when they run, so that a light job starts at
once and needs no package that it does not use.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sightline import __version__
from sightline.errors import SightlineError

app = typer.Typer(
    name="sightline",
    help="Where do image classifiers look, and do they agree?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Json = Annotated[str, typer.Option(help="JSON, as the study resolves it.")]
Id = Annotated[str, typer.Option(help="Its id in the study.")]
Output = Annotated[Path, typer.Option(help="File to write.")]
Shard = Annotated[Path, typer.Option(help="Image shard of the range.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Weights = Annotated[Path | None, typer.Option(help="Weights file; none for random weights.")]
Sha256 = Annotated[str | None, typer.Option(help="What the weights' digest must be.")]
Batch = Annotated[int, typer.Option(help="Most images at a time.")]


def main() -> None:
    """Run a command; what is wrong with its input is a message and status 1."""
    try:
        app()
    except SightlineError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


@app.command()
def explain(
    image: Annotated[Path, typer.Argument(help="A photograph.")],
    model: Annotated[str, typer.Option(help="Any name that a configuration takes.")],
    method: Annotated[str, typer.Option(help="Such as gradcam, or gradcam@0.5.")] = "gradcam",
    output: Annotated[Path | None, typer.Option(help="PNG; beside the image unless given.")] = None,
    weights: Weights = None,
    pretrained: Annotated[bool, typer.Option(help="Off: random weights.")] = True,
    role: Annotated[str, typer.Option(help="predicted, top2 to top5, or class:<k>.")] = "predicted",
    settings: Annotated[str, typer.Option(help="JSON of the method's settings.")] = "{}",
    seed: Annotated[int, typer.Option(help="For stochastic methods.")] = 0,
    device: Device = "auto",
) -> None:
    """Explain one photograph; writes an overlay and says what the model sees."""
    from sightline.jobs.photo import explain_photo

    given = {"name": model, "pretrained": pretrained}
    print(
        explain_photo(
            image,
            given | ({"weights": str(weights)} if weights else {}),
            method,
            _json(settings, "--settings"),
            output or image.with_name(f"{image.stem}-{method}.png"),
            role=role,
            seed=seed,
            device=device,
        )
    )


@app.command()
def shard(
    source: Json,
    range_name: Annotated[str, typer.Option("--range", help="Such as 000000-000127.")],
    output: Output,
    seed: int = 0,
) -> None:
    """Collect the images of one range in a file."""
    from sightline.jobs.images import make_shard

    make_shard(_json(source, "--source"), seed, range_name, output)


@app.command()
def manifest(
    shards: Annotated[list[Path], typer.Argument(help="Image shards, in order.")],
    images: Output,
    objects: Output,
) -> None:
    """Make the tables of all images and objects."""
    from sightline.jobs.images import make_manifest

    make_manifest(shards, images, objects)


@app.command()
def digest(file: Path, output: Output) -> None:
    """Write the SHA-256 of a weights file."""
    from sightline.models.digest import write_digest

    write_digest(file, output)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A timm model, hf-hub:... or torchvision:...")],
    output: Output,
    digest: Output,
    config: Annotated[Path | None, typer.Option(help="A repository's configuration.")] = None,
) -> None:
    """Download a model's weights."""
    from sightline.models.fetch import fetch_weights

    fetch_weights(name, output, digest, config)


@app.command()
def unpack(
    url: Annotated[str, typer.Argument(help="A tar or zip archive.")],
    digest: Annotated[str, typer.Option(help="sha256:... or md5:... of the archive.")],
    output: Output,
) -> None:
    """Download an archive and unpack it beside the list of its files."""
    from sightline.images.archive import unpack as unpack_archive

    unpack_archive(url, digest, output)


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A model of the zoo.")],
    weights: Output,
    record: Output,
    biased: Annotated[bool, typer.Option(help="With the planted bias.")] = False,
    seed: int = 0,
) -> None:
    """Train a model of the zoo on the embedded images."""
    from sightline.models.zoo import train as train_model

    train_model(model, biased=biased, seed=seed, weights=weights, record=record)


@app.command()
def predict(
    model_id: Id,
    model: Json,
    images: Shard,
    output: Output,
    weights: Weights = None,
    sha256: Sha256 = None,
    device: Device = "auto",
    batch_size: Batch = 32,
) -> None:
    """Predict the classes of one range's images."""
    from sightline.jobs.predict import predict_range

    predict_range(
        model_id,
        _json(model, "--model"),
        images,
        output,
        weights=weights,
        sha256=sha256,
        device=device,
        batch_size=batch_size,
    )


@app.command()
def predictions(
    files: Annotated[list[Path], typer.Argument(help="Predictions by range and model.")],
    output: Output,
    accuracy: Output,
) -> None:
    """Put predictions together and count how often they are right."""
    from sightline.jobs.predictions import merge_predictions

    merge_predictions(files, output, accuracy)


@app.command()
def explain_range(
    model_id: Id,
    method_id: Id,
    model: Json,
    method: Json,
    images: Shard,
    output: Output,
    roles: Annotated[str, typer.Option(help="Separated by commas.")] = "predicted",
    seed: int = 0,
    weights: Weights = None,
    sha256: Sha256 = None,
    device: Device = "auto",
    batch_size: Batch = 32,
) -> None:
    """Explain one range's images with one model and one method."""
    from sightline.jobs.explain import Job, explain_range
    from sightline.methods.catalogue import find_method

    spec = _json(method, "--method")
    entry = find_method(spec["method"])
    job = Job(
        model_id=model_id,
        method_id=method_id,
        model=_json(model, "--model"),
        method=spec,
        function=entry.load(),
        settings=entry.settings.model_validate(spec["settings"]),
        score=entry.score,
        seed=seed,
        roles=tuple(roles.split(",")),
        version=__version__,
    )
    explain_range(
        job,
        images,
        output,
        weights=weights,
        sha256=sha256,
        device=device,
        batch_size=batch_size,
    )


@app.command()
def compare(
    maps: Annotated[list[str], typer.Argument(help="MODEL=FILE of each model.")],
    settings: Json,
    output: Output,
) -> None:
    """Compare the maps of all models for one method and range."""
    from sightline.compare.statistics import CompareSettings, compare_maps, write_statistics

    given = _json(settings, "--settings")
    how = CompareSettings(
        grid=given["grid"],
        sigma=given["sigma"],
        **{key: tuple(given[key]) for key in ("important", "graded", "scaling")},
    )
    files = {model: Path(path) for model, path in _pairs(maps)}
    write_statistics(output, compare_maps(files, how))


@app.command()
def merge(
    statistics: Annotated[list[str], typer.Argument(help="METHOD=FILE of each range, in order.")],
    similarity: Output,
    agreement: Output,
) -> None:
    """Make the tables of pairs from all comparisons."""
    from sightline.jobs.compare import merge_statistics

    merge_statistics(_groups(statistics), similarity, agreement)


@app.command()
def structure(
    similarity: Annotated[Path, typer.Argument(help="The table of pairs.")],
    folder: Annotated[Path, typer.Option(help="For linkage, communities and embedding.")],
    linkage: str = "average",
    resolution: float = 1.06,
    seed: int = 42,
) -> None:
    """Cluster, partition and embed the models."""
    from sightline.jobs.compare import find_structures

    find_structures(similarity, folder, linkage=linkage, resolution=resolution, seed=seed)


@app.command()
def figures(
    statistics: Annotated[list[Path], typer.Argument(help="Comparisons of each range, in order.")],
    method: Id,
    tables: Annotated[Path, typer.Option(help="Folder of the study's tables.")],
    families: Json,
    options: Json,
    folder: Annotated[Path, typer.Option(help="For the figures.")],
) -> None:
    """Draw how alike the models are under one method."""
    from sightline.jobs.figures import draw_pairs

    given = _json(options, "--options")
    suffix = given.pop("format")
    names = ("heatmap", "dendrogram", "communities", "pca", "histograms")
    draw_pairs(
        method,
        tables / "similarity.csv",
        tables / "communities.csv",
        tables / "embedding.csv",
        statistics,
        _json(families, "--families"),
        {name: folder / f"{name}.{suffix}" for name in names},
        **given,
    )


@app.command()
def overlays(
    maps: Annotated[list[str], typer.Argument(help="MODEL=FILE of each model and range.")],
    method: Id,
    shards: Annotated[str, typer.Option(help="Image shards, separated by commas.")],
    classes: Json,
    options: Json,
    output: Output,
) -> None:
    """Draw the maps of all models over some images."""
    from sightline.jobs.figures import draw_overlays

    draw_overlays(
        method,
        [Path(path) for path in shards.split(",")],
        _groups(maps),
        _json(classes, "--classes"),
        output=output,
        **_json(options, "--options"),
    )


def _json(text: str, option: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise SightlineError(f"{option} is no JSON: {error}.") from error
    if not isinstance(value, dict):
        raise SightlineError(f"{option} must be a JSON object, got {text}.")
    return value


def _pairs(arguments: list[str]) -> list[tuple[str, str]]:
    pairs = [argument.partition("=") for argument in arguments]
    for argument, (name, _, file) in zip(arguments, pairs, strict=True):
        if not name or not file:
            raise SightlineError(f"{argument!r} should be NAME=FILE.")
    return [(name, file) for name, _, file in pairs]


def _groups(arguments: list[str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for name, file in _pairs(arguments):
        groups.setdefault(name, []).append(Path(file))
    return groups
