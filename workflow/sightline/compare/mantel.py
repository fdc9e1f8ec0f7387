"""Mantel's test: do two matrices over the same models order their pairs alike?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from sightline.compare.groups.permutations import Arrangements, arrange, p_value, smallest_p
from sightline.errors import SightlineError

Correlation = Literal["spearman", "pearson"]
Alternative = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True)
class Mantel:
    """What Mantel's test says.

    Attributes
    ----------
    correlation
        In [-1, 1]; NaN where one of the matrices is constant.
    p
        Its p-value; NaN where the correlation is.
    permutations
        How many the p-value rests on.
    exact
        Whether these are all permutations of the models.
    smallest_p
        The least p-value that these matrices can give.
    """

    correlation: float
    p: float
    permutations: int
    exact: bool
    smallest_p: float


def mantel(
    one: np.ndarray,
    other: np.ndarray,
    models: int,
    permutations: int,
    seed: int,
    *,
    method: Correlation = "spearman",
    alternative: Alternative = "two-sided",
) -> Mantel:
    """Correlate two matrices over pairs of models; permute the models of one (Mantel 1967).

    Pairs that share a model are not independent, so the correlation's usual
    p-value does not hold.

    Parameters
    ----------
    one, other
        float (pairs): of each pair of models, in the order of
        ``np.triu_indices(models, 1)``, finite.
    models
        How many, at least 3.
    permutations
        All models! permutations are taken where there are no more than these;
        otherwise these many are drawn.
    seed
        Of the draws.
    method
        Spearman correlates ranks, which no scale of either matrix decides.
    alternative
        Which correlations count as more extreme.

    Raises
    ------
    SightlineError
        Where lengths do not fit, or a value is missing.
    """
    pairs = models * (models - 1) // 2
    if models < 3 or one.shape != (pairs,) or other.shape != (pairs,):
        raise SightlineError(
            f"Mantel's test needs a value of each of the {pairs} pairs of {models} models, at "
            f"least 3, in both matrices; got {one.shape} and {other.shape}."
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise SightlineError("Mantel's test: a pair has no value. Leave out one of its models.")
    if method == "spearman":
        one, other = rankdata(one), rankdata(other)
    arrangements = arrange(np.arange(models), permutations, seed)
    return _tested(correlations(one, squareform(other), arrangements), arrangements, alternative)


def mantel_of_column(
    dissimilarity: np.ndarray, values: np.ndarray, arrangements: Arrangements
) -> Mantel:
    """Spearman's correlation of dissimilarities with differences of a number.

    Parameters
    ----------
    dissimilarity
        (models, models).
    values
        (levels): the number that each code of the arrangements stands for.
    arrangements
        Of the models' numbers. One-sided: of an effect, models of unlike
        numbers are further apart.
    """
    # Equal differences of numbers such as 0.1, 0.2, 0.3 must tie: rounded.
    span = np.ptp(values) or 1.0
    levels = np.round(np.abs(values[:, None] - values) / span, 12)
    codes = arrangements.codes[0]
    # Ranks over pairs of models, where a level occurs as often as models have it.
    differences = levels[np.ix_(codes, codes)][np.triu_indices(len(codes), 1)]
    known, place = np.unique(differences, return_inverse=True)
    mean_rank = np.bincount(place, rankdata(differences)) / np.bincount(place)
    # Of levels that no pair of models shows (a single model's own) no rank is asked for.
    ranks = mean_rank[np.searchsorted(known, levels).clip(max=len(known) - 1)]
    one = rankdata(squareform(dissimilarity, checks=False))
    return _tested(correlations(one, ranks, arrangements), arrangements, "greater")


def correlations(one: np.ndarray, other: np.ndarray, arrangements: Arrangements) -> np.ndarray:
    """Pearson's correlation over pairs of models, under each arrangement.

    Parameters
    ----------
    one
        (pairs).
    other
        (codes, codes): the value of a pair of models with two codes.
    arrangements
        The models' codes.

    Returns
    -------
    ndarray
        (ways); NaN where one side is constant.
    """
    first, second = np.triu_indices(arrangements.codes.shape[1], 1)
    start = other[arrangements.codes[0][first], arrangements.codes[0][second]]
    centred = one - one.mean()
    scale = np.sqrt((centred**2).sum() * ((start - start.mean()) ** 2).sum())
    sums = [
        other[codes[:, first], codes[:, second]] @ centred
        for codes in arrangements.chunks(len(one))
    ]
    if scale <= 1e-12 * (np.abs(one).max() * np.abs(start).max() or 1.0):
        return np.full(len(arrangements.codes), np.nan)
    return np.clip(np.concatenate(sums) / scale, -1, 1)


def _tested(found: np.ndarray, arrangements: Arrangements, alternative: Alternative) -> Mantel:
    extreme = {"two-sided": np.abs(found), "greater": found, "less": -found}[alternative]
    return Mantel(
        correlation=float(found[0]),
        p=p_value(extreme),
        permutations=arrangements.drawn,
        exact=arrangements.exact,
        smallest_p=smallest_p(extreme),
    )
