"""Pixels of the input in the order in which a map ranks them.

A map is enlarged bilinearly to the input, and its pixels are taken by decreasing value.
Values that differ by no more than the rounding of that enlargement are equal, and equal
ones come in a random order of the image's own: else a flat map, or the part that a ReLU
has made flat, would be taken row by row, or by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sightline.evaluate.alike import on_grid
from sightline.maps.scaling import scale_maps

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.removal import Removal
    from sightline.evaluate.protocol import Case

# Digits after the point, of maps whose largest magnitude is 1.
_DIGITS = 6


def values_of_pixels(case: Case, settings: Removal) -> np.ndarray:
    """What a map says of each pixel of the input.

    Returns
    -------
    ndarray
        float64 (n, H, W), the largest magnitude 1, rounded; zeros where a map is not ok.
    """
    maps = case.maps if settings.scaling == "raw" else scale_maps(case.maps, case.scaling)
    # Raw values may be too small for float32's products.
    size = (case.images.shape[2], case.images.shape[3])
    large = on_grid(scale_maps(maps, ("max",)), size).astype(np.float64)
    peak = np.abs(large).max(axis=(1, 2), keepdims=True)
    return np.round(np.divide(large, peak, out=large, where=peak > 0), _DIGITS)


def ranks_of_pixels(values: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
    """The place of each pixel by decreasing value, from 0.

    Parameters
    ----------
    values
        (n, H, W).
    seeds
        One an image, for the order of equal values.

    Returns
    -------
    ndarray
        int32 (n, H, W).
    """
    ranks = np.empty((len(values), values[0].size if len(values) else 0), np.int32)
    for rank, one, seed in zip(ranks, values.reshape(ranks.shape), seeds, strict=True):
        order = np.lexsort((np.random.default_rng(seed).random(one.size), -one))
        rank[order] = np.arange(one.size)
    return ranks.reshape(values.shape)
