r"""How far Shapley values from few evaluations are from those of all.

`sightline.methods.shapley` draws coalitions so evenly that the usual errors of a regression, from
its residuals alone, are two to three times too large: they do not know of the even spread, nor that
sizes are taken whole. This one does. With players in a coalition as +1 and others as -1, half the
difference between a coalition's value and its complement's is

.. math:: y(s) = \sum_{|T| \text{ odd}} \gamma_T \prod_{i \in T} s_i ,

from which player i is due :math:`\phi_i = \sum_{T \ni i} 2 \gamma_T / |T|`. The interactions of
three and more players, which alone make an error, are taken as independent with mean 0 and variance
:math:`\tau^2 M^{-|T|}`. Then the expected squared error of the estimate, linear in y with known
coefficients, is :math:`\tau^2` times a number of the coalitions alone; and :math:`\tau^2` is what
the deviations of y from a sum over players say (restricted maximum likelihood).

Estimated over true error, median over the trained models of resources/zoo and 12 segments: 1.1 to
1.3 from 26 to 200 passes, 1.0 from 350 to 800 (benchmarks/kernelshap.py); it rather warns too much.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sightline.methods.shapley import Coalitions, shapley_values

Floats = NDArray[np.float64]
_DEGREES = (3, 5, 7)  # 9 changes nothing: each degree counts for a small share of the one before


def standard_error(
    coalitions: Coalitions, values: ArrayLike, empty: float, full: float
) -> float | None:
    """Root mean square, over the players, of the standard errors of their Shapley values.

    Parameters
    ----------
    coalitions : Coalitions
        n of them over M players.
    values : array_like, shape (n,)
        v of each coalition.
    empty, full : float
        v of the empty and of the full coalition.

    Returns
    -------
    float or None
        In units of v. 0 if all coalitions are there; None if they are too few
        to tell, as they do not even determine the values.
    """
    masks = coalitions.masks
    count, players = masks.shape
    if count + 2 >= 2**players:
        return 0.0
    if count < 2 * players:
        return None
    signs = np.where(masks[: count // 2], 1.0, -1.0)
    signs = np.concatenate([signs, np.ones((1, players))])  # the last pair: full and empty
    halves = np.asarray(values, np.float64).reshape(2, -1)
    y = np.append(halves[0] - halves[1], full - empty) / 2

    # Coefficients of the estimate: what it is when y is 1 for one pair alone.
    pairs = np.eye(count // 2 + 1)
    mirrored = np.concatenate([pairs[:, :-1], -pairs[:, :-1]], axis=1)
    estimate = shapley_values(coalitions, mirrored, -pairs[:, -1], pairs[:, -1]).T
    covariance, error = np.zeros((len(y), len(y))), 0.0
    minus = (signs < 0).sum(1)
    differing = np.rint((players - signs @ signs.T) / 2).astype(int)
    for degree in (one for one in _DEGREES if one <= players):
        variance = float(players) ** -degree
        together = _symmetric(players, degree)[differing]
        others = _symmetric(players - 1, degree - 1)[minus[:, None] - (signs < 0)]
        due = 2 / degree
        squares = np.sum((estimate @ together) * estimate) - 2 * due * np.sum(
            estimate.T * signs * others
        )
        error += variance * max(0.0, squares + due**2 * degree * math.comb(players, degree))
        covariance += variance * together
    return math.sqrt(error / players * _scale(signs, y, covariance))


def _scale(signs: Floats, y: Floats, covariance: Floats) -> float:
    """tau^2: mean square of what is no sum over players, relative to its covariance."""
    players = signs.shape[1]
    beside = np.linalg.qr(signs, mode="complete")[0][:, players:]
    left, expected = beside.T @ y, beside.T @ covariance @ beside
    # As many even spreads allow, some combinations are hardly expected to vary at all.
    expected += 1e-9 * np.trace(expected) / len(left) * np.eye(len(left))
    return float(left @ np.linalg.solve(expected, left)) / len(left)


def _symmetric(count: int, degree: int) -> Floats:
    """Sum of all products of ``degree`` of ``count`` signs, by how many of them are minus."""
    found = np.zeros(count + 1)
    for minus in range(count + 1):
        found[minus] = sum(
            (-1) ** k * math.comb(minus, k) * math.comb(count - minus, degree - k)
            for k in range(degree + 1)
        )
    return found
