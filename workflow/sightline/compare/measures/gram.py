"""Inner products of all pairs of maps, image by image."""

from __future__ import annotations

import numpy as np


def rows(maps: np.ndarray) -> np.ndarray:
    """Maps (images, a, height, width) as rows (images, a, pixels)."""
    return maps.reshape(*maps.shape[:2], -1)


def squares(flat: np.ndarray) -> np.ndarray:
    """Squared norms, float64 (images, a), of rows (images, a, pixels)."""
    found: np.ndarray = np.einsum("ijk,ijk->ij", flat, flat, dtype=np.float64)
    return found


def unit(flat: np.ndarray) -> np.ndarray:
    """Rows divided by their norm; NaN for a row of zeros."""
    norms = np.sqrt(squares(flat))[:, :, None].astype(flat.dtype)
    return np.divide(flat, norms, out=np.full_like(flat, np.nan), where=norms > 0)


def gram(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Inner products (images, a, b) of rows (images, a, pixels) and (images, b, pixels)."""
    return one @ other.transpose(0, 2, 1)


def symmetric(upper: np.ndarray) -> np.ndarray:
    """Matrices (images, a, a) of which what lies below the diagonal is that above it."""
    first, second = np.triu_indices(upper.shape[1], 1)
    upper[:, second, first] = upper[:, first, second]
    return upper
