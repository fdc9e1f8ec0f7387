"""What an experiment on objects gives for other images' objects, and whether its own are more.

    chance_i = mean over K derangements d of  v_i(objects of image d(i))
    p        = (1 + #{permutations s: mean_i v_i(objects of s(i)) >= mean_i v_i}) / (1 + P)

with >= where maps that hold have high values, and <= where they have low ones. Were maps to
say nothing of where the object is on their own image, any permutation would do as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sightline.evaluate.experiments.truth import Truth, movable, other_images
from sightline.evaluate.protocol import Curve, Values

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.entry import Direction

# Means of the same values in another order differ by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Found:
    """Values of rows beside what chance gives.

    Attributes
    ----------
    values
        Of each row, by measure.
    chance
        The same by chance. A row without objects keeps its own value; NaN where a row's
        objects cannot be another image's, and of measures of which neither side is better:
        they say nothing of maps.
    p
        Of the mean over the rows of a role, the same for each of them; NaN as for chance.
    """

    values: Values
    chance: Values
    p: Values


def against_others(
    score: Callable[[Truth], Values],
    truth: Truth,
    better: Mapping[str, Direction | None],
    *,
    derangements: int,
    permutations: int,
    seed: int,
) -> Found:
    """Values with the right objects, with those of other images, and the p value.

    Parameters
    ----------
    score
        From where the objects are to the values of each row.
    truth
        Where they are.
    better
        Of each measure, on which side maps that hold lie.
    derangements, permutations
        How many; none gives NaN.
    seed
        Of both: the same for all methods of a model, which are compared with each other.
    """
    values = score(truth)
    generator = np.random.default_rng(seed)
    moved = movable(truth)
    if not moved.any():
        derangements = permutations = 0
    means = {name: _Mean(_array(one)) for name, one in values.items()}
    for _ in range(derangements):
        other = score(truth.permuted(other_images(truth, generator, all_moved=True)))
        for name, one in other.items():
            means[name].add(_array(one))
    roles = [truth.role == role for role in dict.fromkeys(truth.role)]
    tails = {name: _Tail(_array(one), roles, better[name]) for name, one in values.items()}
    for _ in range(permutations):
        other = score(truth.permuted(other_images(truth, generator, all_moved=False)))
        for name, one in other.items():
            tails[name].add(_array(one))
    chance, p = {}, {}
    for name, one in values.items():
        chance[name] = _like(one, means[name].known(moved | ~truth.located, better[name]))
        p[name] = _like(one, tails[name].known(moved))
    return Found(values, chance, p)


class _Mean:
    """The mean of what is known, of each row and point."""

    def __init__(self, like: np.ndarray) -> None:
        self._total, self._count = np.zeros(like.shape), np.zeros(like.shape)

    def add(self, values: np.ndarray) -> None:
        known = np.isfinite(values)
        self._total[known] += values[known]
        self._count += known

    def known(self, rows: np.ndarray, better: Direction | None) -> np.ndarray:
        """(n, k), of some rows; NaN of the others."""
        asked = rows[:, None] & (self._count > 0) & (better is not None)
        nothing = np.full(self._total.shape, np.nan)
        return np.divide(self._total, self._count, out=nothing, where=asked)


class _Tail:
    """How many permutations have a mean as far on the better side as the right order."""

    def __init__(
        self, values: np.ndarray, roles: Sequence[np.ndarray], better: Direction | None
    ) -> None:
        self._roles, self._better = roles, better
        self._own = _means(values, roles)
        self._reached, self._permutations = np.zeros(self._own.shape), 0

    def add(self, values: np.ndarray) -> None:
        ahead = _means(values, self._roles) - self._own
        # A mean that is not known counts as reached.
        self._reached += ~((-ahead if self._better == "lower" else ahead) < -_ROUNDING)
        self._permutations += 1

    def known(self, moved: np.ndarray) -> np.ndarray:
        """P of each row's role, (n, k); NaN of roles in which no row has been moved."""
        found = np.full((len(moved), self._own.shape[1]), np.nan)
        if self._better is None or not self._permutations:
            return found
        p = (1 + self._reached) / (1 + self._permutations)
        for rows, values, own in zip(self._roles, p, self._own, strict=True):
            if (moved & rows).any():
                found[rows] = np.where(np.isfinite(own), values, np.nan)
        return found


def _means(values: np.ndarray, roles: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of each role's known values, (roles, k); NaN where there is none."""
    known = np.isfinite(values)
    totals = np.array([np.where(known, values, 0)[rows].sum(axis=0) for rows in roles])
    counts = np.array([known[rows].sum(axis=0) for rows in roles])
    return np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)


def _array(values: np.ndarray | Curve) -> np.ndarray:
    """(n, k), of one point where it is no curve."""
    found = values.values if isinstance(values, Curve) else values[:, None]
    return found.astype(np.float64)


def _like(values: np.ndarray | Curve, array: np.ndarray) -> np.ndarray | Curve:
    return Curve(values.x, array) if isinstance(values, Curve) else array[:, 0]
