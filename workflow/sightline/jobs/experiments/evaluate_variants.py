"""An experiment that compares a model's stored maps with those of altered images or weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from sightline.errors import SightlineError
from sightline.evaluate.long import long_table
from sightline.evaluate.protocol import Curve, Regions, Values
from sightline.jobs.experiments.evaluate_maps import MapsJob
from sightline.jobs.experiments.map_rows import blocks_of_images, first_images, rows_of
from sightline.maps.series import MapSeries
from sightline.maps.store import MapSet
from sightline.tabular import write_table


@dataclass(frozen=True)
class AlteredMaps:
    """Maps of a variant.

    Attributes
    ----------
    group
        What tables call the variant.
    x
        Where it lies on a curve of its group; None where it is no point of one.
    files
        Map files of each method, in the order of their ranges.
    """

    group: str
    x: float | None
    files: Mapping[str, Sequence[Path]]


def evaluate_variants(
    job: MapsJob,
    files: Mapping[str, Sequence[Path]],
    altered: Sequence[AlteredMaps],
    output: Path,
) -> None:
    """Write what an experiment gives that compares maps with those of altered images or weights.

    Parameters
    ----------
    job
        What is evaluated.
    files
        Map files of each method, in the order of their ranges.
    altered
        Those of each variant.
    output
        See `sightline.evaluate.long.long_table`; also ``before`` and ``after``, the classes that
        the model answered. A curve begins at x = 0 with the original against itself.
    """
    by_chance = getattr(import_module(job.module), "by_chance", None)
    # Whatever the method, the same is altered.
    known: dict[int, Regions] = {}
    tables = []
    for method, parts in files.items():
        before = MapSeries(parts)
        begun: set[str] = set()
        for number, variant in enumerate(altered):
            after = first_images(MapSeries(variant.files[method]), job.count)
            if by_chance is not None and number not in known:
                known[number] = _regions(after, f"{job.model}, {variant.group}")
            regions = known.get(number)
            for part in blocks_of_images(after):
                rows = after.rows()[part]
                own = rows_of(before, rows, method)
                changed = after.part(part.start, part.stop)
                tables.append(
                    _compared(job, method, variant.group, variant.x, own, changed, regions)
                )
                if variant.x is not None and variant.group not in begun:
                    tables.append(_compared(job, method, variant.group, 0.0, own, own))
            begun.add(variant.group)
    found = pd.concat(tables, ignore_index=True)
    write_table(output, found.sort_values(["method", "variant", "x"], kind="stable", key=_order))


def _order(column: pd.Series) -> pd.Series:
    """Numbers by their size, names as they come."""
    return column if column.name == "x" else pd.Series(pd.factorize(column)[0], column.index)


def _regions(after: MapSeries, where: str) -> Regions:
    """What is altered on the images, each counted once, whatever roles it has."""
    series = after.ordered(np.flatnonzero(after.role == after.role[0]))
    total, count = np.zeros(()), 0
    for part in blocks_of_images(series):
        region = series.part(part.start, part.stop).region
        if region is None:
            raise ValueError("the maps do not say what is altered")
        total = total + region.sum(axis=0, dtype=np.float64)
        count += int(region.any(axis=(1, 2)).sum())
    if not count:
        raise SightlineError(
            f"{where}: nothing was taken out of any of {len(series)} images: on none is such an "
            "object in sight, with anything else beside it. tables/objects.csv has the labels."
        )
    return Regions(total, count)


def _compared(
    job: MapsJob,
    method: str,
    group: str,
    x: float | None,
    before: MapSet,
    after: MapSet,
    regions: Regions | None = None,
) -> pd.DataFrame:
    module, scaling = import_module(job.module), tuple(job.scaling[method])
    found = module.compare(before, after, scaling, job.settings)
    chance: Values | None = None
    if regions is not None:
        nothing = dict.fromkeys(found, np.full(len(before.maps), np.nan))
        chance = nothing | module.by_chance(before, after, scaling, regions)
    # A variant is one point of a curve, or a number of its own.
    if x is not None:
        found = {name: Curve(np.array([x]), values[:, None]) for name, values in found.items()}
    table = long_table(
        found,
        model=job.model,
        method=method,
        variant=group,
        image_id=before.image_id,
        role=before.role,
        chance=chance,
    )
    # Each measure has the rows in the same order.
    for name, maps in (("before", before), ("after", after)):
        table[name] = np.tile(maps.predicted, len(found))
    return table
