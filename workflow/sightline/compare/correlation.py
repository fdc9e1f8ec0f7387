"""Whether two figures of models go together: correlation with a permutation test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from sightline.compare.groups.permutations import arrange, p_value, smallest_p
from sightline.compare.groups.verdict import NO, OPEN, YES

CORRELATIONS = ("spearman", "pearson")


@dataclass(frozen=True)
class Correlation:
    """A correlation over models and its test.

    Attributes
    ----------
    value
        In [-1, 1]; NaN below three models, or where one side is constant.
    p
        Two-sided: share of the arrangements of the one side whose correlation is
        as far from 0.
    smallest_p
        What p could at least have been.
    permutations
        Enumerated or drawn.
    exact
        Whether all distinct arrangements were enumerated.
    """

    value: float
    p: float
    smallest_p: float
    permutations: int
    exact: bool

    def answer(self, level: float) -> str:
        """Yes, no evidence or, where no p can reach the level, cannot be decided."""
        if not self.smallest_p <= level:
            return OPEN
        return YES if self.p <= level else NO


def correlate(
    one: np.ndarray, other: np.ndarray, kind: str, *, permutations: int, seed: int
) -> Correlation:
    """Correlation of two figures of the same models, tested by permuting the one.

    Parameters
    ----------
    one, other
        (models,); models for which either is NaN are left out.
    kind
        ``spearman`` (ties have their mean rank) or ``pearson``.
    permutations, seed
        As for `sightline.compare.groups.permutations.arrange`.
    """
    known = np.isfinite(one) & np.isfinite(other)
    sides = [_standardised(side[known], kind) for side in (one, other)]
    if known.sum() < 3 or any(np.isnan(side).any() for side in sides):
        return Correlation(math.nan, math.nan, math.nan, 0, False)
    levels, codes = np.unique(sides[1], return_inverse=True)
    arrangements = arrange(codes, permutations, seed)
    found = np.concatenate(
        [levels[part] @ sides[0] for part in arrangements.chunks(int(known.sum()))]
    )
    far = np.abs(found)
    return Correlation(
        value=float(np.clip(found[0], -1, 1)),
        p=p_value(far),
        smallest_p=smallest_p(far),
        permutations=arrangements.drawn,
        exact=arrangements.exact,
    )


def _standardised(values: np.ndarray, kind: str) -> np.ndarray:
    """Values or their ranks, less their mean, to norm 1; NaN where they are constant."""
    if not len(values):
        return values
    ranked = rankdata(values) if kind == "spearman" else values.astype(np.float64)
    centred = ranked - ranked.mean()
    norm = np.linalg.norm(centred)
    constant = norm <= 1e-12 * np.linalg.norm(ranked)
    return np.full(len(values), np.nan) if constant else centred / norm
