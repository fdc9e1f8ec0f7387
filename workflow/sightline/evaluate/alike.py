"""How alike two maps of one image by one model are.

Maps that are constant or not finite are like nothing: their value is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightline.compare.measures.gram import unit
from sightline.compare.measures.ranks import standardised_ranks
from sightline.maps.align import resample
from sightline.maps.scaling import scale_maps

# The whole of what a map covers, whatever its size.
WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation over the positions of each pair of maps.

    Parameters
    ----------
    one, other
        (n, h, w).

    Returns
    -------
    ndarray
        float64 (n,), in [-1, 1]; of equal values each has the mean rank.
    """
    first, second = (standardised_ranks(maps.reshape(len(maps), -1)) for maps in (one, other))
    return np.clip((first * second).sum(axis=1), -1, 1)


def cosine_of_scaled(
    one: np.ndarray, other: np.ndarray, scaling: Sequence[str], grid: int
) -> np.ndarray:
    """Cosine similarity of each pair of maps, as models are compared with each other.

    Parameters
    ----------
    one, other
        Raw, float32 (n, h, w).
    scaling
        Steps of `sightline.maps.scaling`.
    grid
        Positions along a side of the grid that they are resampled to.

    Returns
    -------
    ndarray
        float64 (n,), in [-1, 1].
    """
    finite = np.isfinite(one).all(axis=(1, 2)) & np.isfinite(other).all(axis=(1, 2))
    rows = []
    for maps in (one, other):
        known = np.where(finite[:, None, None], maps, 0).astype(np.float32)
        scaled = on_grid(scale_maps(known, scaling), grid)
        rows.append(unit(scaled.reshape(len(maps), 1, -1))[:, 0])
    first, second = rows
    return np.where(finite, np.clip((first * second).sum(axis=1), -1, 1), np.nan)


def finite_or_zero(maps: np.ndarray) -> np.ndarray:
    """Maps (n, h, w), float32, of which those that are not finite are zero."""
    finite = np.isfinite(maps).all(axis=(1, 2), keepdims=True)
    return np.where(finite, maps, 0).astype(np.float32)


def on_grid(maps: np.ndarray, grid: int | tuple[int, int]) -> np.ndarray:
    """Maps resampled to a grid over all that they cover."""
    whole = np.repeat(WHOLE, len(maps), axis=0)
    return resample(maps, whole, whole, grid)
