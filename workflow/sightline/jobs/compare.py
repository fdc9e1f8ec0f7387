"""Compare the maps of all models, and put the comparisons together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from sightline.compare.statistics import concatenate, read_statistics
from sightline.compare.structure import find_structure
from sightline.compare.tables import agreement_table, similarity_table, square
from sightline.errors import SightlineError
from sightline.files import replacing


def merge_statistics(
    files: Mapping[str, Sequence[Path]], similarity: Path, agreement: Path
) -> None:
    """Make the tables of pairs from the statistics of all ranges.

    Parameters
    ----------
    files
        Statistics files of each method's consecutive ranges.
    similarity, agreement
        CSV, see `sightline.compare.tables`.
    """
    pairs, kappas = [], []
    for method, parts in files.items():
        statistics = concatenate([read_statistics(part) for part in parts])
        pairs.append(similarity_table(statistics, method))
        kappas.append(agreement_table(statistics, method))
    for path, tables in ((similarity, pairs), (agreement, kappas)):
        with replacing(path) as temporary:
            pd.concat(tables).to_csv(temporary, index=False)


def find_structures(
    similarity: Path,
    folder: Path,
    *,
    linkage: str,
    resolution: float,
    seed: int,
) -> None:
    """Cluster, partition and embed the models, by each method and metric.

    Parameters
    ----------
    similarity
        The table of pairs.
    folder
        Gets linkage.csv, communities.csv and embedding.csv.
    linkage, resolution, seed
        As for `sightline.compare.structure.find_structure`.
    """
    pairs = pd.read_csv(similarity)
    if pairs.empty:
        raise SightlineError("There is one model: comparing needs two. Add a model.")
    tables: dict[str, list[pd.DataFrame]] = {"linkage": [], "communities": [], "embedding": []}
    for (method, metric), table in pairs.groupby(["method", "metric"], sort=False):
        found = find_structure(
            square(table, "dissimilarity", 0.0),
            square(table, "mean", 1.0),
            method=linkage,
            resolution=resolution,
            seed=seed,
        )
        for name, parts in tables.items():
            part = getattr(found, name)
            part.insert(0, "method", method)
            part.insert(1, "metric", metric)
            parts.append(part)
    for name, parts in tables.items():
        with replacing(folder / f"{name}.csv") as temporary:
            pd.concat(parts).to_csv(temporary, index=False)
