"""The order in which pairs of models are kept: row by row above the diagonal."""

from __future__ import annotations

import numpy as np
import pandas as pd


def pair_count(models: int) -> int:
    """Pairs of so many models."""
    return models * (models - 1) // 2


def pair_indices(models: int) -> np.ndarray:
    """The two models of each pair, int64 (p, 2), the first before the second."""
    return np.stack(np.triu_indices(models, 1), axis=1)


def pair_rows(first: np.ndarray, second: np.ndarray, models: int) -> np.ndarray:
    """Where pairs are kept, whichever of the two models is named first."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    rows: np.ndarray = low * (2 * models - low - 1) // 2 + high - low - 1
    return rows


def square(values: np.ndarray, models: list[str], diagonal: float) -> pd.DataFrame:
    """Values (p,) of pairs as a symmetric matrix, models by name.

    Parameters
    ----------
    values
        In the order of `pair_indices`.
    models
        Their names.
    diagonal
        A model against itself.
    """
    matrix = np.full((len(models), len(models)), diagonal, np.float64)
    first, second = pair_indices(len(models)).T
    matrix[first, second] = matrix[second, first] = values
    return pd.DataFrame(matrix, models, models)
