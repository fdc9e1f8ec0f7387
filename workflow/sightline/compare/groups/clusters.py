"""Do clusters found without labels repeat the groups? The adjusted Rand index."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from sightline.compare.groups.permutations import Arrangements


def average_clusters(dissimilarity: np.ndarray, count: int) -> np.ndarray:
    """Clusters of the average linkage, cut so that there are ``count`` of them.

    Parameters
    ----------
    dissimilarity
        (models, models).
    count
        Clusters wanted; merges at one height may leave fewer.

    Returns
    -------
    ndarray
        int (models): 0, 1, ...
    """
    tree = linkage(squareform(dissimilarity, checks=False), "average")
    return fcluster(tree, count, "maxclust") - 1


def adjusted_rand(clusters: np.ndarray, arrangements: Arrangements) -> np.ndarray:
    r"""Adjusted Rand index of clusters against groups (Hubert and Arabie 1985, eq. 5).

    .. math::

        ARI = \frac{\sum_{gc} \binom{n_{gc}}{2} - E}
        {\frac12 (\sum_g \binom{n_g}{2} + \sum_c \binom{n_c}{2}) - E}, \quad
        E = \sum_g \binom{n_g}{2} \sum_c \binom{n_c}{2} / \binom{m}{2}

    Parameters
    ----------
    clusters
        int (models).
    arrangements
        Of the group labels.

    Returns
    -------
    ndarray
        (ways), at most 1 (clusters are the groups), 0 on average for labels
        given by chance; NaN where all models are in one cluster and one group.
    """
    groups = np.arange(arrangements.codes.max() + 1)
    member = np.eye(clusters.max() + 1)[clusters]
    both = np.concatenate(
        [
            _pairs((codes[:, None, :] == groups[:, None]) @ member).sum(axis=(1, 2))
            for codes in arrangements.chunks(len(groups) * len(clusters))
        ]
    )
    in_groups = _pairs(np.bincount(arrangements.codes[0])).sum()
    in_clusters = _pairs(member.sum(axis=0)).sum()
    expected = in_groups * in_clusters / _pairs(np.array(len(clusters)))
    with np.errstate(invalid="ignore"):
        return (both - expected) / ((in_groups + in_clusters) / 2 - expected)


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1) / 2
