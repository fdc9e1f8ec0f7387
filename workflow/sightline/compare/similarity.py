"""How alike two maps of one image are, for all pairs at once.

Each measure is a Gram matrix: with the maps of one image as the rows of X,
cosine comes from X X^T of unit rows, the squared distance from norms and
X X^T, the confusion counts of kappa from B B^T of 0/1 rows.
"""

from __future__ import annotations

import numpy as np

# The thesis's sigma of 80 is meant for maps of 224 x 224 pixels.
REFERENCE_PIXELS = 224 * 224


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine similarity, in [-1, 1]; NaN for a map of zeros.

    Parameters
    ----------
    first
        float32 (images, a, pixels).
    second
        float32 (images, b, pixels).

    Returns
    -------
    ndarray
        float64 (images, a, b).
    """
    return np.clip(_gram(_unit(first), _unit(second)), -1, 1)


def rbf(first: np.ndarray, second: np.ndarray, sigma: float) -> np.ndarray:
    """RBF similarity exp(-d^2 / (2 sigma^2)), in [0, 1], 1 for equal maps.

    The squared distance d^2 is scaled to 224 x 224 pixels, so that a sigma
    means the same on every grid.

    Parameters
    ----------
    first, second
        As for `cosine`.
    sigma
        Width.

    Returns
    -------
    ndarray
        float64 (images, a, b).
    """
    squares = [np.einsum("ijk,ijk->ij", maps, maps, dtype=np.float64) for maps in (first, second)]
    distance = squares[0][:, :, None] + squares[1][:, None, :] - 2 * _gram(first, second)
    distance = np.maximum(distance, 0) * (REFERENCE_PIXELS / first.shape[2])
    return np.exp(-distance / (2 * sigma**2))


def confusion(first: np.ndarray, second: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    """Pixels that fall into each pair of classes.

    Parameters
    ----------
    first, second
        As for `cosine`.
    cuts
        Increasing; a value above k of them is of class k.

    Returns
    -------
    ndarray
        int64 (images, a, b, classes, classes).
    """
    rows = [(first > cut).astype(np.float32) for cut in cuts]
    # A group of models against itself is one array: half the work.
    columns = rows if second is first else [(second > cut).astype(np.float32) for cut in cuts]
    # both[..., k, m]: pixels above the first k cuts in the one and the first m in the other.
    count = len(cuts) + 1
    both = np.zeros((len(first), first.shape[1], second.shape[1], count + 1, count + 1), np.int64)
    both[..., 0, 0] = first.shape[2]
    for k, one in enumerate(rows, start=1):
        both[..., k, 0] = _count(one)[:, :, None]
        for m, other in enumerate(columns, start=1):
            # float32 counts pixels exactly up to 2^24.
            both[..., k, m] = np.rint(one @ other.transpose(0, 2, 1))
    for m, other in enumerate(columns, start=1):
        both[..., 0, m] = _count(other)[:, None, :]
    return np.diff(np.diff(both, axis=-1), axis=-2)


def _count(indicators: np.ndarray) -> np.ndarray:
    """Pixels that are 1, (images, maps), from 0/1 float32 (images, maps, pixels)."""
    return indicators.sum(axis=2).astype(np.int64)


def kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa (p_o - p_e) / (1 - p_e) from confusion counts.

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


def dissimilarity(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The thesis's dissimilarity of a pair, sqrt((1 - mean)^2 + spread^2).

    Parameters
    ----------
    mean, spread
        Mean and unbiased standard deviation of the similarity over images.

    Examples
    --------
    >>> values = np.array([0.9, 0.7, 0.5])
    >>> round(float(dissimilarity(values.mean(), values.std(ddof=1))), 7)
    0.3605551
    """
    return np.hypot(1 - mean, spread)


def _gram(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first @ second.transpose(0, 2, 1)).astype(np.float64)


def _unit(maps: np.ndarray) -> np.ndarray:
    norms = np.sqrt(np.einsum("ijk,ijk->ij", maps, maps, dtype=np.float64))[:, :, None]
    return np.divide(
        maps, norms, out=np.full_like(maps, np.nan), where=norms > 0, casting="same_kind"
    )
