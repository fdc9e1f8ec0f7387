"""Intersection over union of the largest pixels of two maps, the top so many percent.

The sets hold k pixels each, exactly. Where more pixels tie for the last places
than there are, each belongs by the share of places that are left, and the sets
are fuzzy: IoU = sum_i min(a_i, b_i) / sum_i max(a_i, b_i), with memberships a, b
(Ruzicka's form of Jaccard's index, which it is for sets). So no order is
invented among equal pixels, and two maps with large areas of zeros agree on
these no more than their share. Largest is by value, not by magnitude.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sightline.compare.catalogue import Iou
from sightline.compare.measures.gram import gram, rows
from sightline.compare.measures.ranks import kept, largest


class Chosen(NamedTuple):
    """Membership float32 (images, a, pixels), where it is a share, and that share (images, a)."""

    member: np.ndarray
    tied: np.ndarray
    share: np.ndarray
    size: int


def prepare(maps: np.ndarray, settings: Iou) -> Chosen:
    """To what degree each pixel is among the largest of its map."""
    flat = rows(maps)
    found = largest(flat, settings.top)
    member = found.inside + found.tied * found.share[:, :, None].astype(np.float32)
    return Chosen(member, found.tied, found.share, kept(flat.shape[2], settings.top))


def between(one: Chosen, other: Chosen, settings: Iou) -> np.ndarray:
    """IoU, in [0, 1]."""
    shared = gram(one.member, other.member).astype(np.float64)
    if (one.share < 1).any() and (other.share < 1).any():
        # Of two shares the smaller is common, not their product; where one is 1 they are equal.
        first, second = one.share[:, :, None], other.share[:, None, :]
        both = gram(one.tied.astype(np.float32), other.tied.astype(np.float32))
        shared += (np.minimum(first, second) - first * second) * both
    found: np.ndarray = shared / (one.size + other.size - shared)
    return np.clip(found, 0, 1)
