"""Do groups differ in place, whatever their spreads? Flipped signs in place of permuted labels.

Permuted labels mix groups of unlike spread, so that the permutations' Welch
statistic is not distributed as the observed one where groups are few and small.
Here each model stays in its group: the groups are moved onto one centre, and
each model is thrown to the other side of it or left (the wild bootstrap: Liu
1988; Davidson and Flachaire 2008, for errors of unlike variance). This test is
not exact either, but errs in other studies than permutations do.
"""

from __future__ import annotations

import numpy as np

from sightline.compare.groups.dispersion import gower
from sightline.compare.groups.permutations import Arrangements
from sightline.compare.groups.variance import welch_w


def flipped_w(
    dissimilarity: np.ndarray, codes: np.ndarray, permutations: int, seed: int
) -> tuple[np.ndarray, bool]:
    r"""Welch's statistic of groups around one centre, signs of their models flipped.

    With G Gower's matrix and R the projection onto residuals from each group's centre,
    :math:`K = R G R` holds the inner products of residuals; flipped by signs s they are
    :math:`s_i s_j K_{ij}`, and squared dissimilarities
    :math:`K_{ii} + K_{jj} - 2 s_i s_j K_{ij}`.

    Parameters
    ----------
    dissimilarity
        (models, models).
    codes
        Group of each model.
    permutations, seed
        All distinct flips where there are no more than these, else draws.

    Returns
    -------
    statistics : ndarray
        (1 + flips): the observed one first, see `welch_w`.
    exact : bool
        Whether these are all flips.
    """
    sizes = np.bincount(codes).astype(np.float64)
    groups = np.arange(len(sizes))
    member = (codes == groups[:, None]).astype(np.float64)
    residual = np.eye(len(codes)) - member.T @ (member / sizes[:, None])
    inner = residual @ gower(dissimilarity) @ residual
    own = member @ np.diag(inner)
    signs = _signs(len(codes), permutations, seed)
    found = [welch_w((member @ dissimilarity**2 @ member.T)[None], sizes)]
    for part in signs.chunks(2 * len(groups) * len(codes)):
        flipped = (2 * part - 1)[:, None, :] * member
        sums = (flipped.reshape(-1, len(codes)) @ inner).reshape(flipped.shape)
        products = sums @ flipped.transpose(0, 2, 1)
        blocks = np.outer(own, sizes) + np.outer(sizes, own) - 2 * products
        # Groups of models that are all alike have no residuals to tell places apart by.
        found.append(np.nan_to_num(welch_w(blocks, sizes), nan=0.0))
    return np.concatenate(found), signs.exact


def smallest_p_of_flips(models: int, permutations: int) -> float:
    """The smallest p-value that flipped signs can give: none reaches the observed statistic."""
    return 1 / (1 + min(2 ** (models - 1), permutations))


def _signs(models: int, permutations: int, seed: int) -> Arrangements:
    """Signs as 0 and 1: all but those of the same flips turned round, or draws."""
    # Flips of all models at once, and so half of all, change nothing.
    if 2 ** (models - 1) <= permutations:
        numbers = np.arange(2 ** (models - 1))
        return Arrangements((numbers[:, None] >> np.arange(models)) & 1, exact=True)
    drawn = np.random.default_rng(seed).integers(0, 2, (permutations, models))
    return Arrangements(drawn, exact=False)
