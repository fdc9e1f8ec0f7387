"""Cosine similarity, x.y / (|x| |y|): the direction of two maps, whatever their size.

Of maps without negative values it is at least 0, and high for any two maps that
are positive nearly everywhere.
"""

from __future__ import annotations

import numpy as np

from sightline.compare.catalogue import Settings
from sightline.compare.measures.gram import gram, rows, unit


def prepare(maps: np.ndarray, settings: Settings) -> np.ndarray:
    """Unit rows; NaN for a map of zeros."""
    return unit(rows(maps))


def between(one: np.ndarray, other: np.ndarray, settings: Settings) -> np.ndarray:
    """Cosines, in [-1, 1]."""
    return np.clip(gram(one, other), -1, 1)
