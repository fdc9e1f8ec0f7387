"""Intersection over union of the largest pixels of two maps, the top so many percent.

IoU = |A and B| / |A or B| (Jaccard 1912, New Phytologist 11). Largest is by value,
not by magnitude. Pixels that tie for the last places are taken all or none,
whichever comes nearer to the number wanted: no order is invented among equal
pixels. So of a map that is mostly zeros the set is what lies above, however many
are asked for, and zeros that two maps share are no agreement; a constant map has
no largest pixels.
"""

from __future__ import annotations

import numpy as np

from sightline.compare.catalogue import Iou
from sightline.compare.measures.gram import gram, rows
from sightline.compare.measures.ranks import largest


def prepare(maps: np.ndarray, settings: Iou) -> np.ndarray:
    """1 where a pixel is among the largest of its map and else 0, float32 (images, a, pixels)."""
    return largest(rows(maps), settings.top).astype(np.float32)


def between(one: np.ndarray, other: np.ndarray, settings: Iou) -> np.ndarray:
    """IoU, in [0, 1]; NaN where neither map has largest pixels."""
    shared = gram(one, other).astype(np.float64)
    union = one.sum(axis=2)[:, :, None] + other.sum(axis=2)[:, None, :] - shared
    return np.divide(shared, union, out=np.full_like(union, np.nan), where=union > 0)
