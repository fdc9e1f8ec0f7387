"""An experiment that compares a model's stored maps with those of altered images or weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from sightline.evaluate.long import long_table
from sightline.evaluate.protocol import Curve
from sightline.jobs.evaluate_maps import MapsJob
from sightline.jobs.map_rows import blocks_of_images, first_images, rows_of
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
    tables = []
    for method, parts in files.items():
        before = MapSeries(parts)
        begun: set[str] = set()
        for variant in altered:
            after = first_images(MapSeries(variant.files[method]), job.count)
            for part in blocks_of_images(after):
                rows = after.rows()[part]
                own = rows_of(before, rows, method)
                changed = after.part(part.start, part.stop)
                tables.append(_compared(job, method, variant.group, variant.x, own, changed))
                if variant.x is not None and variant.group not in begun:
                    tables.append(_compared(job, method, variant.group, 0.0, own, own))
            begun.add(variant.group)
    found = pd.concat(tables, ignore_index=True)
    write_table(output, found.sort_values(["method", "variant", "x"], kind="stable", key=_order))


def _order(column: pd.Series) -> pd.Series:
    """Numbers by their size, names as they come."""
    return column if column.name == "x" else pd.Series(pd.factorize(column)[0], column.index)


def _compared(
    job: MapsJob, method: str, group: str, x: float | None, before: MapSet, after: MapSet
) -> pd.DataFrame:
    compare = import_module(job.module).compare
    found = compare(before, after, tuple(job.scaling[method]), job.settings)
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
    )
    # Each measure has the rows in the same order.
    for name, maps in (("before", before), ("after", after)):
        table[name] = np.tile(maps.predicted, len(found))
    return table
