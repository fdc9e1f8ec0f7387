"""Bring maps of different sizes and crops onto one grid of the original image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def intersect(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersections of boxes.

    Parameters
    ----------
    one, other
        (n, 4): x0, y0, x1, y1.

    Returns
    -------
    ndarray
        (n, 4); where two boxes do not meet, x1 <= x0 or y1 <= y0.
    """
    low = np.maximum(one[:, :2], other[:, :2])
    high = np.minimum(one[:, 2:], other[:, 2:])
    return np.concatenate([low, high], axis=1)


def resample(
    maps: np.ndarray, boxes: np.ndarray, onto: np.ndarray, grid: int | tuple[int, int]
) -> np.ndarray:
    """Sample maps on a grid over another part of the image.

    Bilinear between the centres of a map's positions, constant beyond the
    outermost; where the grid is coarser than the map, a triangle as wide as a
    grid cell (the antialiased bilinear of torch and PIL). Each axis is one
    matrix, so a map M becomes R M C^T.

    Parameters
    ----------
    maps
        float32 (n, h, w).
    boxes
        (n, 4): the part of the original that each map covers.
    onto
        (n, 4): the part that is wanted of each.
    grid
        Positions down and across; one number is both.

    Returns
    -------
    ndarray
        float32 (n, grid, grid).
    """
    height, width = (grid, grid) if isinstance(grid, int) else grid
    out = np.empty((len(maps), height, width), np.float32)
    extent = boxes[:, 2:] - boxes[:, :2]
    start = (onto[:, :2] - boxes[:, :2]) / extent
    stop = (onto[:, 2:] - boxes[:, :2]) / extent
    # Rounding keeps boxes that differ by float noise on one cached matrix.
    spans = np.round(np.concatenate([start, stop], axis=1), 9)
    for span in np.unique(spans, axis=0):
        rows = np.flatnonzero((spans == span).all(axis=1))
        x0, y0, x1, y1 = map(float, span)
        down = _matrix(maps.shape[1], height, y0, y1)
        across = _matrix(maps.shape[2], width, x0, x1)
        out[rows] = down @ maps[rows] @ across.T
    return out


@lru_cache(maxsize=4096)
def _matrix(size: int, grid: int, start: float, stop: float) -> np.ndarray:
    """Weights (grid, size) of one axis, for the part ``start`` to ``stop`` of [0, 1]."""
    step = (stop - start) * size / grid
    centres = start * size + (np.arange(grid) + 0.5) * step
    reach = max(step, 1.0)
    # Beyond the outermost centres a map is constant: the sample is held there.
    held = np.clip(centres, 0.5, size - 0.5)
    distance = np.abs(held[:, None] - (np.arange(size) + 0.5)) / reach
    weights = np.clip(1 - distance, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
