"""Structural similarity (Wang et al. 2004, IEEE Transactions on Image Processing 13, eq. 13).

SSIM = mean over windows of
(2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2)), with
m and s the means, variances and covariance within a window, C1 = (0.01 L)^2,
C2 = (0.03 L)^2 and L the range of values that maps have. Windows lie within the
map. It is skimage's with ``use_sample_covariance=False``: variances are those of
the weights, as in the paper. Means and variances are computed once of each map;
of a pair only that of the product remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sightline.compare.catalogue import Ssim
from sightline.compare.measures.gram import symmetric

# The paper's Gaussian: 11 x 11 pixels, a standard deviation of 1.5.
_SIGMA = 1.5
# Pixels of products that are filtered at a time: they stay in the cache.
_FILTERED = 2**18
# Positions that one matrix of a moving window makes.
_STRIP = 32


class Windowed(NamedTuple):
    """Maps (images, a, height, width), and mean and variance of each window, float32."""

    maps: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def prepare(maps: np.ndarray, settings: Ssim) -> Windowed:
    """What is known of each map alone."""
    weights = _weights(settings)
    shape = np.subtract(maps.shape, (0, 0, *[settings.width - 1] * 2))
    mean, variance = np.empty((2, *shape), np.float32)
    for place in range(len(maps)):
        exact = maps[place].astype(np.float64)
        mean[place] = means = _filtered(exact, weights)
        variance[place] = _filtered(exact**2, weights) - means**2
    return Windowed(maps, mean, variance)


def between(one: Windowed, other: Windowed, settings: Ssim) -> np.ndarray:
    """SSIM, in [-1, 1]."""
    images, count = one.maps.shape[:2]
    itself, others = one is other, other.maps.shape[1]
    found = np.empty((images, count, others))
    step = max(1, _FILTERED // int(np.prod(one.maps.shape[2:])))
    for image in range(images):
        for model in range(count):
            for start in range(model if itself else 0, others, step):
                part = slice(start, min(start + step, others))
                first = [values[image, model] for values in one]
                second = [values[image, part] for values in other]
                found[image, model, part] = _ssim(Windowed(*first), Windowed(*second), settings)
    return symmetric(found) if itself else found


def _ssim(one: Windowed, other: Windowed, settings: Ssim) -> np.ndarray:
    """SSIM of one map (height, width) with others (a, height, width)."""
    near_zero, flat = ((share * settings.data_range) ** 2 for share in (0.01, 0.03))
    product = one.mean * other.mean
    covariance = _filtered(one.maps * other.maps, _weights(settings)) - product
    value = (2 * product + near_zero) * (2 * covariance + flat)
    value /= one.mean**2 + other.mean**2 + near_zero
    value /= one.variance + other.variance + flat
    return np.clip(value.mean(axis=(1, 2), dtype=np.float64), -1, 1)


def _weights(settings: Ssim) -> np.ndarray:
    """One axis of the window; sums to 1."""
    if settings.window == "gaussian":
        half = settings.width // 2
        weights = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * _SIGMA**2))
    else:
        weights = np.ones(settings.width)
    found: np.ndarray = weights / weights.sum()
    return found


def _filtered(maps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means of all windows within maps (a, height, width)."""
    count, height, width = (np.array(maps.shape) - (0, len(weights) - 1, len(weights) - 1)).tolist()
    down = np.empty((count, height, maps.shape[2]), maps.dtype)
    for places, window, moving in _strips(height, weights, maps.dtype):
        np.matmul(moving.T, maps[:, window], out=down[:, places])
    flat = down.reshape(count * height, -1)
    found = np.empty((len(flat), width), maps.dtype)
    for places, window, moving in _strips(width, weights, maps.dtype):
        found[:, places] = flat[:, window] @ moving
    return found.reshape(count, height, width)


def _strips(
    places: int, weights: np.ndarray, dtype: np.dtype
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Strips of places along an axis, what their windows cover, and the matrix of their means."""
    reach = len(weights) - 1
    moving = np.zeros((_STRIP + reach, _STRIP), dtype)
    for place in range(_STRIP):
        moving[place : place + reach + 1, place] = weights
    for start in range(0, places, _STRIP):
        size = min(_STRIP, places - start)
        window = slice(start, start + size + reach)
        yield slice(start, start + size), window, moving[: size + reach, :size]
