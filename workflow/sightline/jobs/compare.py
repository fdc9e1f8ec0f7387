"""Compare the maps of all models, and put the comparisons together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sightline.compare.bootstrap import Bootstrap, Kind
from sightline.compare.engine import CompareSettings, compare_maps
from sightline.compare.measures.protocol import resolve
from sightline.compare.pairs import write_pairs
from sightline.compare.statistics import Statistics
from sightline.compare.tables import merge
from sightline.tabular import read_table, write_table


def comparison(settings: Mapping[str, Any]) -> CompareSettings:
    """How maps are compared, from ``grid``, ``measures`` and ``scaling`` as a study has them."""
    return CompareSettings(
        grid=settings["grid"],
        measures={name: resolve(spec) for name, spec in settings["measures"].items()},
        scaling={"": tuple(settings["scaling"])},
    )


def compare_range(files: Mapping[str, Path], settings: Mapping[str, Any], output: Path) -> None:
    """Compare the maps of all models for one method and range.

    Parameters
    ----------
    files
        Map file of each model.
    settings
        As for `comparison`.
    output
        A statistics file, see `sightline.compare.statistics`.
    """
    compare_maps({model: [path] for model, path in files.items()}, comparison(settings), output)


def merge_method(
    method: str,
    statistics: Sequence[Path],
    similarity: Path,
    agreement: Path,
    pairs: Path,
    *,
    subsets: Sequence[str],
    replicates: int,
    kind: Kind,
    level: float,
    seed: int,
    ceiling: Path | None = None,
) -> None:
    """Make a method's tables of pairs from the statistics of its ranges.

    Parameters
    ----------
    method
        Its id.
    statistics
        Of its ranges, in order.
    similarity, agreement
        Tables, see `sightline.compare.tables.Merged`.
    pairs
        A pairs file, see `sightline.compare.pairs`.
    subsets
        Of the images, besides all.
    replicates, kind, level, seed
        Of the intervals, see `sightline.compare.bootstrap.Bootstrap`.
    ceiling
        The table of `sightline.jobs.merging.ceiling.find_ceilings`; none where there is no second
        seed.
    """
    merged = merge(
        Statistics(statistics),
        method,
        bootstrap=Bootstrap(replicates, level, kind, seed),
        subsets=subsets,
        ceilings=None if ceiling is None else _by_measure(read_table(ceiling)),
    )
    write_table(similarity, merged.similarity)
    write_table(agreement, merged.agreement)
    write_pairs(pairs, merged.pairs)


def _by_measure(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    return {
        measure: dict(zip(own["model"], own["mean"], strict=True))
        for measure, own in table.groupby("measure", sort=False)
    }


def gather_tables(tables: Sequence[Path], output: Path) -> None:
    """Put the tables of all methods together, one after the other."""
    write_table(output, pd.concat([read_table(path) for path in tables], ignore_index=True))
