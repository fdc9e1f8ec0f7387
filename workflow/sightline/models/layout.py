"""Which tensors are laid out over an image, by their shape."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from sightline.models.layers import Layout

MAX_PREFIX_TOKENS = 16


class Grid(NamedTuple):
    """How a tensor is laid out, as the fields of `sightline.models.layers.FeatureMap`."""

    layout: Layout
    height: int
    width: int
    channels: int
    prefix: int = 0


def grid_of(shape: torch.Size, images: torch.Size) -> Grid | None:
    """The grid that a tensor's shape can be read as, or none.

    Parameters
    ----------
    shape
        Of the tensor.
    images
        Shape (N, 3, H, W) of the images it was made from. A grid has their
        aspect, to less than one position.
    """
    if shape[0] != images[0]:
        return None  # windows, or the pixels of patches, folded into the batch
    aspect = images[2] / images[3]
    if len(shape) == 4:
        _, a, b, c = shape
        # Where both readings have the aspect, features outnumber positions along a side at any
        # depth worth explaining.
        if _is_grid(b, c, aspect) and not (_is_grid(a, b, aspect) and c > b):
            return Grid("NCHW", b, c, a)
        if _is_grid(a, b, aspect):
            return Grid("NHWC", a, b, c)
    if len(shape) == 3:
        _, count, channels = shape
        for prefix in range(min(MAX_PREFIX_TOKENS, count - 1) + 1):
            height = math.isqrt(round((count - prefix) * aspect))
            if height and (count - prefix) % height == 0:
                width = (count - prefix) // height
                if _is_grid(height, width, aspect):
                    return Grid("tokens", height, width, channels, prefix)
    return None


def _is_grid(height: int, width: int, aspect: float) -> bool:
    return min(height, width) > 1 and abs(height - width * aspect) < 1
