"""How far each model agrees with itself under a second seed: the ceiling of all agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sightline.compare.aggregate import aggregate
from sightline.compare.bootstrap import Bootstrap, Kind
from sightline.compare.engine import CompareSettings
from sightline.compare.statistics import Statistics
from sightline.errors import SightlineError
from sightline.jobs.compare import comparison
from sightline.maps.align import resample
from sightline.maps.series import MapSeries
from sightline.maps.store import OK
from sightline.tabular import write_table

# Maps compared at a time.
_BLOCK = 16


def find_ceilings(
    method: str,
    maps: Mapping[str, Sequence[Path]],
    again: Mapping[str, Path],
    statistics: Sequence[Path],
    settings: Mapping[str, Any],
    output: Path,
    *,
    replicates: int,
    kind: Kind,
    level: float,
    seed: int,
) -> None:
    """Compare each model's maps with those by other draws, as models are compared.

    Parameters
    ----------
    method
        Its id.
    maps
        Map files of each model, in the order of their ranges.
    again
        Each model's maps of some of these images by a second seed.
    statistics
        Of the method, for what a measure takes from all pairs (the median heuristic).
    settings
        As for `sightline.jobs.compare.comparison`.
    output
        A table, a row a (measure, model): method, measure, model, images (with two ok
        maps), left_out, mean (similarity to itself), mean_low, mean_high.
    replicates, kind, level, seed
        Of the intervals, see `sightline.compare.bootstrap.Bootstrap`.
    """
    how, typical = comparison(settings), Statistics(statistics)
    bootstrap = Bootstrap(replicates, level, kind, seed)
    rows = []
    for model, files in maps.items():
        second = MapSeries([again[model]])
        found = _similarities(MapSeries(files), second, again[model], how, typical)
        for name, values in found.items():
            told = aggregate(values[None], bootstrap.over(second.image_id)).columns
            row = {"method": method, "measure": name, "model": model}
            row |= {key: told[key][0] for key in ("images", "mean", "mean_low", "mean_high")}
            rows.append(row | {"left_out": len(second) - told["images"][0]})
    write_table(output, pd.DataFrame(rows))


def _similarities(
    first: MapSeries, second: MapSeries, path: Path, how: CompareSettings, typical: Statistics
) -> dict[str, np.ndarray]:
    """Of each measure, how alike a model's maps by two seeds are, (n,); NaN where not used."""
    places = _places(first, second, path)
    found: dict[str, list[np.ndarray]] = {name: [] for name in how.measures}
    for part, again in second.blocks(_BLOCK):
        place = places[part]
        own = np.concatenate([first.read(row, row + 1) for row in place])
        box = second.box[part]
        one, other = (
            resample(how.scale(raw, ""), box, box, how.grid)[:, None] for raw in (own, again)
        )
        ok = (first.status[place] == OK) & (second.status[part] == OK)
        shows = ok & one.any(axis=(1, 2, 3)) & other.any(axis=(1, 2, 3))
        for name, parts in found.items():
            parts.append(np.where(shows, typical.of_maps(name, one, other)[:, 0, 0], np.nan))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _places(first: MapSeries, second: MapSeries, path: Path) -> np.ndarray:
    """Which rows of the study's maps the rows by the second seed are of."""
    known = {row: place for place, row in enumerate(zip(first.image_id, first.role, strict=True))}
    rows = list(zip(second.image_id, second.role, strict=True))
    strange = next((row for row in rows if row not in known), None)
    if strange is not None:
        raise SightlineError(
            f"{path} holds {strange[0]!r} ({strange[1]}), which the study does not: delete it and "
            "run again."
        )
    return np.array([known[row] for row in rows])
