"""Commands about models: their weights, and what they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import (
    MODEL_HELP,
    Device,
    Id,
    Json,
    Models,
    Output,
    Ranges,
    Sha256,
    Shard,
    Weights,
    from_json,
    pattern_files,
    untrained,
)


def digest(file: Path, output: Output) -> None:
    """Write the SHA-256 of a weights file."""
    from sightline.models.digest import write_digest

    write_digest(file, output)


def fetch(
    name: Annotated[str, typer.Argument(help="A timm model, hf-hub:... or torchvision:...")],
    output: Output,
    digest: Output,
    config: Annotated[Path | None, typer.Option(help="A repository's configuration.")] = None,
) -> None:
    """Download a model's weights."""
    from sightline.models.fetch import fetch_weights

    fetch_weights(name, output, digest, config)


def layers(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    weights: Weights = None,
    pretrained: Annotated[
        bool, typer.Option(help="On: with pretrained weights, downloaded if need be.")
    ] = False,
) -> None:
    """List the layers that class activation maps can read, by depth."""
    from sightline.jobs.layers import layer_table
    from sightline.jobs.named import load_named

    _, classifier = load_named(untrained(model, weights, pretrained), "cpu")
    height, width = classifier.preprocessing.size
    print(f"{classifier.name}, images of {height} x {width} pixels")
    print(layer_table(classifier.layers))


def find_layers(
    model: Json, output: Output, weights: Weights = None, sha256: Sha256 = None
) -> None:
    """Find the layers of a model, for all jobs that read one."""
    from sightline.jobs.layers import find_model_layers

    find_model_layers(from_json(model, "--model"), output, weights=weights, sha256=sha256)


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


def predict(
    model_id: Id,
    model: Json,
    images: Shard,
    output: Output,
    weights: Weights = None,
    sha256: Sha256 = None,
    device: Device = "auto",
) -> None:
    """Predict the classes of one range's images."""
    from sightline.jobs.predict import predict_range

    predict_range(
        model_id,
        from_json(model, "--model"),
        images,
        output,
        weights=weights,
        sha256=sha256,
        device=device,
    )


def predictions(
    files: Annotated[str, typer.Argument(help="Predictions, with {model} and {range}.")],
    ranges: Ranges,
    models: Models,
    output: Output,
    accuracy: Output,
) -> None:
    """Put predictions together and count how often they are right."""
    from sightline.jobs.merging.predictions import merge_predictions

    merge_predictions(pattern_files(files, model=models, range=ranges), output, accuracy)
