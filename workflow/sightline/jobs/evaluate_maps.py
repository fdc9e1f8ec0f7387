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
from sightline.evaluate.protocol import Evidence
from sightline.maps.series import MapSeries
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
    altered: Mapping[str, Mapping[str, Sequence[Path]]],
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
        The same of each variant.
    output
        See `sightline.evaluate.long.long_table`.
    """
    compare = import_module(job.module).compare
    tables = []
    for method, parts in files.items():
        before = MapSeries(parts)
        for variant, others in altered.items():
            after = first_images(MapSeries(others[method]), job.count)
            for part in blocks_of_images(after):
                rows = after.rows()[part]
                own = rows_of(before, rows, method)
                found = compare(
                    own,
                    after.part(part.start, part.stop),
                    tuple(job.scaling[method]),
                    job.settings,
                )
                tables.append(
                    long_table(
                        found,
                        model=job.model,
                        method=method,
                        variant=variant,
                        image_id=own.image_id,
                        role=own.role,
                    )
                )
    write_table(output, pd.concat(tables, ignore_index=True))


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
