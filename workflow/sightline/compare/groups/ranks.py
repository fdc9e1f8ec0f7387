"""Are models of one group nearer to each other than to others? ANOSIM and plain means."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from sightline.compare.groups.blocks import between, pairs_within, within


def ranked(dissimilarity: np.ndarray) -> np.ndarray:
    """The matrix with each pair's rank in place of its value, ties at their mean."""
    return squareform(rankdata(squareform(dissimilarity, checks=False)))


def anosim_r(blocks: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    r"""ANOSIM's R (Clarke 1993, section "The ANOSIM test").

    .. math::

        R = \frac{\bar r_B - \bar r_W}{p / 2}

    with the mean ranks of dissimilarities between and within groups, of p pairs in all.

    Parameters
    ----------
    blocks
        (..., groups, groups): `block_sums` of the `ranked` dissimilarities.
    sizes
        Models of each group.

    Returns
    -------
    ndarray
        (...), in [-1, 1]: 1 where every pair between is further apart than
        every pair within, 0 without order.
    """
    count = sizes.sum()
    return mean_difference(blocks, sizes) / (count * (count - 1) / 4)


def mean_difference(blocks: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean over pairs between groups minus mean over pairs within.

    Parameters
    ----------
    blocks
        (..., groups, groups): `block_sums`, of dissimilarities or their ranks.
    sizes
        Models of each group.
    """
    inside = pairs_within(sizes).sum()
    outside = pairs_within(sizes.sum()) - inside
    return between(blocks) / outside - within(blocks).sum(axis=-1) / inside


def superiority(anosim: float) -> float:
    """Probability that a pair between is further apart than a pair within, ties half.

    This is the area under the ROC curve, which ANOSIM's R puts on another
    scale: (R + 1) / 2.
    """
    return (anosim + 1) / 2
