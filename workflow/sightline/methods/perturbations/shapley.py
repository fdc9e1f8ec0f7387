r"""Shapley values of a set function from few evaluations (KernelSHAP).

A game gives every coalition S of M players a value v(S); here the players are segments of an image
and v(S) is a model's score with only the segments in S shown. The Shapley values are the solution
of a weighted least-squares problem over all coalitions but the empty and the full one
(Lundberg and Lee 2017, theorem 2),

.. math:: \min_\phi \sum_S w_{|S|} \Bigl(v(S) - v(\emptyset) - \sum_{i \in S} \phi_i\Bigr)^2
   \quad\text{subject to}\quad \sum_i \phi_i = v(N) - v(\emptyset),
   \qquad w_k = \frac{M - 1}{\binom{M}{k}\, k\, (M - k)},

and KernelSHAP solves it over the coalitions that the budget allows. `draw_coalitions` chooses
them, `shapley_values` solves.

The choice decides the error. A coalition always comes with its complement, which removes all
interactions of an even number of players from it (Covert and Lee 2021). Beyond that paper:

- Sizes whose share of the budget covers all their coalitions are taken whole, as in the shap
  package; and those of one player as soon as they fit, so that every player is seen.
- The sizes between are stood for by few (`_size_shares`). By the kernel every size k counts the
  same: apart from the constraint, :math:`\phi` is the mean over k of the effects fitted to size k
  alone, and those of k and M - k together are a polynomial in :math:`(k - M/2)^2`, of degree 1 if
  no more than four players interact. Simpson's rule integrates that exactly from the largest size
  taken whole and the middle one. The more passes, the less is left to it and the more sizes are
  drawn as the kernel says, so the estimate still converges for any game.
- Sizes get their numbers by systematic, not independent, draws; no coalition is drawn twice; and
  each is the least crowded of a few candidates, so that they spread evenly (`_spread`).

Together these cut the squared error of independent pairs to between a third and a tenth at equal
passes (benchmarks/kernelshap.py).

>>> rng = np.random.default_rng(0)
>>> drawn = draw_coalitions(players=4, budget=10, rng=rng)
>>> strength = np.array([3.0, 1.0, 0.0, -1.0])
>>> shapley_values(drawn, drawn.masks @ strength, empty=0.0, full=3.0).round(6) + 0.0
array([ 3.,  1.,  0., -1.])

References
----------
Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions", NeurIPS.
Covert and Lee 2021, "Improving KernelSHAP: Practical Shapley Value Estimation Using Linear
Regression", AISTATS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CANDIDATES = 16  # 8 gave a tenth more error, 64 a tenth less for four times the work

# Simpson's rule alone up to 3 M pairs drawn, then less by the inverse of their number: its bias,
# squared, then falls faster than the variance. 49 segments of a small ViT: bias 1 % of the values'
# variance, where 3 M pairs drawn have an error of 5 %.
_SIMPSON_PAIRS = 3

# Singular values of the least squares, relative to the largest, that still count. It matters below
# 2 M passes only, where the error would otherwise peak at many times that of an equal split.
_LEAST_SINGULAR = 0.1


@dataclass(frozen=True)
class Coalitions:
    """Coalitions to evaluate, besides the empty and the full one.

    Attributes
    ----------
    masks : ndarray of bool, shape (n, players)
        True where a player is in. All rows differ; row n/2 + i is the complement of row i.
    weights : ndarray of float64, shape (n,)
        What each coalition counts for in the least squares, relative to the others; the kernel
        itself when all are there.
    """

    masks: NDArray[np.bool_]
    weights: NDArray[np.float64]


def draw_coalitions(players: int, budget: int, rng: np.random.Generator) -> Coalitions:
    """Choose the coalitions to evaluate.

    The result depends on the arguments and the generator's state alone, on any machine: whatever
    is compared to choose a coalition is an integer, so that rounding cannot change the choice.

    Parameters
    ----------
    players : int
        M, from 1. One player needs no coalition: its value is v(full) - v(empty).
    budget : int
        Number of values that the caller is ready to compute, those of the empty and the full
        coalition included; at least 4, or 2**M if that is less. From 2**M on all coalitions are
        taken, and the Shapley values exact. Below 2 M + 2 they are not determined, and what
        `shapley_values` returns leans towards an equal split.
    rng : numpy.random.Generator

    Returns
    -------
    Coalitions
        ``budget - 2`` of them, one fewer if that is odd (one without its complement would bring
        back the error that pairs remove, for the whole result), and never more than exist.

    Raises
    ------
    ValueError
        If there is no player or the budget allows no pair of coalitions.
    """
    players = int(players)  # 2**players of a numpy integer would wrap around
    if players < 1:
        raise ValueError(f"Expected at least 1 player (segment), got {players}.")
    if budget < min(4, 2**players):
        raise ValueError(
            f"Expected a budget of at least {min(4, 2**players)} forward passes for {players} "
            f"players (the empty and the full coalition, and a pair), got {budget}. "
            f"From {2 * players + 2} on the values are determined."
        )
    pairs = min(budget - 2, 2**players - 2) // 2
    whole = _sizes_taken_whole(players, pairs)
    left = pairs - sum(_pairs_of_size(players, size) for size in range(1, whole + 1))
    shares = _size_shares(players, whole, left)
    masks, weights = [np.zeros((0, players), bool)], [np.zeros(0)]
    for size in range(1, whole + 1):
        masks.append(_all_of_size(players, size))
        weights.append(np.full(len(masks[-1]), shares[size - 1] / len(masks[-1])))
    if left:
        sizes = 1 + whole + _systematic(shares[whole:], left, rng)
        masks.append(_spread(np.concatenate(masks), sizes, rng))
        # A size's draws are proportional to its share, so each draw counts the same. Fewer draws
        # than there are directions must not outweigh, in theirs, what is known from whole sizes.
        weights.append(np.full(left, shares[whole:].sum() / max(left, players - 1)))
    half, weight = np.concatenate(masks), np.concatenate(weights)
    return Coalitions(np.concatenate([half, ~half]), np.tile(weight / 2, 2))


def extend_coalitions(held: Coalitions, budget: int, rng: np.random.Generator) -> Coalitions:
    """Choose more coalitions, so that they are much like those drawn for the budget at once.

    Sizes that the budget takes whole are completed, the others get what they lack. Of a size that
    has more than its part each coalition counts for less.

    Parameters
    ----------
    held : Coalitions
        As drawn, those of single players taken whole (a budget of 2 M + 2 or more).
    budget : int
        As of `draw_coalitions`, for those held and the new ones together.
    rng : numpy.random.Generator

    Returns
    -------
    Coalitions
        The first half of the masks begins with the first half of those held.
    """
    half = held.masks[: len(held.masks) // 2]
    players = half.shape[1]
    pairs = min(budget - 2, 2**players - 2) // 2
    whole = _sizes_taken_whole(players, pairs)
    lacking = _lacking(half, whole)
    while len(half) + len(lacking) > pairs:  # of a size that is to be whole others are held
        whole -= 1
        lacking = _lacking(half, whole)
    left = pairs - sum(_pairs_of_size(players, size) for size in range(1, whole + 1))
    shares = _size_shares(players, whole, left)
    expected = left * shares / max(shares[whole:].sum(), 1e-300)
    expected[:whole] = 0
    lack = np.maximum(expected - _counts(half, whole), 0)
    new = pairs - len(half) - len(lacking)
    half = np.concatenate([half, lacking])
    if new:
        half = np.concatenate([half, _spread(half, 1 + _systematic(lack, new, rng), rng)])
    sizes = _outer(half)
    counts = _counts(half, whole)
    part = np.minimum(1, np.maximum(expected, 0.5) / np.maximum(counts - 1, 0.5))[sizes - 1]
    part[sizes <= whole] = 0
    weights = shares[whole:].sum() * part / max(part.sum(), players - 1)
    for size in range(1, whole + 1):
        weights[sizes == size] = shares[size - 1] / _pairs_of_size(players, size)
    return Coalitions(np.concatenate([half, ~half]), np.tile(weights / 2, 2))


def shapley_values(
    coalitions: Coalitions, values: ArrayLike, empty: ArrayLike, full: ArrayLike
) -> NDArray[np.float64]:
    r"""Solve the weighted least squares for games evaluated on the same coalitions.

    The constraint is eliminated: with :math:`\phi_i = d / M + u_i` and :math:`d = v(N) -
    v(\emptyset)`, the deviations u from an equal split sum to zero and are the least-squares
    solution of :math:`\sqrt{w_S} \sum_{i \in S} (u_i - \bar u) = \sqrt{w_S} (v(S) - v(\emptyset) -
    |S| d / M)`. What the coalitions do not tell, or less than a tenth as well as what they tell
    best (in singular values), keeps the equal split: the solution of smallest norm. That concerns
    budgets below 2 M + 2 only.

    Parameters
    ----------
    coalitions : Coalitions
        As drawn, n of them over M players.
    values : array_like, shape (..., n)
        v of each coalition; leading axes are different games.
    empty, full : array_like, shape (...)
        v of the empty and of the full coalition.

    Returns
    -------
    ndarray of float64, shape (..., M)
        Signed, in units of v; the sum over players is ``full - empty`` up to rounding.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    """
    masks, weights = coalitions.masks, coalitions.weights
    values, empty, full = (np.asarray(part, np.float64) for part in (values, empty, full))
    games = values.shape[:-1]
    if values.shape[-1:] != weights.shape or empty.shape != games or full.shape != games:
        raise ValueError(
            f"Expected values (..., {len(weights)}) with empty and full (...) for "
            f"{len(weights)} coalitions, got {values.shape}, {empty.shape} and {full.shape}."
        )
    players = masks.shape[1]
    split = ((full - empty) / players)[..., None]
    size = masks.sum(1)
    root = np.sqrt(weights)
    design = root[:, None] * (masks - size[:, None] / players)
    target = root * (values - empty[..., None] - size * split)
    flat = target.reshape(math.prod(games), len(root))
    u = np.linalg.lstsq(design, flat.T, rcond=_LEAST_SINGULAR)[0]
    phi: NDArray[np.float64] = split + u.T.reshape(*games, players)
    return phi


def _kernel_shares(players: int) -> NDArray[np.float64]:
    """The kernel's sum over all coalitions of size k or M - k, for k = 1 .. M // 2."""
    k = np.arange(1, players // 2 + 1)
    shares = 2 * (players - 1) / (k * (players - k))
    return np.where(2 * k == players, shares / 2, shares)


def _pairs_of_size(players: int, size: int) -> int:
    """How many complementary pairs have a smaller half of this size."""
    return math.comb(players, size) // (2 if 2 * size == players else 1)


def _sizes_taken_whole(players: int, pairs: int) -> int:
    """Number of outermost sizes of which all coalitions are taken."""
    shares = _kernel_shares(players)
    for size, share in enumerate(shares, start=1):
        count = _pairs_of_size(players, size)
        # The tolerance: with a complete budget the last size's share is exactly its count.
        covered = pairs * share >= count * shares[size - 1 :].sum() * (1 - 1e-9)
        if not covered and (size > 1 or pairs < count):
            return size - 1
        pairs -= count
    return len(shares)


def _size_shares(players: int, whole: int, left: int) -> NDArray[np.float64]:
    r"""What all coalitions of size k or M - k count for together, for k = 1 .. M // 2.

    The m sizes between those taken whole are stood for by the middle one(s) and by the two
    outermost, so that :math:`(k - M/2)^2` keeps its mean over the m sizes: with
    :math:`a = (V - c) / (e - c)` for V this mean, c and e its value at the middle and the
    outermost, the outermost two stand for a m sizes and the middle for the other (1 - a) m;
    a tends to 1/3 for large m, which is Simpson's rule.

    Parameters
    ----------
    players : int
    whole : int
        Sizes 1 .. whole, and their complements, are taken whole.
    left : int
        Pairs to be drawn from the sizes between.

    Returns
    -------
    ndarray of float64, shape (M // 2,)
        The kernel's own shares where there is nothing to draw, no size whole to lean on, or more
        to draw than the middle has.
    """
    kernel = _kernel_shares(players)
    middle = players // 2
    if not left or not whole or left > _pairs_of_size(players, middle):
        return kernel
    between = players - 1 - 2 * whole
    at_middle, at_outermost = (players / 2 - middle) ** 2, (players / 2 - whole) ** 2
    outer = ((between**2 - 1) / 12 - at_middle) / (at_outermost - at_middle)
    stands_for = (np.arange(1, middle + 1) <= whole).astype(float)
    stands_for[whole - 1] += outer * between / 2
    stands_for[middle - 1] += (1 - outer) * between / (1 if players % 2 == 0 else 2)
    simpson = min(1.0, _SIMPSON_PAIRS * players / left)
    return kernel * (simpson * stands_for + 1 - simpson)


def _outer(half: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Of pairs the size of the smaller half."""
    sizes: NDArray[np.intp] = np.minimum(half.sum(1), (~half).sum(1))
    return sizes


def _counts(half: NDArray[np.bool_], whole: int) -> NDArray[np.intp]:
    """Numbers of pairs by size, from 1 on; 0 of sizes taken whole."""
    counts = np.bincount(_outer(half), minlength=half.shape[1] // 2 + 1)[1:]
    counts[:whole] = 0
    return counts


def _lacking(half: NDArray[np.bool_], whole: int) -> NDArray[np.bool_]:
    """Pairs of sizes taken whole that are not among those held."""
    players = half.shape[1]
    held = {(one ^ one[0]).tobytes() for one in half}  # the half without player 0
    every = [_all_of_size(players, size) for size in range(1, whole + 1)]
    masks = np.concatenate([np.zeros((0, players), bool), *every])
    return masks[[(one ^ one[0]).tobytes() not in held for one in masks]]


def _all_of_size(players: int, size: int) -> NDArray[np.bool_]:
    """One coalition of each pair of this size; of two equal halves, the one with player 0."""
    members = list(combinations(range(players), size))[: _pairs_of_size(players, size)]
    masks = np.zeros((len(members), players), bool)
    np.put_along_axis(masks, np.array(members), True, axis=1)
    return masks


def _systematic(
    shares: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw `count` indices so that each comes its expected number of times, rounded up or down.

    Equal steps from a random start over the cumulated shares: independent draws would add the
    variance of a multinomial for nothing.
    """
    edges = np.cumsum(shares)
    steps = (np.arange(count) + rng.random()) * (edges[-1] / count)
    # The last step may be rounded up to the last edge.
    index: NDArray[np.intp] = np.searchsorted(edges, steps, side="right").clip(max=len(shares) - 1)
    return index


def _spread(
    held: NDArray[np.bool_], sizes: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.bool_]:
    r"""Draw coalitions of given sizes, each unlike those held and drawn before.

    With members as +1 and others as -1, a coalition x is crowded by :math:`\sum_h (x \cdot h)^4`
    over those held. Pairs leave odd interactions as the only error; one of three players enters a
    player's value through the mean of a product of four signs over the coalitions, and the fourth
    powers add up the squares of all such means. Every player and candidate is drawn alike, so no
    coalition of a size is likelier than another.

    Parameters
    ----------
    held : ndarray of bool, shape (h, players)
        One half of each pair taken already.
    sizes : ndarray of int, shape (n,)
        Sizes to draw, in no order.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n, players)
        None equal to another, to one held, or to the complement of either.
    """
    players = held.shape[1]
    signs = np.ones((len(held) + len(sizes), players))
    signs[: len(held)] = np.where(held, 1.0, -1.0)
    # Middle sizes first: they have the most coalitions, so the later, outer ones can adapt.
    for row, size in enumerate(np.sort(sizes)[::-1], start=len(held)):
        free = np.array(False)
        while not free.any():
            ranks = rng.random((_CANDIDATES, players)).argsort(axis=1)
            candidates = np.where(ranks < size, 1.0, -1.0)
            squares = np.square(signs[:row] @ candidates.T)
            free = squares.max(axis=0, initial=0) < players**2
        # Integers below 2**53, so the sums are exact in any order of addition.
        crowding = np.square(squares).sum(axis=0)
        signs[row] = candidates[np.where(free, crowding, np.inf).argmin()]
    return signs[len(held) :] > 0
