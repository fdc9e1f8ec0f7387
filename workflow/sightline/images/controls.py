"""Maps that read no model, in numpy: random ones, a Gaussian at the centre, edges.

    random      M_ij uniform in [0, 1), independent
    Gaussian    M_ij = exp(-(u^2 + v^2) / (2 sigma^2)),  u, v in [-1, 1] across the map
    edges       M = sqrt(((S_x * l)^2 + (S_y * l)^2) / 2)   (Sobel and Feldman 1968)

with l the luminance in [0, 1]. The control methods give these, and experiments that
load no model make them beside every method.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from sightline.images.geometry import Box


def random_positions(seed: int, cells: int) -> np.ndarray:
    """Values uniform in [0, 1), independent, float32 (cells, cells)."""
    return np.random.default_rng(seed).random((cells, cells), dtype=np.float32)


def centred_gaussian(size: tuple[int, int], sigma: float) -> np.ndarray:
    """A Gaussian at the centre, in (0, 1].

    Parameters
    ----------
    size
        Height and width.
    sigma
        Standard deviation, as a share of half a side.

    Returns
    -------
    ndarray
        float32 of ``size``.
    """
    rows, columns = (_bell(side, sigma) for side in size)
    return rows[:, None] * columns


def _bell(side: int, sigma: float) -> np.ndarray:
    across = 2 * (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side) - 1
    exponent = -(across**2) / np.float32(2 * sigma**2)
    # In float64, whose rounding is the same wherever it is computed; float32's exp is not.
    return np.exp(exponent.astype(np.float64)).astype(np.float32)


def edges(pixels: np.ndarray) -> np.ndarray:
    """Edge strength of an image, 0 or above.

    Parameters
    ----------
    pixels
        RGB, uint8 (height, width, 3).

    Returns
    -------
    ndarray
        float32 (height, width).
    """
    from skimage.color import rgb2gray
    from skimage.filters import sobel

    return sobel(rgb2gray(pixels)).astype(np.float32)


def seen(image: Image.Image, box: Box, side: int) -> np.ndarray:
    """A part of an image, uint8 (side, side, 3); beyond the image its outermost pixels go on.

    No model's border is known here, and where there is no image there are no edges.
    """
    x0, y0, x1, y1 = box
    left, top = math.ceil(max(0, -x0)), math.ceil(max(0, -y0))
    right, bottom = math.ceil(max(0, x1 - image.width)), math.ceil(max(0, y1 - image.height))
    padded = np.pad(np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode="edge")
    part = (x0 + left, y0 + top, x1 + left, y1 + top)
    return np.asarray(
        Image.fromarray(padded).resize((side, side), Image.Resampling.BILINEAR, box=part)
    )
