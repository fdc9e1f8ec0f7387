"""Boxes of objects, in pixels of the original: x0, y0, x1, y1, half-open; NaN is no box."""

from __future__ import annotations

import numpy as np

# Rows whose parts of boxes are held at a time.
_BLOCK = 256


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box of each row with each of its boxes.

    Parameters
    ----------
    box
        (n, 4).
    boxes
        (n, k, 4).

    Returns
    -------
    ndarray
        (n, k), in [0, 1]; NaN where either is no box.
    """
    low = np.maximum(box[:, None, :2], boxes[..., :2])
    high = np.minimum(box[:, None, 2:], boxes[..., 2:])
    shared = (high - low).clip(0).prod(axis=-1)
    union = area(box)[:, None] + area(boxes) - shared
    return np.divide(shared, union, out=np.full(shared.shape, np.nan), where=union > 0)


def area(boxes: np.ndarray) -> np.ndarray:
    """Of boxes (..., 4)."""
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1)


def distance(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """From a point of each row to the nearest of its boxes.

    Parameters
    ----------
    points
        (n, 2): x, y.
    boxes
        (n, k, 4).

    Returns
    -------
    ndarray
        (n,), in pixels; 0 inside, infinite where there is no box.
    """
    point = points[:, None]
    beyond = np.maximum(boxes[..., :2] - point, point - boxes[..., 2:]).clip(0)
    away = np.where(np.isnan(beyond).any(axis=-1), np.inf, np.hypot(*np.moveaxis(beyond, -1, 0)))
    return away.min(axis=1, initial=np.inf)


def share_inside(weights: np.ndarray, seen: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Share of what lies on a grid that is inside the union of a row's boxes.

    Exact for weights that are even over each position: a position that a box cuts counts by
    the part of it that is inside.

    Parameters
    ----------
    weights
        (n, H, W), 0 or above.
    seen
        (n, 4): the part of the original that the grid covers.
    boxes
        (n, k, 4).

    Returns
    -------
    ndarray
        float64 (n,), in [0, 1]; NaN where all weights are 0, or no box meets the grid.
    """
    found = np.full(len(weights), np.nan)
    for start in range(0, len(weights), _BLOCK):
        part = slice(start, start + _BLOCK)
        given = weights[part].astype(np.float64)
        total = given.sum(axis=(1, 2))
        held, touched = _inside_union(given, seen[part], boxes[part])
        asked = (total > 0) & touched
        np.divide(held, total, out=found[part], where=asked)
    return found


def _inside_union(
    weights: np.ndarray, seen: np.ndarray, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of weights inside the boxes' union, and whether any of the boxes meets the grid.

    All edges of a row's boxes cut its grid into strips and those into pieces, each of which
    is inside a box as a whole or not at all.
    """
    height, width = weights.shape[1:]
    extent, corner = np.tile(seen[:, 2:] - seen[:, :2], 2), np.tile(seen[:, :2], 2)
    # As shares of the grid; no box has no extent.
    shares = np.nan_to_num((boxes - corner[:, None]) / extent[:, None], nan=0.0).clip(0, 1)
    across = np.sort(shares[..., [0, 2]].reshape(len(shares), -1), axis=1)
    down = np.sort(shares[..., [1, 3]].reshape(len(shares), -1), axis=1)
    x, y = (0.5 * (edges[:, 1:] + edges[:, :-1]) for edges in (across, down))
    x0, y0, x1, y1 = (shares[..., i, None] for i in range(4))
    in_columns, in_rows = (
        (x0 <= x[:, None]) & (x[:, None] < x1),
        (y0 <= y[:, None]) & (y[:, None] < y1),
    )
    inside = np.matmul(in_rows.astype(float).swapaxes(1, 2), in_columns.astype(float)) > 0
    sums = _covered(down, height) @ weights @ _covered(across, width).swapaxes(1, 2)
    sizes = np.diff(down)[:, :, None] * np.diff(across)[:, None]
    return (sums * inside).sum(axis=(1, 2)), (sizes * inside).sum(axis=(1, 2)) > 0


def _covered(edges: np.ndarray, positions: int) -> np.ndarray:
    """Share of each position between consecutive edges (n, e), in [0, 1]: (n, e - 1, positions)."""
    reached = np.clip(edges[..., None] * positions - np.arange(positions), 0, 1)
    return np.diff(reached, axis=1)
