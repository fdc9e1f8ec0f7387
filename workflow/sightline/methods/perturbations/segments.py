"""Cut an image into segments, the players of KernelSHAP and LIME."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import slic


def slic_segments(image: np.ndarray, segments: int, compactness: float) -> np.ndarray:
    """SLIC superpixels (Achanta et al. 2012) by scikit-image.

    Parameters
    ----------
    image
        (H, W, 3): 8-bit RGB, which all models with one geometry share, or a
        model's normalised input.
    segments
        How many are asked for; SLIC may give fewer.
    compactness
        Weight of space against colour.

    Returns
    -------
    ndarray
        int64 (H, W), numbered 0 to M - 1 without gaps.
    """
    found = slic(image, n_segments=segments, compactness=compactness, start_label=0)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)


def grid_segments(height: int, width: int, segments: int) -> np.ndarray:
    """Rectangles of nearly equal sides.

    Parameters
    ----------
    height, width
        Of the image.
    segments
        How many are asked for; rows and columns are those that come nearest.

    Returns
    -------
    ndarray
        int64 (height, width), numbered row by row from 0 without gaps.
    """
    rows = min(height, max(1, round((segments * height / width) ** 0.5)))
    columns = min(width, max(1, round(segments / rows)))
    row, column = (
        np.arange(length) * parts // length for length, parts in ((height, rows), (width, columns))
    )
    return row[:, None] * columns + column
