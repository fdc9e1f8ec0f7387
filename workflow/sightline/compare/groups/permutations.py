"""Permutations of labels among models: all of them when few, else drawn; p-values from them.

Under the hypothesis that a column says nothing about the dissimilarities, each
way of giving its values to the models was as likely as the one that is there.
The p-value of a statistic is the share of the ways on which it is at least as
large as observed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb, factorial

import numpy as np

# Numbers held at a time by a product of labels and matrices: 32 MB.
_CHUNK = 4_000_000
# Statistics nearer than this, relative to the largest, are tied: sums in another order.
_TIED = 1e-9


@dataclass(frozen=True)
class Arrangements:
    """Ways of giving a column's values to the models.

    Attributes
    ----------
    codes
        int (ways, models): the number of each model's value. The first way is
        the observed one.
    exact
        Whether these are all distinct ways, each once; otherwise the observed
        one and independent draws.
    """

    codes: np.ndarray
    exact: bool

    @property
    def drawn(self) -> int:
        """Permutations that the p-value rests on: all of them, or those drawn."""
        return len(self.codes) - (not self.exact)

    def chunks(self, per_way: int) -> Iterator[np.ndarray]:
        """The ways, so many at a time that each may hold ``per_way`` numbers."""
        length = max(1, _CHUNK // per_way)
        for start in range(0, len(self.codes), length):
            yield self.codes[start : start + length]


def ways(codes: np.ndarray) -> int:
    """Distinct arrangements of a column: m! / prod_g n_g!.

    Parameters
    ----------
    codes
        int (models): the number of each model's value.
    """
    count = factorial(len(codes))
    for size in np.bincount(codes).tolist():
        count //= factorial(size)
    return count


def arrange(codes: np.ndarray, permutations: int, seed: int) -> Arrangements:
    """All distinct arrangements where there are at most ``permutations``, else draws.

    Parameters
    ----------
    codes
        int (models): numbers 0, 1, ... of each model's value.
    permutations
        Most arrangements; how many are drawn where there are more, at least 1.
    seed
        Of the draws.
    """
    codes = np.asarray(codes)
    if ways(codes) <= permutations:
        every = _enumerate(np.bincount(codes))
        place = np.flatnonzero((every == codes).all(axis=1))[0]
        every[[0, place]] = every[[place, 0]]
        return Arrangements(every, exact=True)
    rng = np.random.default_rng(seed)
    drawn = rng.permuted(np.tile(codes, (permutations, 1)), axis=1)
    return Arrangements(np.concatenate([codes[None], drawn]), exact=False)


def _enumerate(sizes: np.ndarray) -> np.ndarray:
    """Every sequence in which code g occurs sizes[g] times, (ways, models)."""
    found = np.zeros((1, 0), np.intp)
    left = sizes[None].copy()
    for _ in range(int(sizes.sum())):
        row, code = np.nonzero(left)
        found = np.column_stack([found[row], code])
        left = left[row]
        left[np.arange(len(row)), code] -= 1
    return found


def p_value(statistics: np.ndarray) -> float:
    """Share of arrangements whose statistic is at least the observed one.

    Over all arrangements this is exact; over n draws it is (b + 1) / (n + 1),
    which never rejects too often (Phipson and Smyth 2010).

    Parameters
    ----------
    statistics
        Of each arrangement, the observed one first. NaN (a statistic that is
        not defined) observed gives NaN; elsewhere it counts as not smaller.
    """
    return float("nan") if np.isnan(statistics[0]) else _reached(statistics, statistics[0])


def smallest_p(statistics: np.ndarray) -> float:
    """The p-value had the observed arrangement been the most extreme of all.

    With groups of equal size, exchanging their names changes no statistic: of
    the 70 ways to label 4 against 4 models two are alike, so that no p-value
    is below 2/70.

    Parameters
    ----------
    statistics
        As for `p_value`.
    """
    known = statistics[~np.isnan(statistics)]
    return _reached(statistics, known.max()) if len(known) else float("nan")


def _reached(statistics: np.ndarray, value: float) -> float:
    finite = statistics[np.isfinite(statistics)]
    near = _TIED * (np.abs(finite).max() if len(finite) else 0.0)
    return float(np.mean(~(statistics < value - near)))


def smallest_p_of_sizes(sizes: list[int], permutations: int) -> float:
    """The smallest p-value that groups of given sizes can give, whatever the data.

    Parameters
    ----------
    sizes
        Models of each group.
    permutations
        As for `arrange`.
    """
    alike = 1
    for size in set(sizes):
        alike *= factorial(sizes.count(size))
    count, left = 1, sum(sizes)
    for size in sizes:
        count *= comb(left, size)
        left -= size
    return alike / count if count <= permutations else max(alike / count, 1 / (permutations + 1))
