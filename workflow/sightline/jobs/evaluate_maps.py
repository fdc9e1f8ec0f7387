"""An experiment on the stored maps of one model, under every method: no model runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from sightline.evaluate.long import long_table
from sightline.evaluate.protocol import Evidence
from sightline.jobs.map_rows import blocks_of_images, first_images, rows_of
from sightline.maps.series import MapSeries
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
