r"""Do several judges put the same things in one order? Kendall's coefficient of concordance.

.. math::

    W = \frac{12 \sum_i (R_i - \bar R)^2}{m^2 (k^3 - k) - m \sum_j T_j}, \qquad
    T_j = \sum_g (t_{jg}^3 - t_{jg})

with R_i the sum of the ranks that the m judges give thing i of k, and t_jg how many things
judge j ties in group g (Kendall and Babington Smith 1939; with ties: Kendall 1948, chapter
6). W is 0 where the sums are equal and 1 where all judges agree. Friedman's statistic is
:math:`\chi^2 = m (k - 1) W`.

Its :math:`\chi^2` distribution is one of many judges and things; of the few measures and methods
of a study all orders are gone through, or drawn: were the judges to know nothing, each
would give its ranks to the things in any order, whatever the others do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations as orders_of
from math import factorial

import numpy as np
from scipy.stats import rankdata

from sightline.compare.groups.permutations import p_value, smallest_p


@dataclass(frozen=True)
class Concordance:
    """How far judges agree.

    Attributes
    ----------
    w
        Kendall's W, 0 to 1; NaN below two judges or two things, or where every judge
        ties all things.
    chi2
        Friedman's statistic.
    p
        Of a W as large, were each judge's order a draw.
    smallest_p
        What p would be, were the judges to agree as far as their ties let them.
    exact
        Whether p is of all orders, not of drawn ones.
    """

    w: float
    chi2: float
    p: float
    smallest_p: float
    exact: bool


_UNDEFINED = Concordance(np.nan, np.nan, np.nan, np.nan, False)


def concordance(values: np.ndarray, permutations: int, seed: int = 0) -> Concordance:
    """Kendall's W of judges, and its p-value.

    Parameters
    ----------
    values
        float (judges, things), finite: ranks, or what is to be ranked.
    permutations
        Most combinations of orders that are gone through; how many are drawn where there
        are more.
    seed
        Of the draws.
    """
    judges, things = values.shape
    ranks = rankdata(values, axis=1)
    most = _most(ranks)
    if judges < 2 or things < 2 or most == 0:
        return _UNDEFINED
    # The first judge's order may stay: renaming the things changes no sum of squares.
    exact = factorial(things) ** (judges - 1) <= permutations
    sums = _every(ranks) if exact else _drawn(ranks, permutations, seed)
    spread = ((sums - sums.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    w = float(spread[0] / most)
    return Concordance(w, judges * (things - 1) * w, p_value(spread), smallest_p(spread), exact)


def _most(ranks: np.ndarray) -> float:
    """What the sum of squares is divided by, (m^2 (k^3 - k) - m sum T) / 12."""
    judges, things = ranks.shape
    ties = 0
    for own in ranks:
        size = np.unique(own, return_counts=True)[1]
        ties += int((size**3 - size).sum())
    return (judges**2 * (things**3 - things) - judges * ties) / 12


def _every(ranks: np.ndarray) -> np.ndarray:
    """Sums of ranks under each combination of orders, the one that is there first."""
    things = ranks.shape[1]
    # In the order of itertools the first leaves all in place.
    orders = np.array(list(orders_of(range(things))))
    sums = ranks[:1]
    for own in ranks[1:]:
        sums = (sums[:, None] + own[orders]).reshape(-1, things)
    return sums


def _drawn(ranks: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """The same of drawn orders, after the one that is there."""
    things = ranks.shape[1]
    sums = np.zeros((permutations, things))
    for judge, own in enumerate(ranks):
        sums += own[_orders(things, permutations, seed, judge)]
    return np.concatenate([ranks.sum(axis=0)[None], sums])


# Drawn once for the many tests of a study, which are of as many things.
@lru_cache(maxsize=128)
def _orders(things: int, permutations: int, seed: int, judge: int) -> np.ndarray:
    random = np.random.default_rng((seed, judge))
    return random.permuted(np.tile(np.arange(things, dtype=np.int32), (permutations, 1)), axis=1)
