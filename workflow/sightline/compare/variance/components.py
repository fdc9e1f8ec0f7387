"""Variance components of a crossed random-effects design whose observations are vectors.

One observation y_abc in each cell of the factors A, B, C with a, b, c levels.
For a set S of factors let T_S = (number of cells / cells of S) sum ||mean of y
over all other factors||^2. Then (Searle, Casella & McCulloch 1992, section
4.2, sums of squares summed over the vectors' entries):

    SS_S = sum over R within S of (-1)^(|S| - |R|) T_R
    MS_S = SS_S / product over S of (levels - 1)
    E MS_S = sum over R that hold S of (levels of all factors outside R, product) sigma^2_R

and the estimates solve the last for sigma^2, with no bound at 0. With one
observation a cell the interaction of all factors holds the error as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

Factors = frozenset[str]


def subsets(factors: Sequence[str]) -> list[Factors]:
    """All sets of factors, the empty one first, then by size."""
    return [
        frozenset(chosen)
        for size in range(len(factors) + 1)
        for chosen in combinations(factors, size)
    ]


def degrees(component: Factors, levels: Mapping[str, int]) -> int:
    """Degrees of freedom of a component."""
    return int(np.prod([levels[factor] - 1 for factor in component]))


def sums_of_squares(terms: Mapping[Factors, np.ndarray]) -> dict[Factors, np.ndarray]:
    """SS of each component from the T of every set of factors (the empty one, too)."""
    return {
        component: sum(
            (-1) ** (len(component) - len(inner)) * term
            for inner, term in terms.items()
            if inner <= component
        )
        for component in terms
        if component
    }


def components(
    squares: Mapping[Factors, np.ndarray], levels: Mapping[str, int]
) -> dict[Factors, np.ndarray]:
    """Estimates of sigma^2 from sums of squares; a negative one stays negative."""
    means = {one: square / degrees(one, levels) for one, square in squares.items()}
    found = {}
    for component in squares:
        outside = np.prod([count for factor, count in levels.items() if factor not in component])
        found[component] = (
            sum(
                (-1) ** (len(outer) - len(component)) * mean
                for outer, mean in means.items()
                if component <= outer
            )
            / outside
        )
    return found


def shares(found: Mapping[Factors, np.ndarray]) -> dict[Factors, np.ndarray]:
    """Components as shares of their sum, negative ones as 0."""
    kept = {component: np.maximum(value, 0) for component, value in found.items()}
    total = np.asarray(sum(kept.values()), np.float64)
    return {
        component: np.divide(value, total, out=np.full(total.shape, np.nan), where=total > 0)
        for component, value in kept.items()
    }
