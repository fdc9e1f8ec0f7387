"""Sums of a matrix over pairs of groups, for every arrangement of labels at once.

With Z the 0/1 matrix of labels (models x groups), Z^T A Z holds the sums of A
over each pair of groups. The statistics of PERMANOVA, ANOSIM, Welch's test and
within- against between-group means are all functions of these.
"""

from __future__ import annotations

import numpy as np

from sightline.compare.groups.permutations import Arrangements


def block_sums(matrix: np.ndarray, arrangements: Arrangements) -> np.ndarray:
    """Sums of a symmetric matrix over the models of each pair of groups.

    Parameters
    ----------
    matrix
        float (models, models), symmetric, zero diagonal.
    arrangements
        Of the group labels.

    Returns
    -------
    ndarray
        float64 (ways, groups, groups): off the diagonal the sum over pairs of
        one model of each group, on it twice the sum over pairs within.
    """
    groups = int(arrangements.codes.max()) + 1
    models = len(matrix)
    found = []
    for codes in arrangements.chunks(2 * groups * models):
        # (ways, groups, models)
        labels = (codes[:, None, :] == np.arange(groups)[:, None]).astype(np.float64)
        sums = (labels.reshape(-1, models) @ matrix).reshape(labels.shape)
        found.append(sums @ labels.transpose(0, 2, 1))
    return np.concatenate(found)


def within(blocks: np.ndarray) -> np.ndarray:
    """Sums over pairs within each group, (..., groups)."""
    return np.diagonal(blocks, axis1=-2, axis2=-1) / 2


def between(blocks: np.ndarray) -> np.ndarray:
    """Sum over pairs of different groups, (...)."""
    return blocks.sum(axis=(-2, -1)) / 2 - within(blocks).sum(axis=-1)


def pairs_within(sizes: np.ndarray) -> np.ndarray:
    """Pairs within each group, n (n - 1) / 2."""
    return sizes * (sizes - 1) / 2
