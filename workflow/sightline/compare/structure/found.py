"""All that is found in one matrix of dissimilarities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sightline.compare.structure.clusters import clusters_table, decision_table
from sightline.compare.structure.communities import (
    Proof,
    communities_table,
    prove,
    resolution_row,
)
from sightline.compare.structure.embedding import embedding_table
from sightline.compare.structure.gap import CLOUDS, hold_against_clouds
from sightline.compare.structure.graph import community_weights
from sightline.compare.structure.linkage import linkage_table
from sightline.compare.structure.louvain import louvain, modularity
from sightline.errors import SightlineError

RESOLUTIONS = (0.9, 0.95, 1.0, 1.03, 1.06, 1.1, 1.15, 1.2, 1.3)


@dataclass(frozen=True)
class StructureSettings:
    """What is asked of a matrix.

    Attributes
    ----------
    linkage
        Of the tree whose silhouettes are taken: average, single, complete or weighted.
    resolution
        Of the communities.
    resolutions
        Tried beside it.
    seed
        Of Louvain, of the random starts and of the clouds without clusters.
    proof
        When the best communities are sought by integer programming.
    level
        Of the test for clusters.
    """

    linkage: str = "average"
    resolution: float = 1.06
    resolutions: Sequence[float] = RESOLUTIONS
    seed: int = 42
    proof: Proof = field(default_factory=Proof)
    level: float = 0.05


@dataclass(frozen=True)
class Structure:
    """What is found in one dissimilarity matrix, as tidy tables.

    Attributes
    ----------
    linkage
        `sightline.compare.structure.linkage.linkage_table`.
    communities
        `sightline.compare.structure.communities.communities_table`.
    resolutions
        `sightline.compare.structure.communities.resolution_row`, a row a resolution.
    embedding
        `sightline.compare.structure.embedding.embedding_table`.
    clusters
        `sightline.compare.structure.clusters.clusters_table`.
    cluster_test
        `sightline.compare.structure.clusters.decision_table`.
    """

    linkage: pd.DataFrame
    communities: pd.DataFrame
    resolutions: pd.DataFrame
    embedding: pd.DataFrame
    clusters: pd.DataFrame
    cluster_test: pd.DataFrame


def find_structure(
    dissimilarity: pd.DataFrame,
    similarity: pd.DataFrame,
    replicates: np.ndarray | None = None,
    settings: StructureSettings | None = None,
) -> Structure:
    """Cluster, partition and embed models, and say how sure that is.

    Parameters
    ----------
    dissimilarity
        Symmetric, models by models, zero diagonal.
    similarity
        Symmetric, models by models: mean similarities, unit diagonal.
    replicates
        (replicates, pairs), the dissimilarities under resamples of the images, pairs in
        the order of `numpy.triu_indices`; those with a missing pair are left out.
    settings
        The defaults unless given.

    Raises
    ------
    SightlineError
        Where a pair has no value: too few images with usable maps.
    """
    _check(dissimilarity)
    _check(similarity)
    settings = settings or StructureSettings()
    count = len(dissimilarity)
    if replicates is None:
        replicates = np.empty((0, count * (count - 1) // 2), np.float32)
    replicates = replicates[np.isfinite(replicates).all(axis=1)]
    values = dissimilarity.to_numpy(np.float64)
    test = hold_against_clouds(values, settings.seed)
    clusters = clusters_table(dissimilarity, settings.linkage, test)
    communities, resolutions = _communities(dissimilarity, replicates, settings)
    return Structure(
        linkage=linkage_table(dissimilarity, replicates),
        communities=communities,
        resolutions=resolutions,
        embedding=embedding_table(dissimilarity, similarity, settings.seed),
        clusters=clusters,
        cluster_test=decision_table(test, clusters, count, CLOUDS, settings.level),
    )


def _communities(
    dissimilarity: pd.DataFrame, replicates: np.ndarray, settings: StructureSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    weights = community_weights(dissimilarity.to_numpy(np.float64))
    table, rows = pd.DataFrame(), []
    for resolution in sorted({*settings.resolutions, settings.resolution}):
        labels = louvain(weights, resolution, settings.seed)
        optimum = prove(weights, resolution, settings.proof)
        rows.append(resolution_row(weights, replicates, resolution, settings.seed, labels, optimum))
        if resolution == settings.resolution:
            score = modularity(weights, labels, resolution)
            table = communities_table(list(dissimilarity.index), labels, score, optimum)
    return table, pd.DataFrame(rows)


def _check(matrix: pd.DataFrame) -> None:
    missing = matrix.isna().stack()
    if missing.any():
        a, b = missing[missing].index[0]
        raise SightlineError(
            f"{a} and {b} share fewer than two images with usable maps: no dissimilarity. "
            "Take more images, or leave one of the models out."
        )
