"""Do groups differ in place? PERMANOVA, and Welch's form for groups of unlike spread."""

from __future__ import annotations

import numpy as np

from sightline.compare.groups.blocks import within

# Spreads below this share of the mean squared dissimilarity are that share, so that
# a group of equal models does not get all the weight.
_LEAST_SPREAD = 1e-9


def pseudo_f(blocks: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    r"""PERMANOVA's pseudo-F (Anderson 2001, eq. 1 to 3).

    .. math::

        F = \frac{(SS_T - SS_W) / (k - 1)}{SS_W / (m - k)}, \quad
        SS_T = \frac{1}{m} \sum_{i<j} d_{ij}^2, \quad
        SS_W = \sum_g \frac{1}{n_g} \sum_{i<j \in g} d_{ij}^2

    Parameters
    ----------
    blocks
        (..., groups, groups): `block_sums` of the squared dissimilarities.
    sizes
        Models of each group.

    Returns
    -------
    ndarray
        (...); NaN where all dissimilarities are 0, infinite where only those
        within groups are.
    """
    total, inside = sums_of_squares(blocks, sizes)
    count, groups = sizes.sum(), len(sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((total - inside) / (groups - 1)) / (inside / (count - groups))


def sums_of_squares(blocks: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SS_T and SS_W of `pseudo_f`."""
    total = blocks.sum(axis=(-2, -1)) / 2 / sizes.sum()
    return total, (within(blocks) / sizes).sum(axis=-1)


def explained(blocks: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Shares of the variation that groups explain: R^2, and omega^2 without its bias.

    .. math::

        R^2 = \frac{SS_A}{SS_T}, \quad
        \omega^2 = \frac{SS_A - (k - 1) MS_W}{SS_T + MS_W}

    With :math:`SS_A = SS_T - SS_W` and :math:`MS_W = SS_W / (m - k)`. R^2 of
    groups without any meaning is (k - 1) / (m - 1) on average, omega^2 about 0.

    Parameters
    ----------
    blocks, sizes
        As for `pseudo_f`.
    """
    total, inside = sums_of_squares(blocks, sizes)
    groups = len(sizes)
    mean_square = inside / (sizes.sum() - groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = (total - inside) / total
        omega2 = (total - inside - (groups - 1) * mean_square) / (total + mean_square)
    return r2, omega2


def welch_w(blocks: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    r"""Welch's statistic from dissimilarities, W*_d (Hamidi et al. 2019).

    PERMANOVA pools the spread of all groups, and so takes a small group of
    wide spread for one at another place. Here each group is weighted by its
    own spread, as in Welch's test.

    .. math::

        W^*_d = \frac{\frac{1}{(k - 1) W} \sum_{g<h} w_g w_h \delta_{gh}}
        {1 + \frac{2 (k - 2)}{k^2 - 1} \sum_g \frac{(1 - w_g / W)^2}{n_g - 1}}

    with :math:`s_g^2 = \frac{1}{n_g (n_g - 1)} \sum_{i<j \in g} d_{ij}^2`,
    :math:`w_g = n_g / s_g^2`, :math:`W = \sum_g w_g`, and the squared distance of two
    groups' centres :math:`\delta_{gh} = \overline{d^2}_{gh} - q_g - q_h`,
    :math:`q_g = n_g^{-2} \sum_{i<j \in g} d_{ij}^2`.

    Parameters
    ----------
    blocks, sizes
        As for `pseudo_f`; sizes at least 2.

    Returns
    -------
    ndarray
        (...). A spread of zero is taken for a billionth of the mean squared
        dissimilarity.
    """
    inside = within(blocks)
    count, groups = sizes.sum(), len(sizes)
    mean_square = blocks.sum(axis=(-2, -1)) / (count * (count - 1))
    spread = np.maximum(inside / (sizes * (sizes - 1)), _LEAST_SPREAD * mean_square[..., None])
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = sizes / spread
        total = weights.sum(axis=-1)
        around = inside / sizes**2
        apart = blocks / np.outer(sizes, sizes) - around[..., None] - around[..., None, :]
        # The diagonal is no pair of groups; its terms vanish.
        apart = apart * (1 - np.eye(groups))
        pairs = np.einsum("...g,...h,...gh->...", weights, weights, apart) / 2
        share = (1 - weights / total[..., None]) ** 2 / (sizes - 1)
        correction = 1 + 2 * (groups - 2) / (groups**2 - 1) * share.sum(axis=-1)
        return pairs / total / (groups - 1) / correction
