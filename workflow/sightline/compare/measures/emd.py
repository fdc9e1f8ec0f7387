"""Earth mover's distance on a coarse grid, as a similarity: 1 - distance / diameter.

A map is a heap of mass 1: its positive part (or its magnitudes), summed over
size x size cells. The distance is the least mass times way that makes one heap
the other, ways Euclidean between centres of cells (Rubner et al. 2000,
International Journal of Computer Vision 40, section 4); the diameter is the way
between opposite corner cells. It is exact, a linear programme a pair: what two
heaps have in common at a cell may stay there, as ways obey the triangle
inequality, and only the rest is moved.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from ot import emd2

from sightline.compare.catalogue import Emd
from sightline.compare.measures.gram import symmetric
from sightline.errors import SightlineError

# Far beyond what a grid of 32 x 32 takes.
_ITERATIONS = 10_000_000


def prepare(maps: np.ndarray, settings: Emd) -> np.ndarray:
    """Heaps of mass 1, float64 (images, a, cells); NaN for a map without mass."""
    kept = np.abs(maps) if settings.mass == "magnitude" else np.maximum(maps, 0)
    down, across = (_cells(settings.size, pixels) for pixels in maps.shape[2:])
    heaps = (down @ kept.astype(np.float64) @ across.T).reshape(*maps.shape[:2], -1)
    mass = heaps.sum(axis=2, keepdims=True)
    return np.divide(heaps, mass, out=np.full_like(heaps, np.nan), where=mass > 0)


def between(one: np.ndarray, other: np.ndarray, settings: Emd) -> np.ndarray:
    """Similarities, in [0, 1]."""
    images, count, itself = len(one), one.shape[1], one is other
    found = np.full((images, count, other.shape[1]), np.nan)
    usable = [np.isfinite(heaps).all(axis=2) for heaps in (one, other)]
    pairs = usable[0][:, :, None] & usable[1][:, None, :]
    for image, first, second in np.argwhere(np.triu(pairs) if itself else pairs):
        found[image, first, second] = _moved(one[image, first], other[image, second], settings.size)
    return symmetric(found) if itself else found


def _moved(one: np.ndarray, other: np.ndarray, size: int) -> float:
    """The similarity of two heaps."""
    change = one - other
    source, sink = change > 0, change < 0
    mass = change[source].sum()
    if not (source.any() and sink.any()):
        return 1.0
    ways = np.ascontiguousarray(_ways(size)[np.ix_(source, sink)])
    way, log = emd2(
        change[source] / mass,
        -change[sink] / mass,
        ways,
        numItermax=_ITERATIONS,
        check_marginals=False,
        log=True,
    )
    if log["warning"] is not None:
        raise SightlineError(
            f"An earth mover's distance was not found: {log['warning']} Use a smaller size."
        )
    return float(np.clip(1 - mass * way, 0, 1))


@cache
def _ways(size: int) -> np.ndarray:
    """Distances of all cells from all, as shares of the diameter."""
    places = np.stack(np.divmod(np.arange(size * size), size), axis=1)
    return np.linalg.norm(places[:, None] - places, axis=2) / np.hypot(size - 1, size - 1)


@cache
def _cells(size: int, pixels: int) -> np.ndarray:
    """How much of each pixel lies in each cell of one axis, (size, pixels)."""
    edges = np.arange(size + 1)[:, None] * (pixels / size)
    start = np.arange(pixels)
    covered = np.clip(edges - start, 0, 1)
    return np.diff(covered, axis=0)
