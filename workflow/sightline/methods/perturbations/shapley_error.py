r"""How far Shapley values from few evaluations are from those of all.

`sightline.methods.perturbations.shapley` draws coalitions so evenly that the usual errors of a
regression, from its residuals alone, are two to three times too large: they do not know of the even
spread, nor that sizes are taken whole. This one does. With players in a coalition as +1 and others
as -1, half the difference between a coalition's value and its complement's is

.. math:: y(s) = \sum_{|T| \text{ odd}} \gamma_T \prod_{i \in T} s_i ,

from which player i is due :math:`\phi_i = \sum_{T \ni i} 2 \gamma_T / |T|`. The interactions of
three and more players, which alone make an error, are taken as independent with mean 0 and variance
:math:`\tau^2 M^{-|T|}`. The estimate is linear in y, so its expected squared error is
:math:`\tau^2` times the sum over T of that for a single interaction, of which a sample is solved;
and :math:`\tau^2` is what the deviations of y from a sum over players say (restricted maximum
likelihood).

Estimated over true error, median over the trained models of resources/zoo and 12 segments: 1.1 to
1.3 from 26 to 200 passes, 1.0 from 350 to 800 (benchmarks/kernelshap.py); with 40 segments 0.8 to
1.3 from 2 M + 10 passes on. It rather warns too much.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sightline.methods.perturbations.shapley import Coalitions, shapley_values

Floats = NDArray[np.float64]
_DEGREES = (3, 5, 7)  # 9 changes nothing: each degree counts for a small share of the one before
_INTERACTIONS = 256  # solved of each degree
_PAIRS = 512  # at most so many say how strong interactions are
_AT_ONCE = 2**24  # signs in memory


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
    halves = np.asarray(values, np.float64).reshape(2, -1)
    pairs = np.unique(
        np.linspace(0, count // 2 - 1, min(count // 2, max(_PAIRS, 2 * players))).astype(int)
    )
    signs = np.where(masks[pairs], 1.0, -1.0)
    signs = np.concatenate([signs, np.ones((1, players))])  # the last pair: full and empty
    y = np.append((halves[0] - halves[1])[pairs], full - empty) / 2
    squares = sum(
        _squared_error(coalitions, degree) * math.comb(players, degree) * float(players) ** -degree
        for degree in _DEGREES
        if degree <= players
    )
    return math.sqrt(squares * _scale(signs, y))


def _squared_error(coalitions: Coalitions, degree: int) -> float:
    """Mean squared error, over players, of the estimate for one interaction of so many players."""
    masks = coalitions.masks
    generator, players = np.random.default_rng(degree), masks.shape[1]
    members = generator.random((_INTERACTIONS, players)).argsort(axis=1)[:, :degree]
    due = np.zeros((_INTERACTIONS, players))
    np.put_along_axis(due, members, 2 / degree, axis=1)
    found = []
    for part in np.array_split(members, math.ceil(members.size * len(masks) / _AT_ONCE)):
        # Minus where an odd number of its members is out.
        product = 1.0 - 2.0 * ((~masks[:, part]).sum(axis=2).T % 2)
        found.append(shapley_values(coalitions, product, -np.ones(len(part)), np.ones(len(part))))
    return float(np.mean((np.concatenate(found) - due) ** 2))


def _scale(signs: Floats, y: Floats) -> float:
    """tau^2: mean square of what is no sum over players, relative to its covariance."""
    players = signs.shape[1]
    differing = np.rint((players - signs @ signs.T) / 2).astype(int)
    covariance = sum(
        _symmetric(players, degree)[differing] * float(players) ** -degree for degree in _DEGREES
    )
    beside = np.linalg.qr(signs, mode="complete")[0][:, players:]
    left, expected = beside.T @ y, beside.T @ covariance @ beside
    # Of many, evenly spread coalitions some combinations are hardly expected to vary at all.
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
