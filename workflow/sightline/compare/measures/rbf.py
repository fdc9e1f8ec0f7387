"""RBF similarity exp(-d^2 / (2 sigma^2)), in [0, 1], 1 for equal maps.

d is the Euclidean distance of two maps, scaled to 224 x 224 pixels so that a
sigma means the same on every grid. What is kept of each pair is d^2: the
median heuristic takes sigma from all of them, and another sigma reads no maps.
"""

from __future__ import annotations

import numpy as np

from sightline.compare.catalogue import Rbf
from sightline.compare.measures.gram import gram, rows, squares, symmetric

# The thesis's sigma of 80 is meant for maps of 224 x 224 pixels.
REFERENCE_PIXELS = 224 * 224
# Squared distances below this share of the squared norms are taken from the pixels.
_NEAR = 1e-3


def prepare(maps: np.ndarray, settings: Rbf) -> tuple[np.ndarray, np.ndarray]:
    """Rows and their squared norms."""
    flat = rows(maps)
    return flat, squares(flat)


def between(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], settings: Rbf
) -> np.ndarray:
    """Squared distances."""
    (first, norms), (second, others) = one, other
    itself = one is other
    together = norms[:, :, None] + others[:, None, :]
    distance = together - 2 * gram(first, second).astype(np.float64)
    # Of maps that nearly coincide the difference is rounding, and equal maps would not be equal.
    near = distance < _NEAR * together
    if itself:
        near = np.triu(near, 1)
        distance[:, *np.diag_indices(distance.shape[1])] = 0
    for image, model in np.argwhere(near.any(axis=2)):
        apart = first[image, model] - second[image, near[image, model]]
        distance[image, model, near[image, model]] = squares(apart[None])[0]
    distance *= REFERENCE_PIXELS / first.shape[2]
    return symmetric(distance) if itself else distance


def finish(distance: np.ndarray, settings: Rbf, typical: float) -> np.ndarray:
    """Similarities from squared distances.

    Parameters
    ----------
    distance
        Squared, any shape.
    settings
        With sigma.
    typical
        The median squared distance, for the median heuristic (Gretton et al.
        2012, Journal of Machine Learning Research 13, section 8).
    """
    squared = typical if settings.sigma == "median" else float(settings.sigma) ** 2
    if squared == 0:  # more than half of all pairs are equal
        return np.where(np.isnan(distance), np.nan, (distance == 0).astype(distance.dtype))
    return np.exp(distance / (-2 * squared))
