"""Whether two figures of models go together: correlation with a permutation test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy.stats import rankdata

# 8! = 40,320 orders are enumerated; beyond, orders are drawn.
_ENUMERATED = 8
CORRELATIONS = ("spearman", "pearson")
UNDECIDED = "cannot be decided"


@dataclass(frozen=True)
class Correlation:
    """A correlation over models and its test.

    Attributes
    ----------
    value
        In [-1, 1]; NaN below three models, or where one side is constant.
    p
        Two-sided: share of the orders of the one side with a magnitude as large.
        Of drawn orders (b + 1) / (B + 1), the order that is there counted in.
    smallest_p
        What p could at least have been.
    orders
        Enumerated or drawn.
    exact
        Whether all orders were enumerated.
    """

    value: float
    p: float
    smallest_p: float
    orders: int
    exact: bool

    def verdict(self, level: float) -> str:
        """``related``, ``no relation shown`` or, where no p can reach the level, undecided."""
        if not self.smallest_p <= level:
            return UNDECIDED
        return "related" if self.p <= level else "no relation shown"


def correlate(
    one: np.ndarray, other: np.ndarray, kind: str, *, orders: int, seed: int
) -> Correlation:
    """Correlation of two figures of the same models, tested by permuting the one.

    Parameters
    ----------
    one, other
        (models,); models for which either is NaN are left out.
    kind
        ``spearman`` (ties have their mean rank) or ``pearson``.
    orders
        How many to draw where there are more than 8! of them.
    seed
        Of the draws.
    """
    known = np.isfinite(one) & np.isfinite(other)
    count = int(known.sum())
    sides = []
    for values in (one[known], other[known]):
        ranked = rankdata(values) if kind == "spearman" else values.astype(np.float64)
        centred = ranked - ranked.mean() if count else ranked
        norm = np.linalg.norm(centred)
        if count < 3 or norm <= 1e-12 * np.linalg.norm(ranked):
            return Correlation(math.nan, math.nan, math.nan, 0, False)
        sides.append(centred / norm)
    value = float(np.clip(sides[0] @ sides[1], -1, 1))
    exact = count <= _ENUMERATED
    places = _all_orders(count) if exact else _drawn_orders(count, orders, seed)
    found = np.abs(sides[1][places] @ sides[0])
    # An order's own value differs in its last digits by the order of summation.
    as_large = int((found >= abs(value) - 1e-9).sum())
    if exact:
        largest = int((found >= found.max() - 1e-9).sum())
        return Correlation(value, as_large / len(found), largest / len(found), len(found), True)
    return Correlation(value, (as_large + 1) / (orders + 1), 1 / (orders + 1), orders, False)


def _all_orders(count: int) -> np.ndarray:
    return np.array(list(permutations(range(count))))


def _drawn_orders(count: int, orders: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permuted(np.tile(np.arange(count), (orders, 1)), axis=1)
