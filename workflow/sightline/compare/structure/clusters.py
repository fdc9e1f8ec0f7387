"""How many clusters: silhouettes of the tree, gaps against clouds, and a decision."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import silhouette_score

from sightline.compare.structure.gap import ClusterTest
from sightline.compare.structure.linkage import cut, linkage_matrix

# Models from which on what is not found may be said to be absent. Two clusters 8
# standard deviations apart, in six dimensions, are found in 47 % of studies of 6
# models, in 63 % of 8, 79 % of 10, 89 % of 12, 92 % of 14 and 99 % of 20; three
# clusters in 75, 93, 99, 100, 100 and 100 % (100 studies each).
_ENOUGH = 12
_LARGEST = 20


def silhouettes(dissimilarity: pd.DataFrame, method: str) -> pd.DataFrame:
    """Mean silhouette of a tree cut into 2 to 20 clusters.

    Rousseeuw (1987), J. Comput. Appl. Math. 20:53-65: (b - a) / max(a, b), a a model's
    mean dissimilarity within its cluster, b to the nearest other one; in [-1, 1], 0 for
    a cluster of one.

    Returns
    -------
    DataFrame
        A row a number of clusters, at most one fewer than models: clusters, silhouette.
        No row below three models.
    """
    counts = np.arange(2, min(_LARGEST, len(dissimilarity) - 1) + 1)
    if not len(counts):
        return pd.DataFrame({"clusters": counts, "silhouette": np.zeros(0)})
    labels = cut(linkage_matrix(dissimilarity, method), counts)
    values = dissimilarity.to_numpy(np.float64)
    scores = [silhouette_score(values, column, metric="precomputed") for column in labels.T]
    return pd.DataFrame({"clusters": counts, "silhouette": scores})


def clusters_table(dissimilarity: pd.DataFrame, method: str, test: ClusterTest) -> pd.DataFrame:
    """What speaks for each number of clusters.

    Returns
    -------
    DataFrame
        A row a number of clusters: clusters, linkage and silhouette (see
        `silhouettes`), log_dispersion, expected, gap, error (see
        `sightline.compare.structure.gap.ClusterTest`; empty beyond a half of the
        models).
    """
    table = silhouettes(dissimilarity, method)
    table.insert(1, "linkage", method)
    return table.merge(test.curve, on="clusters", how="left")


def decision_table(
    test: ClusterTest, table: pd.DataFrame, models: int, clouds: int, level: float
) -> pd.DataFrame:
    """Whether there are clusters at all.

    Returns
    -------
    DataFrame
        One row: models, axes (principal coordinates used), p (the greater of the two
        that follow), p_gaussian, p_even (see `sightline.compare.structure.gap`),
        smallest_p (that so many clouds can give), level, clusters (how many, by the
        gap, where there are any, else 1), silhouette_clusters (the number of greatest
        silhouette), silhouette (that), decision: clusters, no clusters found, or
        cannot be decided (no clusters found, but below 12 models even clear ones
        are often missed).
    """
    found = test.p <= level
    decision = "no clusters found" if models >= _ENOUGH else "cannot be decided"
    best = table.loc[table["silhouette"].idxmax()] if len(table) else None
    return pd.DataFrame(
        {
            "models": [models],
            "axes": test.axes,
            "p": test.p,
            "p_gaussian": test.p_gaussian,
            "p_even": test.p_even,
            "smallest_p": 1 / (clouds + 1),
            "level": level,
            "clusters": test.clusters if found else 1,
            "silhouette_clusters": 0 if best is None else int(best["clusters"]),
            "silhouette": np.nan if best is None else best["silhouette"],
            "decision": "clusters" if found else decision,
        }
    )
