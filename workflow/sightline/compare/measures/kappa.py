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
from sightline.compare.measures.ranks import largest


def prepare(maps: np.ndarray, settings: Kappa) -> list[np.ndarray]:
    """For each cut, 1 where a map is above it and else 0, float32 (images, a, pixels)."""
    flat = rows(maps)
    if settings.top is not None:
        return [largest(flat, settings.top).astype(np.float32)]
    return [(flat > cut).astype(np.float32) for cut in settings.cuts]


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
    return kappa_of_cells(np.moveaxis(np.asarray(counts, np.float64), (-2, -1), (0, 1)))


def kappa_of_cells(cells: np.ndarray) -> np.ndarray:
    """Cohen's kappa (...) from confusion counts, floats (classes, classes, ...): see `kappa`.

    With the classes first every step is one of long arrays, which sums over two or three
    neighbouring numbers are not.
    """
    classes = range(len(cells))
    first = [sum(cells[k, m] for m in classes) for k in classes]
    second = [sum(cells[k, m] for k in classes) for m in classes]
    total = sum(first)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = sum(cells[k, k] for k in classes) / total
        expected = sum(first[k] * second[k] for k in classes) / total**2
        return np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
