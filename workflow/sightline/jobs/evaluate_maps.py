"""An experiment on the stored maps of one model, under every method: no model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sightline.errors import SightlineError
from sightline.evaluate.long import joined, long_table
from sightline.evaluate.protocol import Curve, Evidence
from sightline.maps.series import MapSeries
from sightline.maps.store import MapSet
from sightline.tabular import write_table

# Images whose maps are held at a time.
_BLOCK = 64


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
    """

    model: str
    module: str
    settings: Any
    scaling: Mapping[str, Sequence[str]]
    count: int
    seed: int


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


def evaluate_maps(job: MapsJob, files: Mapping[str, Sequence[Path]], output: Path) -> None:
    """Write what an experiment that reads maps alone gives.

    Parameters
    ----------
    job
        What is evaluated.
    files
        Map files of each method, in the order of their ranges.
    output
        See `sightline.evaluate.long.long_table`.
    """
    measure = import_module(job.module).measure
    series = {method: first_images(MapSeries(parts), job.count) for method, parts in files.items()}
    tables = []
    for method, own in series.items():
        for part in blocks_of_images(own):
            maps = own.part(part.start, part.stop)
            rows = own.rows()[part]

            def of(other: str, rows: Sequence[tuple[str, str]] = rows) -> Any:
                return rows_of(series[other], rows, other)

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


def first_images(series: MapSeries, count: int) -> MapSeries:
    """The rows of the first images, those of one image together."""
    codes, images = pd.factorize(series.image_id)
    order = np.argsort(codes, kind="stable")
    return series.ordered(order[: int((codes < min(count, len(images))).sum())])


def blocks_of_images(series: MapSeries) -> Iterator[slice]:
    """Rows of so many images at a time, all rows of an image in one block."""
    codes, images = pd.factorize(series.image_id)
    ends = np.flatnonzero(np.diff(codes, append=len(images))) + 1
    start = 0
    for last in [*range(_BLOCK - 1, len(ends) - 1, _BLOCK), len(ends) - 1]:
        yield slice(start, int(ends[last]))
        start = int(ends[last])


def rows_of(series: MapSeries, rows: Sequence[tuple[str, str]], name: str) -> Any:
    """Some rows of a series, in the order asked for.

    Raises
    ------
    SightlineError
        Where one is missing.
    """
    try:
        order = joined(series.rows(), rows)
    except KeyError as error:
        image_id, role = error.args[0]
        raise SightlineError(
            f"The maps of {name} lack {image_id!r} ({role}). Delete them and run again."
        ) from error
    return series.ordered(order).part(0, len(order))
