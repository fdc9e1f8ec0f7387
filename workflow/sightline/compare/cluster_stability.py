"""Whether fewer images give the clusters of the full study."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score, silhouette_score

from sightline.compare.images_needed import Drawn

# Cuts that are considered for the full study.
_MOST_CLUSTERS = 10


def cluster_stability(
    found: Drawn, sizes: list[int], models: int, *, method: str = "average"
) -> pd.DataFrame:
    """Clusterings of subsets of the images against that of all.

    Parameters
    ----------
    found
        Dissimilarities, pairs in the order of the upper triangle.
    sizes
        Of the subsets.
    models
        How many.
    method
        Linkage.

    Returns
    -------
    DataFrame
        A row a size: images; clusters, into which trees are cut: where the full
        study's silhouette is best; rand (adjusted Rand index of the cuts of a
        subset's tree and of the full one, Hubert & Arabie 1985); cophenetic
        (Pearson correlation of their cophenetic distances, Sokal & Rohlf 1962);
        clustered (subsets in which every pair has a dissimilarity: the means are
        over these). Empty values below three models, where trees do not differ.
    """
    table = pd.DataFrame({"images": sizes}).assign(
        clusters=np.nan, rand=np.nan, cophenetic=np.nan, clustered=0
    )
    if models < 3 or not np.isfinite(found.full).all():
        return table
    full = linkage(found.full, method)
    table["clusters"] = clusters = _best_cut(full, found.full, models)
    of_size = found.drawn.reshape(len(sizes), -1, len(found.full))
    for place, drawn in enumerate(of_size):
        complete = drawn[np.isfinite(drawn).all(axis=1)]
        trees = [linkage(one.astype(np.float64), method) for one in complete]
        table.loc[place, "clustered"] = len(trees)
        if trees:
            table.loc[place, "rand"] = np.mean([_rand(full, one, clusters) for one in trees])
            table.loc[place, "cophenetic"] = np.mean([_cophenetic(full, one) for one in trees])
    return table


def _best_cut(tree: np.ndarray, full: np.ndarray, models: int) -> int:
    """How many clusters have the best mean silhouette (Rousseeuw 1987)."""
    square = squareform(full)
    best, chosen = -np.inf, 2
    for count in range(2, min(_MOST_CLUSTERS, models - 1) + 1):
        labels = fcluster(tree, count, "maxclust")
        # Equal heights are cut together: fewer clusters than asked for, perhaps one.
        if 1 < len(set(labels)) < models:
            score = silhouette_score(square, labels, metric="precomputed")
            best, chosen = max((best, chosen), (score, count), key=lambda pair: pair[0])
    return chosen


def _rand(one: np.ndarray, other: np.ndarray, clusters: int) -> float:
    labels = [fcluster(tree, clusters, "maxclust") for tree in (one, other)]
    return float(adjusted_rand_score(*labels))


def _cophenetic(one: np.ndarray, other: np.ndarray) -> float:
    distances = np.stack([cophenet(tree) for tree in (one, other)])
    centred = distances - distances.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    # Trees whose merges are all at one height have nothing to correlate.
    return float(centred[0] @ centred[1] / norms.prod()) if norms.all() else np.nan
