"""Experiments on those rows alone whose maps can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sightline.evaluate.protocol import Case, Curve, Values


def of_usable(case: Case, usable: np.ndarray, measure: Callable[[Case], Values]) -> Values:
    """Values of some rows; the others have none.

    Parameters
    ----------
    case
        All rows.
    usable
        bool (n,), of which rows.
    measure
        What is done with them.

    Returns
    -------
    dict
        Of all rows, NaN where a row is not usable.
    """
    rows = np.flatnonzero(usable)

    def draws(*words: str | int) -> list[int]:
        seeds = case.draws(*words)
        return [seeds[row] for row in rows]

    part = replace(
        case,
        images=case.images[rows],
        targets=case.targets[rows],
        maps=case.maps[rows],
        draws=draws,
        seeds=[case.seeds[row] for row in rows],
    )
    return {name: _spread(values, usable) for name, values in measure(part).items()}


def _spread(values: np.ndarray | Curve, usable: np.ndarray) -> np.ndarray | Curve:
    if isinstance(values, Curve):
        return Curve(values.x, _spread_rows(values.values, usable))
    return _spread_rows(values, usable)


def _spread_rows(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    all_rows = np.full((len(usable), *values.shape[1:]), np.nan)
    all_rows[usable] = values
    return all_rows
