"""An experiment on the stored maps of one model, under every method: no model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sightline.evaluate.long import long_table
from sightline.evaluate.protocol import Evidence
from sightline.jobs.experiments.control_maps import control_maps
from sightline.jobs.experiments.map_rows import blocks_of_images, first_images, rows_of
from sightline.jobs.experiments.scenes import Scenes
from sightline.maps.series import MapSeries
from sightline.maps.store import OK, MapSet
from sightline.study.ids import seed_of
from sightline.tabular import write_table


@dataclass(frozen=True)
class MapsJob:
    """What one job evaluates.

    Attributes
    ----------
    model
        Its id.
    module
        Of the experiment's functions (`sightline.evaluate.protocol`).
    settings
        The experiment's.
    scaling
        Of each method, the steps that make its maps comparable.
    count
        Images of the study that are taken, the first ones.
    seed
        The study's.
    controls
        Names of controls that stand beside the study's methods.
    """

    model: str
    module: str
    settings: Any
    scaling: Mapping[str, Sequence[str]]
    count: int
    seed: int
    controls: Sequence[str] = ()


def evaluate_maps(
    job: MapsJob, files: Mapping[str, Sequence[Path]], shards: Sequence[Path], output: Path
) -> None:
    """Write what an experiment that reads maps alone gives.

    Parameters
    ----------
    job
        What is evaluated.
    files
        Map files of each method, in the order of their ranges.
    shards
        That hold the images, and maybe others: controls are made of them.
    output
        See `sightline.evaluate.long.long_table`.
    """
    measure = import_module(job.module).measure
    series = {method: first_images(MapSeries(parts), job.count) for method, parts in files.items()}
    rows = next(iter(series.values()))
    tables = []
    with Scenes(shards) as scenes:
        for method in [*series, *job.controls]:
            for maps in blocks(job, method, series.get(method), rows, scenes):

                def of(other: str, maps: MapSet = maps) -> MapSet:
                    return rows_of(
                        series[other], list(zip(maps.image_id, maps.role, strict=True)), other
                    )

                found = measure(Evidence(maps, tuple(job.scaling[method]), of), job.settings)
                tables.append(
                    long_table(
                        found,
                        model=job.model,
                        method=method,
                        image_id=maps.image_id,
                        role=maps.role,
                    )
                )
    write_table(output, pd.concat(tables, ignore_index=True))


def blocks(
    job: MapsJob, method: str, stored: MapSeries | None, rows: MapSeries, scenes: Scenes
) -> Iterator[MapSet]:
    """Maps of a method as stored, of a control as made for the rows of another, block by block."""
    series = rows if stored is None else stored
    for part in blocks_of_images(series):
        maps = series.part(part.start, part.stop)
        if stored is None:
            seeds = row_seeds(job, method, maps)
            made = control_maps(method, maps.image_id, maps.box, seeds, scenes)
            maps = replace(maps, maps=made, status=np.full_like(maps.status, OK))
        yield maps


def row_seeds(job: MapsJob, method: str, maps: MapSet, *more: str) -> list[int]:
    """One a row; without further words those from which a method's maps are drawn."""
    rows = zip(maps.image_id, maps.role, strict=True)
    return [seed_of(job.seed, job.model, method, image, role, *more) for image, role in rows]
