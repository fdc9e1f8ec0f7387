"""Clusters, communities and embeddings of the models, as one method sees them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sightline.compare.pairs import each_measure
from sightline.compare.structure.communities import Proof
from sightline.compare.structure.found import Structure, StructureSettings, find_structure
from sightline.errors import SightlineError
from sightline.tabular import write_table

TABLES = ("linkage", "communities", "resolutions", "embedding", "clusters", "cluster_test")


def find_structures(
    method: str,
    pairs: Path,
    folder: Path,
    *,
    linkage: str,
    resolution: float,
    resolutions: Sequence[float],
    exact_models: int,
    exact_seconds: float,
    seed: int,
    level: float = 0.05,
) -> None:
    """Cluster, partition and embed the models, by each measure.

    Parameters
    ----------
    method
        Its id.
    pairs
        Its pairs file.
    folder
        Gets the tables, each with the columns method and measure before its own.

        linkage.csv, a row a merge: linkage (average, single, complete, weighted), step,
        height, left, right (models joined, separated by spaces), size, support (share of
        replicates whose tree has the branch), replicates, cophenetic (correlation, of
        the whole tree).

        communities.csv, a row a model: model, community (Louvain's at the chosen
        resolution), modularity, optimum (the model's community where modularity is
        proven to be greatest).

        resolutions.csv, a row a resolution: resolution, communities, modularity,
        seed_stability, bootstrap_stability (mean adjusted Rand index), seeds,
        replicates, optimum (greatest modularity known), gap (of Louvain to it), proof
        (proven, not proven, too many models).

        embedding.csv, a row a model: model, pc1, explained1, pc2, explained2, mds1,
        mds2, stress.

        clusters.csv, a row a number of clusters: clusters, linkage, silhouette,
        log_dispersion, expected, gap, error (the last four empty beyond a half of the
        models).

        cluster_test.csv, one row: models, axes, p, p_gaussian, p_even, smallest_p,
        level, clusters, silhouette_clusters, silhouette, decision (clusters, no clusters
        found, cannot be decided).
    linkage, resolution, resolutions, seed, level
        As for `sightline.compare.structure.found.StructureSettings`.
    exact_models, exact_seconds
        As for `sightline.compare.structure.communities.Proof`.
    """
    settings = StructureSettings(
        linkage=linkage,
        resolution=resolution,
        resolutions=resolutions,
        seed=seed,
        proof=Proof(exact_models, exact_seconds),
        level=level,
    )
    found: dict[str, Structure] = {}
    for measure, of_measure in each_measure(pairs):
        if len(of_measure.models) < 2:
            raise SightlineError("There is one model: comparing needs two. Add a model.")
        found[measure] = find_structure(
            of_measure.dissimilarity(measure),
            of_measure.mean(measure),
            of_measure.replicates(measure),
            settings,
        )
    for name in TABLES:
        parts = {measure: getattr(structure, name) for measure, structure in found.items()}
        table = pd.concat(parts, names=["measure", None]).reset_index(level=0)
        table.insert(0, "method", method)
        write_table(folder / f"{name}.csv", table)
