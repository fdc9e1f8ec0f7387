"""Methods against each other, model by model, and over all models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sightline.compare.bootstrap import Bootstrap, Kind
from sightline.compare.engine import CompareSettings, compare_series
from sightline.compare.measures.protocol import resolve
from sightline.compare.method_pairs import RANKS, method_table, over_models
from sightline.compare.rank_pairs import rank_correlations
from sightline.compare.statistics import Statistics
from sightline.maps.series import MapSeries, in_one_order
from sightline.tabular import read_table, write_table


def compare_methods(
    model: str,
    files: Mapping[str, Sequence[Path]],
    settings: Mapping[str, Any],
    statistics: Path,
    table: Path,
    *,
    replicates: int,
    kind: Kind,
    level: float,
    seed: int,
) -> None:
    """Compare the maps that all methods make of one model.

    Parameters
    ----------
    model
        Its id.
    files
        Map files of each method's ranges, in order. Ranges may end where another
        method's do not: rows are joined by (image_id, role).
    settings
        ``grid``, ``measures`` (specifications by id) and ``scaling`` (steps by method).
    statistics
        A statistics file whose series are methods, see `sightline.compare.statistics`.
    table
        A row a (measure, pair), see `sightline.compare.method_pairs.method_table`; the
        measures are the study's and ``rank_correlation``, which is
        `sightline.compare.rank_pairs.rank_correlations`.
    replicates, kind, level, seed
        Of the intervals, see `sightline.compare.bootstrap.Bootstrap`.
    """
    how = CompareSettings(
        grid=settings["grid"],
        measures={name: resolve(spec) for name, spec in settings["measures"].items()},
        scaling={name: tuple(steps) for name, steps in settings["scaling"].items()},
    )
    series = in_one_order({method: MapSeries(parts) for method, parts in files.items()})
    compare_series(series, how, statistics)
    found = Statistics([statistics])
    similarities = {name: found.similarity(name, slice(None)) for name in found.measures}
    similarities[RANKS] = rank_correlations(series, how.scaling)
    bootstrap = Bootstrap(replicates, level, kind, seed).over(found.image_id)
    write_table(table, method_table(model, list(files), similarities, found.target, bootstrap))


def merge_methods(tables: Sequence[Path], output: Path, overall: Path) -> None:
    """Put the tables of all models together.

    Parameters
    ----------
    tables
        One a model, see `compare_methods`.
    output
        All of them.
    overall
        A row a (measure, pair of methods), see
        `sightline.compare.method_pairs.over_models`.
    """
    every = pd.concat([read_table(path) for path in tables], ignore_index=True)
    write_table(output, every)
    write_table(overall, over_models(every))
