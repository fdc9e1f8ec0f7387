"""Hierarchical clustering: trees, how well they fit, and which branches hold.

A branch's support is the share of bootstrap replicates whose tree has a branch
with the same leaves (Felsenstein 1985, Confidence limits on phylogenies,
Evolution 39:783-791, for resampled images in place of resampled sites).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import cophenet, cut_tree, linkage
from scipy.spatial.distance import squareform

LINKAGES = ("average", "single", "complete", "weighted")


def condensed(dissimilarity: pd.DataFrame) -> np.ndarray:
    """The pairs of a square matrix, (p,), in the order of `numpy.triu_indices`."""
    return squareform(dissimilarity.to_numpy(np.float64), checks=False)


def linkage_matrix(dissimilarity: pd.DataFrame, method: str) -> np.ndarray:
    """Scipy's linkage of a square matrix of two models or more, (models - 1, 4)."""
    return linkage(condensed(dissimilarity), method)


def cut(tree: np.ndarray, counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Clusters of a tree cut into so many: labels from 0, (leaves, counts)."""
    return cut_tree(tree, n_clusters=list(counts))


def cophenetic_correlation(tree: np.ndarray, pairs: np.ndarray) -> float:
    """Correlation of dissimilarities with the heights at which the tree joins each pair.

    Sokal and Rohlf (1962), The comparison of dendrograms by objective methods,
    Taxon 11:33-40. NaN where either does not vary: nothing is there to fit.
    """
    heights = cophenet(tree)
    if len(pairs) < 2 or np.ptp(pairs) == 0 or np.ptp(heights) == 0:
        return float("nan")
    return float(np.corrcoef(pairs, heights)[0, 1])


def branch_support(tree: np.ndarray, replicates: np.ndarray, method: str) -> np.ndarray:
    """Share of replicates whose tree has a branch with the same leaves.

    Parameters
    ----------
    tree
        (models - 1, 4), as of scipy.
    replicates
        (replicates, pairs): dissimilarities under each resample, all finite.
    method
        The linkage of the tree.

    Returns
    -------
    array
        (models - 1,), for what each merge makes; the last, of all models, is 1.
        NaN without replicates. Where dissimilarities tie, scipy's choice decides.
    """
    if not len(replicates):
        return np.full(len(tree), np.nan)
    trees = np.stack([linkage(row, method) for row in replicates.astype(np.float64)])
    found, counts = np.unique(_branch_keys(trees), return_counts=True)
    wanted = _branch_keys(tree[None])[0]
    place = np.minimum(np.searchsorted(found, wanted), len(found) - 1)
    return np.where(found[place] == wanted, counts[place], 0) / len(trees)


def _branch_keys(trees: np.ndarray) -> np.ndarray:
    """A number for the set of leaves below each merge, (trees, merges).

    Leaves get random 64-bit numbers, a branch the exclusive or of its leaves': equal
    sets have equal numbers, and of a million different ones two agree with a chance of
    3e-8. Sets themselves would take hours at 1,000 models.
    """
    merges = trees.shape[1]
    leaves = np.random.default_rng(0).integers(0, 2**64, merges + 1, np.uint64)
    keys = np.zeros((len(trees), 2 * merges + 1), np.uint64)
    keys[:, : merges + 1] = leaves
    children = trees[:, :, :2].astype(np.intp)
    rows = np.arange(len(trees))
    for merge in range(merges):
        left, right = children[:, merge].T
        keys[:, merges + 1 + merge] = keys[rows, left] ^ keys[rows, right]
    return keys[:, merges + 1 :]


def linkage_table(dissimilarity: pd.DataFrame, replicates: np.ndarray) -> pd.DataFrame:
    """The merges of every linkage.

    Returns
    -------
    DataFrame
        A row a merge: linkage, step (from 1), height, left and right (models joined,
        separated by spaces), size (how many they are together), support (see
        `branch_support`), replicates (how many it is of), cophenetic (of the whole
        tree, see `cophenetic_correlation`). No row for one model.
    """
    tables = [_merges(dissimilarity, replicates, method) for method in LINKAGES]
    return pd.concat(tables, ignore_index=True)


def _merges(dissimilarity: pd.DataFrame, replicates: np.ndarray, method: str) -> pd.DataFrame:
    names = list(dissimilarity.index)
    if len(names) < 2:
        columns = "linkage step height left right size support replicates cophenetic"
        return pd.DataFrame(columns=columns.split())
    pairs = condensed(dissimilarity)
    tree = linkage(pairs, method)
    members = list(names)
    for left, right in tree[:, :2].astype(int):
        members.append(f"{members[left]} {members[right]}")
    return pd.DataFrame(
        {
            "linkage": method,
            "step": np.arange(1, len(tree) + 1),
            "height": tree[:, 2],
            "left": [members[node] for node in tree[:, 0].astype(int)],
            "right": [members[node] for node in tree[:, 1].astype(int)],
            "size": tree[:, 3].astype(int),
            "support": branch_support(tree, replicates, method),
            "replicates": len(replicates),
            "cophenetic": cophenetic_correlation(tree, pairs),
        }
    )
