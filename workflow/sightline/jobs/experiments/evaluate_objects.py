"""An experiment on where objects are: one model's stored maps, and controls; no model runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sightline.evaluate.experiments.chance import against_others
from sightline.evaluate.experiments.truth import Truth
from sightline.evaluate.long import long_table
from sightline.evaluate.protocol import Findings, Values
from sightline.jobs.experiments.evaluate_maps import MapsJob, blocks, row_seeds
from sightline.jobs.experiments.map_rows import first_images
from sightline.jobs.experiments.scenes import Scenes
from sightline.jobs.experiments.truth import find_truth
from sightline.maps.series import MapSeries, check_rows, in_one_order
from sightline.maps.store import MapSet
from sightline.study.ids import seed_of
from sightline.tabular import write_table

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.entry import Direction


@dataclass(frozen=True)
class ObjectsJob(MapsJob):
    """What one job evaluates.

    Attributes
    ----------
    classes
        As in the model's specification.
    better
        Of each measure, on which side maps that hold lie.
    """

    classes: Any = None
    better: Mapping[str, Direction | None] = field(default_factory=dict)


def evaluate_objects(
    job: ObjectsJob, files: Mapping[str, Sequence[Path]], shards: Sequence[Path], output: Path
) -> None:
    """Write what an experiment gives that holds maps against where objects are.

    Parameters
    ----------
    job
        What is evaluated.
    files
        Map files of each method, in the order of their ranges.
    shards
        That hold the images, and maybe others, in their order.
    output
        See `sightline.evaluate.long.long_table`.
    """
    series = in_one_order(
        {method: first_images(MapSeries(parts), job.count) for method, parts in files.items()}
    )
    check_rows(series)
    rows = next(iter(series.values()))
    module = import_module(job.module)
    tables = []
    with Scenes(shards) as scenes:
        truth = find_truth(rows, scenes, job.classes, job.model)
        for method in [*series, *job.controls]:
            maps = blocks(job, method, series.get(method), rows, scenes)
            findings = _look(job, method, maps)

            def score(truth: Truth, findings: Findings = findings) -> Values:
                found: Values = module.score(findings, truth, job.settings)
                return found

            found = against_others(
                score,
                truth,
                job.better,
                derangements=job.settings.derangements,
                permutations=job.settings.permutations,
                seed=seed_of(job.seed, "other objects"),
            )
            tables.append(
                long_table(
                    found.values,
                    model=job.model,
                    method=method,
                    image_id=rows.image_id,
                    role=rows.role,
                    chance=found.chance,
                    p=found.p,
                )
            )
    write_table(output, pd.concat(tables, ignore_index=True))


def _look(job: ObjectsJob, method: str, blocks: Iterable[MapSet]) -> Findings:
    """What is kept of a method's maps, block by block."""
    look = import_module(job.module).look
    steps, parts = tuple(job.scaling[method]), []
    for maps in blocks:
        parts.append(look(maps, steps, job.settings, row_seeds(job, method, maps, "look")))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
