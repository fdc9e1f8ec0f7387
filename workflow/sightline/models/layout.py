"""Which tensors are laid out over an image, by their shape."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from sightline.models.layers import Layout

MAX_EXTRA_TOKENS = 16


class Grid(NamedTuple):
    """How a tensor is laid out, as the fields of `sightline.models.layers.FeatureMap`."""

    layout: Layout
    height: int
    width: int
    channels: int
    prefix: int = 0


def grid_of(shape: torch.Size, images: torch.Size) -> Grid | None:
    """The grid that a tensor's shape can be read as, or none.

    Tokens that are too many for the grid are taken to come before it.

    Parameters
    ----------
    shape
        Of the tensor.
    images
        Shape (N, 3, H, W) of the images it was made from. A grid has their
        aspect, to less than one position.
    """
    if len(shape) == 3 and shape[0] != images[0] == shape[1]:
        swapped = grid_of(torch.Size([shape[1], shape[0], shape[2]]), images)
        return None if swapped is None else swapped._replace(layout="sequence")
    if not shape or shape[0] != images[0]:
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
        for extra in range(min(MAX_EXTRA_TOKENS, count - 1) + 1):
            height = math.isqrt(round((count - extra) * aspect))
            if height and (count - extra) % height == 0:
                width = (count - extra) // height
                if _is_grid(height, width, aspect):
                    return Grid("tokens", height, width, channels, extra)
    return None


def _is_grid(height: int, width: int, aspect: float) -> bool:
    return min(height, width) > 1 and abs(height - width * aspect) < 1
