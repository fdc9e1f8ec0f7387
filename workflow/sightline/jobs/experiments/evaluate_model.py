"""An experiment that runs the model, on one range of images and one method's maps of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from sightline.evaluate.explain import explainer
from sightline.evaluate.long import long_table
from sightline.evaluate.protocol import Case, Values
from sightline.images.shards import ImageRow, Shard
from sightline.jobs.experiments.map_rows import rows_of
from sightline.jobs.loading import Loading
from sightline.jobs.targets import role_targets
from sightline.maps.series import MapSeries
from sightline.methods.explanation import MethodFunction
from sightline.models.classes import read_classes
from sightline.models.classifier import Classifier
from sightline.study.ids import seed_of
from sightline.tabular import write_table

# Images at a time, each with its maps and their copies.
_CHUNK = 32


@dataclass(frozen=True)
class ModelJob:
    """What one job evaluates.

    Attributes
    ----------
    model_id, method_id
        As in the study: the draws depend on them.
    model
        The model's resolved specification.
    function, method
        The method and its settings.
    scaling
        Steps that make its maps comparable.
    experiment_id
        As in the study.
    module, settings
        Of the experiment.
    roles
        Classes explained of each image.
    seed
        The study's.
    """

    model_id: str
    method_id: str
    model: dict[str, Any]
    function: MethodFunction
    method: Any
    scaling: tuple[str, ...]
    experiment_id: str
    module: str
    settings: Any
    roles: tuple[str, ...]
    seed: int


def evaluate_model(
    job: ModelJob,
    images: Path,
    maps: Sequence[Path],
    output: Path,
    loading: Loading,
) -> None:
    """Write what an experiment gives for one shard.

    Parameters
    ----------
    job
        What is evaluated.
    images
        The shard.
    maps
        Map files that hold the shard's images, and maybe others; none for a control, whose
        maps are made here: they read no model.
    output
        See `sightline.evaluate.long.long_table`.
    loading
        Its files, device and precision. The class that is evaluated is the one that the maps
        explain, whatever the precision; a control's is chosen as theirs, in float32.
    """
    classifier = loading.classifier(job.model)
    stored = MapSeries(maps) if maps else None
    measure = import_module(job.module).measure
    tables = []
    title = f"{job.model_id} {job.method_id} {job.experiment_id}"
    with Shard(images) as shard, tqdm(total=len(shard), desc=title, unit="image") as progress:
        for start in range(0, len(shard), _CHUNK):
            rows = shard.images[start : start + _CHUNK]
            inputs, _ = classifier.preprocessing([shard.image(row) for row in rows])
            tables += _evaluate_chunk(job, classifier, inputs, rows, stored, measure)
            progress.update(len(rows))
    write_table(output, pd.concat(tables, ignore_index=True))


def _evaluate_chunk(
    job: ModelJob,
    classifier: Classifier,
    images: Tensor,
    rows: Sequence[ImageRow],
    stored: MapSeries | None,
    measure: Callable[[Case, Any], Values],
) -> list[pd.DataFrame]:
    explain = explainer(job.function, job.method)
    ids = [row.image_id for row in rows]
    chosen = _chooser(job, classifier, images, rows)
    tables = []
    for role in job.roles:

        def seeds(name: str, *more: str | int, role: str = role) -> list[int]:
            return [seed_of(job.seed, job.model_id, name, one, role, *more) for one in ids]

        if stored is None:
            targets = chosen(role)
            maps = explain(classifier, images, targets, seeds(job.method_id))
        else:
            known = rows_of(stored, [(one, role) for one in ids], job.method_id)
            targets, maps = torch.from_numpy(known.target).long(), known.maps
        case = Case(
            classifier=classifier,
            images=images,
            targets=targets,
            maps=maps,
            scaling=job.scaling,
            draws=lambda *words, seeds=seeds: seeds(job.experiment_id, *words),
            explain=explain,
            seeds=seeds(job.method_id),
        )
        tables.append(
            long_table(
                measure(case, job.settings),
                model=job.model_id,
                method=job.method_id,
                image_id=np.array(ids, object),
                role=np.full(len(ids), role, object),
            )
        )
    return tables


def _chooser(
    job: ModelJob, classifier: Classifier, images: Tensor, rows: Sequence[ImageRow]
) -> Callable[[str], Tensor]:
    """From a role to the outputs it means, int64 (n,), as `sightline.jobs.explain` has them."""
    classes = read_classes(job.model["classes"])
    labels = [row.label for row in rows]

    @cache
    def scores() -> Tensor:
        # Fewer bits may rank two classes the other way round.
        return replace(classifier, precision="float32").scores(images)

    return lambda role: role_targets(role, scores(), labels, classes, job.model_id)
