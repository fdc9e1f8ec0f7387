"""Pearson's correlation: the cosine of two maps, each less its mean.

A constant map has none: nothing in it goes up or down with the other.
"""

from __future__ import annotations

import numpy as np

from sightline.compare.catalogue import Settings
from sightline.compare.measures.gram import gram, rows, unit
from sightline.compare.measures.ranks import constant


def prepare(maps: np.ndarray, settings: Settings) -> np.ndarray:
    """Unit rows about their mean; NaN for a constant map."""
    flat = rows(maps)
    mean = flat.mean(axis=2, keepdims=True, dtype=np.float64)
    centred = unit(flat - mean.astype(flat.dtype))
    # What is left of a constant map is rounding.
    centred[constant(flat)] = np.nan
    return centred


def between(one: np.ndarray, other: np.ndarray, settings: Settings) -> np.ndarray:
    """Correlations, in [-1, 1]."""
    return np.clip(gram(one, other), -1, 1)
