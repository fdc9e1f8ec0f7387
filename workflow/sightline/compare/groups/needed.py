"""How many models a decision needs: below that no p-value can be small enough."""

from __future__ import annotations

from math import factorial

from sightline.compare.groups.flips import smallest_p_of_flips
from sightline.compare.groups.permutations import smallest_p_of_sizes

_MOST = 200


def models_needed(groups: int | None, tests: int, permutations: int, level: float) -> int | None:
    """Least models with which the first of several tests could reach the level after Holm.

    Parameters
    ----------
    groups
        How many, taken to be of equal size; None for a number, all values different.
    tests
        Corrected for: the first needs a p-value of level / tests.
    permutations
        Most that are enumerated, and how many are drawn beyond.
    level
        Of the corrected p-value.

    Returns
    -------
    int or None
        Of all groups together; None where so few permutations never suffice.
    """
    if groups is None:
        for models in range(3, _MOST):
            if tests * _smallest_p_of_orders(models, permutations) <= level:
                return models
        return None
    for size in range(2, _MOST):
        least = max(
            smallest_p_of_sizes([size] * groups, permutations),
            smallest_p_of_flips(size * groups, permutations),
        )
        if tests * least <= level:
            return size * groups
    return None


def _smallest_p_of_orders(models: int, permutations: int) -> float:
    """Of numbers that are all different: one order of them is the most extreme."""
    return 1 / factorial(models) if factorial(models) <= permutations else 1 / (permutations + 1)


def permutations_needed(tests: int, level: float) -> int:
    """Fewest permutations whose smallest p-value, 1 / (n + 1), reaches level / tests."""
    return max(1, -int(-tests // level) - 1)
