"""Explain the images of one range with one model and one method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sightline.errors import SightlineError
from sightline.images.ahead import ahead
from sightline.images.geometry import Box
from sightline.images.shards import ImageRow, Shard
from sightline.jobs.loading import Loading
from sightline.jobs.targets import class_names, correctness, role_targets
from sightline.maps.store import MapWriter, map_writer
from sightline.methods.explanation import Explanation, MethodFunction
from sightline.models.classes import read_classes
from sightline.models.classifier import Classifier
from sightline.study.ids import canonical_json, seed_of

# At least so many images are explained at a time, and as many are decoded meanwhile; batches
# within a method are its own matter.
_CHUNK = 32
# But not more than take so much memory, twice.
_CHUNK_BYTES = 2**28


class Change(Protocol):
    """What a variant does to images or weights before they are explained.

    `sightline.jobs.variant` has it: a study's own maps do not depend on its code.

    Attributes
    ----------
    name
        As in the study.
    what
        For the record.
    own_draws
        Whether methods draw anew.
    shown
        Of how many images, the first of the range, what the model saw is kept.
    """

    name: str
    what: str
    own_draws: bool
    shown: int

    def prepare(self, classifier: Classifier, study_seed: int, model_id: str) -> None:
        """Do once what is not done for each image."""
        ...

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        boxes: Sequence[Box],
        targets: Tensor,
        shard: Shard,
        rows: list[ImageRow],
    ) -> tuple[Classifier, Tensor, Sequence[Box], np.ndarray | None]:
        """The same as altered; which part of what is seen, bool (n, H, W), where that is known."""
        ...


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
    change
        What is altered before; none for images and weights as they are.
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
    change: Change | None = None


def explain_range(
    job: Job,
    images: Path,
    output: Path,
    loading: Loading,
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
    loading
        Its files, device and precision. The class that is
        explained and its score are those of float32, as in the predictions.
    """
    classifier = loading.classifier(job.model)
    attributes: dict[str, str | int | float] = {
        "model": job.model_id,
        "model_spec": canonical_json(job.model),
        "method": job.method_id,
        "method_spec": canonical_json(job.method),
        "weights_sha256": loading.sha256 or "",
        "seed": job.seed,
        "redraw": job.redraw,
        "sightline": job.version,
        "torch": str(torch.__version__),
        "device": str(classifier.device),
        "precision": loading.precision,
    }
    if job.needs_layer:
        attributes["layer"] = classifier.layer(job.settings.depth).name
    if job.change is not None:
        attributes |= {"variant": job.change.name, "alteration": job.change.what}
        job.change.prepare(classifier, job.seed, job.model_id)
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
                _explain_chunk(job, classifier, pixels, boxes, part, shard, writer)
                progress.update(len(part))


def _explain_chunk(
    job: Job,
    classifier: Classifier,
    images: Tensor,
    boxes: list[Box],
    rows: list[ImageRow],
    shard: Shard,
    writer: MapWriter,
) -> None:
    scores = _scores(job, classifier, images)
    classes = read_classes(job.model["classes"])
    labels = [row.label for row in rows]
    for role in job.roles:
        # A variant explains what was explained of the image as it is: maps of another class
        # would differ for that alone.
        targets = role_targets(role, scores, labels, classes, job.model_id)
        model, shown, answered = classifier, images, scores
        parts: Sequence[Box] = boxes
        if job.change is not None:
            model, shown, parts, region = job.change(
                classifier, images, boxes, targets, shard, rows
            )
            answered = _scores(job, model, shown)
            kept = job.change.shown if writer.written == 0 else 0
            if kept:
                writer.pictures(model.preprocessing.pixels(shown[:kept]))
            if region is not None:
                writer.region(region)
        predicted = answered.argmax(dim=1).tolist()
        found = job.function(model, shown, targets, method_seeds(job, rows, role), job.settings)
        check_explanation(found, len(rows), job.method_id)
        writer.append(
            found.maps.numpy(),
            found.figures,
            image_id=[row.image_id for row in rows],
            role=[role] * len(rows),
            target=targets.numpy(),
            explained=class_names(targets.tolist(), classes),
            predicted=class_names(predicted, classes),
            correct=correctness(predicted, labels, classes),
            score=of_target(answered, targets),
            confidence=of_target(as_probability(model, answered, job.score), targets),
            box=np.array(parts, np.float32),
            size=np.array([(row.height, row.width) for row in rows], np.int32),
        )


def method_seeds(job: Job, rows: list[ImageRow], role: str) -> list[int]:
    """One an image, from which alone a method draws."""
    more = (job.redraw,) if job.redraw else ()
    if job.change is not None and job.change.own_draws:
        more = (job.change.name,)
    return [
        seed_of(job.seed, job.model_id, job.method_id, row.image_id, role, *more) for row in rows
    ]


def _scores(job: Job, classifier: Classifier, images: Tensor) -> Tensor:
    exact = replace(classifier, precision="float32")
    return exact.scores(images, "probability" if job.score == "probability" else "logit")


def as_probability(classifier: Classifier, scores: Tensor, kind: str) -> Tensor:
    """Scores of a kind, logit or probability, as the model's probabilities."""
    return scores if kind == "probability" else classifier.probabilities(scores)


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


def of_target(scores: Tensor, targets: Tensor) -> np.ndarray:
    """The score (N,) of each image's target."""
    chosen: np.ndarray = scores.gather(1, targets[:, None]).squeeze(1).numpy()
    return chosen
