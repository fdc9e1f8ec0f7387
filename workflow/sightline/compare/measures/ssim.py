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
    """Maps (images, a, height, width), float64, and mean and variance of each window."""

    maps: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def prepare(maps: np.ndarray, settings: Ssim) -> Windowed:
    """What is known of each map alone."""
    weights = _weights(settings)
    exact = maps.astype(np.float64)
    mean = _filtered(exact, weights)
    return Windowed(exact, mean, _filtered(exact**2, weights) - mean**2)


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
    above = (2 * product + near_zero) * (2 * covariance + flat)
    below = one.mean**2 + other.mean**2 + near_zero
    below *= one.variance + other.variance + flat
    return np.clip((above / below).mean(axis=(1, 2)), -1, 1)


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
    """Weighted means of all windows within maps (..., height, width)."""
    down = _along_rows(maps.swapaxes(-1, -2), weights).swapaxes(-1, -2)
    return _along_rows(np.ascontiguousarray(down), weights)


def _along_rows(maps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means along the last axis: strip by strip, a matrix product each."""
    width = len(weights)
    places = maps.shape[-1] - width + 1
    strip = min(_STRIP, places)
    moving = np.zeros((strip + width - 1, strip))
    for place in range(strip):
        moving[place : place + width, place] = weights
    found = np.empty((*maps.shape[:-1], places))
    for start in range(0, places, strip):
        wide = min(strip, places - start)
        part = maps[..., start : start + wide + width - 1]
        np.matmul(part, moving[: wide + width - 1, :wide], out=found[..., start : start + wide])
    return found
