"""Check one method on one model: do its maps depend on what they should, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from sightline.evaluate.alike import cosine_of_scaled, rank_correlation
from sightline.evaluate.explain import Explain, explainer
from sightline.evaluate.inside import inside
from sightline.evaluate.sanity.completeness import completeness_gap
from sightline.evaluate.sanity.offset import offset_change, rounded
from sightline.evaluate.sanity.randomise import randomised
from sightline.evaluate.sanity.seeds import seed_agreement
from sightline.evaluate.sanity.shift import follows_shift
from sightline.evaluate.sanity.verdict import Declared
from sightline.jobs.loading import Loading
from sightline.jobs.masks import images_with_masks
from sightline.methods.explanation import MethodFunction
from sightline.models.classifier import Classifier
from sightline.study.ids import seed_of
from sightline.tabular import write_table

COLUMNS = ["model", "method", "check", "measure", "weights", "image_id", "value"]
# Figures by measure: one a map, or a scalar that is one of all of them.
Measured = dict[str, np.ndarray]


@dataclass(frozen=True)
class SanityJob:
    """What one job checks.

    Attributes
    ----------
    model_id, method_id
        As in the study: the draws depend on them.
    model
        The model's resolved specification.
    function, settings
        The method.
    declared
        What the catalogue says of it.
    needs_layer
        Whether it reads a layer of the model.
    checks
        Of `sightline.evaluate.sanity.verdict.CHECKS`.
    images
        How many, the first of the study.
    stages
        Of the cascade of randomised weights.
    grid
        On which maps of different models are compared.
    seed
        The study's seed.
    """

    model_id: str
    method_id: str
    model: dict[str, Any]
    function: MethodFunction
    settings: Any
    declared: Declared
    needs_layer: bool
    checks: tuple[str, ...]
    images: int
    stages: int
    grid: int
    seed: int


@dataclass(frozen=True)
class Subject:
    """Images with their maps, and all that explaining them again needs."""

    explain: Explain
    classifier: Classifier
    image_ids: list[str]
    images: Tensor
    targets: Tensor
    masks: np.ndarray
    maps: np.ndarray
    seeds: Callable[..., list[int]]


def check_method(
    job: SanityJob,
    shards: Sequence[Path],
    output: Path,
    loading: Loading,
) -> None:
    """Write what the checks measure of one method on one model.

    Parameters
    ----------
    job
        What is checked.
    shards
        Of the first images, in order.
    output
        CSV, a row a (check, measure, image): model, method, check, measure,
        weights (the share of them that is randomised, empty otherwise),
        image_id (empty for a figure of all images), value (empty where a map is
        zero or not finite). Checks that are not defined for the method, and
        ``inside`` where no image has a mask or box, give no row.
    loading
        Its files, device and precision.
    """
    classifier = loading.classifier(job.model)
    if job.needs_layer and loading.layers is None:
        classifier.known_layers = classifier.layers
    rows = list(_rows(job, _subject(job, classifier, shards)))
    write_table(output, pd.DataFrame(rows, columns=COLUMNS), digits=6)


def _subject(job: SanityJob, classifier: Classifier, shards: Sequence[Path]) -> Subject:
    rows, inputs, masks = images_with_masks(classifier, shards, job.images)
    images = rounded(inputs)
    targets = classifier.scores(images).argmax(dim=1)

    def seeds(*more: str | int) -> list[int]:
        return [
            seed_of(job.seed, job.model_id, job.method_id, row.image_id, "predicted", *more)
            for row in rows
        ]

    explain = explainer(job.function, job.settings)
    maps = explain(classifier, images, targets, seeds())
    ids = [row.image_id for row in rows]
    return Subject(explain, classifier, ids, images, targets, masks, maps, seeds)


def _rows(job: SanityJob, subject: Subject) -> Iterator[dict[str, Any]]:
    for check in job.checks:
        if not job.declared.has(check):
            continue
        for weights, measured in _CHECKS[check](job, subject):
            for measure, values in measured.items():
                ids = subject.image_ids if values.ndim else [""]
                for image_id, value in zip(ids, np.atleast_1d(values), strict=True):
                    yield {
                        **{"model": job.model_id, "method": job.method_id, "check": check},
                        **{"measure": measure, "weights": weights, "image_id": image_id},
                        "value": value,
                    }


Found = Iterator[tuple[float | None, Measured]]


def _randomise(job: SanityJob, on: Subject) -> Found:
    draws = seed_of(job.seed, job.model_id, "randomised")
    for stage, (share, other) in enumerate(randomised(on.classifier, job.stages, draws)):
        # With draws of their own, as for any two models: shared masks make maps alike.
        seeds = on.seeds("randomised", stage)
        maps = on.explain(other, on.images, on.targets, seeds)
        yield (
            share,
            {
                "rank": rank_correlation(on.maps, maps),
                "rank_magnitude": rank_correlation(np.abs(on.maps), np.abs(maps)),
                "cosine": cosine_of_scaled(on.maps, maps, job.declared.scaling, job.grid),
            },
        )


def _completeness(job: SanityJob, on: Subject) -> Found:
    yield None, {"gap": completeness_gap(on.classifier, on.images, on.targets, on.maps)}


def _shift(job: SanityJob, on: Subject) -> Found:
    common = (on.explain, on.classifier, on.images, on.targets, on.seeds(), on.maps)
    yield None, {"follows": follows_shift(*common, job.declared.scaling)}


def _offset(job: SanityJob, on: Subject) -> Found:
    common = (on.explain, on.classifier, on.images, on.targets, on.seeds(), on.maps)
    yield None, {"change": offset_change(*common)}


def _inside(job: SanityJob, on: Subject) -> Found:
    if not on.masks.any():
        return
    found = inside(on.maps, on.masks, job.declared.scaling, seed=job.seed)
    yield (
        None,
        {
            "share": found.share,
            "chance": found.chance,
            "excess": found.share - found.chance,
            "area": found.area,
            "p": np.array(found.p),
        },
    )


def _seeds(job: SanityJob, on: Subject) -> Found:
    common = (on.explain, on.classifier, on.images, on.targets, on.seeds("again"), on.maps)
    yield None, seed_agreement(*common, scaling=job.declared.scaling, grid=job.grid)


_CHECKS: dict[str, Callable[[SanityJob, Subject], Found]] = {
    "randomise": _randomise,
    "completeness": _completeness,
    "shift": _shift,
    "offset": _offset,
    "inside": _inside,
    "seeds": _seeds,
}
