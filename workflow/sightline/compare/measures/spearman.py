"""Spearman's correlation: Pearson's of the ranks, of equal values each the mean rank.

It asks for the order of a map's positions alone (Spearman 1904, American
Journal of Psychology 15): any increasing function of a map is like the map.
"""

from __future__ import annotations

import numpy as np

from sightline.compare.catalogue import Settings
from sightline.compare.measures.gram import gram, rows
from sightline.compare.measures.ranks import standardised_ranks


def prepare(maps: np.ndarray, settings: Settings) -> np.ndarray:
    """Ranks as unit rows about their mean; NaN for a constant map."""
    flat = rows(maps)
    return standardised_ranks(flat.reshape(-1, flat.shape[2]), np.float32).reshape(flat.shape)


def between(one: np.ndarray, other: np.ndarray, settings: Settings) -> np.ndarray:
    """Correlations, in [-1, 1]."""
    return np.clip(gram(one, other), -1, 1)
