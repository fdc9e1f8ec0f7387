"""Explain the images of one range with one model and one method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sightline.errors import SightlineError
from sightline.images.ahead import ahead
from sightline.images.geometry import Box
from sightline.images.shards import ImageRow, Shard
from sightline.jobs.layers import read_layers
from sightline.jobs.targets import correctness, role_targets
from sightline.maps.store import MapWriter, map_writer
from sightline.methods.explanation import Explanation, MethodFunction
from sightline.models.classes import read_classes
from sightline.models.classifier import Classifier
from sightline.models.load import load_classifier
from sightline.models.precision import Precision
from sightline.study.ids import canonical_json, seed_of

# At least so many images are explained at a time, and as many are decoded meanwhile; batches
# within a method are its own matter.
_CHUNK = 32
# But not more than take so much memory, twice.
_CHUNK_BYTES = 2**28


@dataclass(frozen=True)
class Job:
    """What one explain job computes.

    Attributes
    ----------
    model_id, method_id
        As in the study: the draws depend on them.
    model
        The model's resolved specification.
    method
        Name and settings of the method, with everything filled in.
    function
        The method.
    settings
        The method's settings as it takes them.
    score
        Which score it explains: logit or probability.
    needs_layer
        Whether it reads a layer of the model.
    seed
        The study's seed.
    redraw
        A word that makes other draws than the study's; none for the study's own.
    roles
        Classes to explain of each image.
    version
        Of Sightline, for the record.
    """

    model_id: str
    method_id: str
    model: dict[str, Any]
    method: dict[str, Any]
    function: MethodFunction
    settings: Any
    score: str
    needs_layer: bool
    seed: int
    roles: tuple[str, ...]
    version: str
    redraw: str = ""


def explain_range(
    job: Job,
    images: Path,
    output: Path,
    *,
    layers: Path | None = None,
    weights: Path | None = None,
    sha256: str | None = None,
    device: str = "auto",
    batch_size: int = 0,
    precision: Precision = "float32",
) -> None:
    """Write the maps of one shard.

    Parameters
    ----------
    job
        What is computed.
    images
        The shard.
    output
        The map file.
    layers
        What `sightline.jobs.layers.find_model_layers` wrote; looked for unless given.
    weights, sha256, device, batch_size, precision
        As for `sightline.models.load.load_classifier`. The class that is
        explained and its score are those of float32, as in the predictions.
    """
    classifier = load_classifier(
        job.model,
        weights,
        sha256=sha256,
        device=device,
        batch_size=batch_size,
        precision=precision,
    )
    if layers is not None:
        classifier.known_layers = read_layers(layers, classifier)
    attributes: dict[str, str | int | float] = {
        "model": job.model_id,
        "model_spec": canonical_json(job.model),
        "method": job.method_id,
        "method_spec": canonical_json(job.method),
        "weights_sha256": sha256 or "",
        "seed": job.seed,
        "redraw": job.redraw,
        "sightline": job.version,
        "torch": str(torch.__version__),
        "device": str(classifier.device),
        "precision": precision,
    }
    if job.needs_layer:
        attributes["layer"] = classifier.layer(job.settings.depth).name
    with Shard(images) as shard:
        rows = len(shard) * len(job.roles)
        title = f"{job.model_id} {job.method_id}"
        with (
            map_writer(output, rows, attributes) as writer,
            tqdm(total=len(shard), desc=title, unit="image", mininterval=1.0) as progress,
        ):
            height, width = classifier.preprocessing.size
            fitting = max(1, _CHUNK_BYTES // (3 * 4 * height * width))
            chunk = min(max(_CHUNK, classifier.batch_size), fitting)
            inputs = ahead(
                lambda row: classifier.preprocessing([shard.image(row)]), shard.images, chunk
            )
            for start in range(0, len(shard), chunk):
                part = shard.images[start : start + chunk]
                found = list(islice(inputs, len(part)))
                pixels = torch.cat([one for one, _ in found])
                boxes = [box for _, (box,) in found]
                _explain_chunk(job, classifier, pixels, boxes, part, writer)
                progress.update(len(part))


def _explain_chunk(
    job: Job,
    classifier: Classifier,
    images: Tensor,
    boxes: list[Box],
    rows: list[ImageRow],
    writer: MapWriter,
) -> None:
    exact = replace(classifier, precision="float32")
    scores = exact.scores(images, "probability" if job.score == "probability" else "logit")
    classes = read_classes(job.model["classes"])
    labels = [row.label for row in rows]
    predicted = scores.argmax(dim=1).tolist()
    answers: dict[str, np.ndarray | list[str]] = {
        "predicted": [str(k) if classes is None else classes.name(k) for k in predicted],
        "correct": correctness(predicted, labels, classes),
    }
    more = (job.redraw,) if job.redraw else ()
    for role in job.roles:
        targets = role_targets(role, scores, labels, classes, job.model_id)
        seeds = [
            seed_of(job.seed, job.model_id, job.method_id, row.image_id, role, *more)
            for row in rows
        ]
        found = job.function(classifier, images, targets, seeds, job.settings)
        check_explanation(found, len(rows), job.method_id)
        writer.append(
            found.maps.numpy(),
            found.figures,
            image_id=[row.image_id for row in rows],
            role=[role] * len(rows),
            target=targets.numpy(),
            score=_of_target(scores, targets),
            box=np.array(boxes, np.float32),
            size=np.array([(row.height, row.width) for row in rows], np.int32),
            **answers,
        )


def check_explanation(found: Explanation, count: int, method: str) -> None:
    """Refuse what a method may not return, before it is stored."""
    maps = found.maps
    if maps.ndim != 3 or len(maps) != count or maps.dtype != torch.float32:
        raise SightlineError(
            f"Method {method} returned {maps.dtype} of shape {tuple(maps.shape)}: expected "
            f"float32 of shape ({count}, height, width)."
        )
    for name, values in found.figures.items():
        if values.shape != (count,):
            raise SightlineError(
                f"Method {method} returned the figure {name} of shape {values.shape}: expected "
                f"({count},)."
            )


def _of_target(scores: Tensor, targets: Tensor) -> np.ndarray:
    chosen: np.ndarray = scores.gather(1, targets[:, None]).squeeze(1).numpy()
    return chosen
