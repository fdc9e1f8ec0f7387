"""Cohen's kappa: do two maps call the same pixels important, beyond chance?

kappa = (p_o - p_e) / (1 - p_e), p_o the share of pixels that both maps put into
one class, p_e that share by chance, from how many each puts where (Cohen 1960,
Educational and Psychological Measurement 20, p. 40). What is kept of a pair and
image is the number of pixels above cut k of the one and cut m of the other,
and of each map the number above each cut; confusion counts follow from these.
"""

from __future__ import annotations

import numpy as np

from sightline.compare.catalogue import Kappa
from sightline.compare.measures.gram import gram, rows


def prepare(maps: np.ndarray, settings: Kappa) -> list[np.ndarray]:
    """For each cut, 1 where a map is above it and else 0, float32 (images, a, pixels)."""
    flat = rows(maps)
    if settings.top is not None:
        return [_largest(flat, settings.top).astype(np.float32)]
    return [(flat > cut).astype(np.float32) for cut in settings.cuts]


def _largest(flat: np.ndarray, percent: float) -> np.ndarray:
    """Whether a pixel is among the largest of its map; all that tie with the last are."""
    kept = max(1, round(flat.shape[2] * percent / 100))
    last = np.partition(flat, -kept, axis=2)[:, :, -kept]
    return flat >= last[:, :, None]


def above(prepared: list[np.ndarray]) -> np.ndarray:
    """Pixels of each map above each cut, (images, a, cuts)."""
    return np.stack([one.sum(axis=2) for one in prepared], axis=2).astype(np.uint32)


def between(one: list[np.ndarray], other: list[np.ndarray], settings: Kappa) -> np.ndarray:
    """Pixels above both cuts, uint32 (images, a, b, cuts, cuts)."""
    shape = (*one[0].shape[:2], other[0].shape[1], len(one), len(other))
    found = np.empty(shape, np.uint32)
    for k, first in enumerate(one):
        for m, second in enumerate(other):
            if one is other and m < k:
                found[..., k, m] = found[..., m, k].transpose(0, 2, 1)
            else:
                # float32 counts pixels exactly up to 2^24.
                found[..., k, m] = np.rint(gram(first, second))
    return found


def confusion(
    both: np.ndarray, first: np.ndarray, second: np.ndarray, pixels: np.ndarray
) -> np.ndarray:
    """Pixels that fall into each pair of classes.

    Parameters
    ----------
    both
        (..., cuts, cuts): above cut k of the one and m of the other.
    first, second
        (..., cuts): above a cut of the one, of the other.
    pixels
        (...): in all.

    Returns
    -------
    ndarray
        int64 (..., cuts + 1, cuts + 1).
    """
    cuts = both.shape[-1]
    padded = np.zeros((*both.shape[:-2], cuts + 2, cuts + 2), np.int64)
    padded[..., 0, 0] = pixels
    padded[..., 1:-1, 0] = first
    padded[..., 0, 1:-1] = second
    padded[..., 1:-1, 1:-1] = both
    return np.diff(np.diff(padded, axis=-1), axis=-2)


def kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa from confusion counts.

    Parameters
    ----------
    counts
        (..., classes, classes).

    Returns
    -------
    ndarray
        (...), at most 1; NaN where both put everything into one class, since
        agreement by chance is then certain.
    """
    counts = np.asarray(counts, np.float64)
    total = counts.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        expected = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
        return np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
