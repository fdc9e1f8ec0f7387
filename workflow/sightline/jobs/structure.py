"""Clusters, communities and embeddings of the models, as one method sees them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sightline.compare.pairs import read_pairs
from sightline.compare.structure import find_structure
from sightline.errors import SightlineError
from sightline.tabular import write_table


def find_structures(
    method: str, pairs: Path, folder: Path, *, linkage: str, resolution: float, seed: int
) -> None:
    """Cluster, partition and embed the models, by each measure.

    Parameters
    ----------
    method
        Its id.
    pairs
        Its pairs file.
    folder
        Gets linkage.csv, communities.csv and embedding.csv.
    linkage, resolution, seed
        As for `sightline.compare.structure.find_structure`.
    """
    found = read_pairs(pairs)
    if len(found.models) < 2:
        raise SightlineError("There is one model: comparing needs two. Add a model.")
    tables: dict[str, list[pd.DataFrame]] = {"linkage": [], "communities": [], "embedding": []}
    for measure in found.measures:
        structure = find_structure(
            found.dissimilarity(measure),
            found.mean(measure),
            method=linkage,
            resolution=resolution,
            seed=seed,
        )
        for name, parts in tables.items():
            part = getattr(structure, name)
            part.insert(0, "method", method)
            part.insert(1, "measure", measure)
            parts.append(part)
    for name, parts in tables.items():
        write_table(folder / f"{name}.csv", pd.concat(parts))
