"""Whether the positions of a tensor lie where they seem to lie.

The shape of a tensor says that it may be a grid over the image; it does not
say that its rows are the image's rows. Tokens may be ordered by windows, or be
no positions at all. So one region of an image after the other is drawn anew,
and the position whose features change most should lie in that region.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def altered_images(size: tuple[int, int], regions: int) -> Tensor:
    """An image of noise, and copies of it with one region drawn anew each.

    Parameters
    ----------
    size
        Height and width.
    regions
        Regions along a side, in rows.

    Returns
    -------
    Tensor
        float32 (1 + regions^2, 3, height, width); the first is unaltered.
    """
    generator = torch.Generator().manual_seed(0)
    plain, other = torch.randn(2, 3, *size, generator=generator)
    images = plain.repeat(1 + regions**2, 1, 1, 1)
    rows, columns = (np.linspace(0, side, regions + 1).round().astype(int) for side in size)
    for number, image in enumerate(images[1:]):
        row, column = divmod(number, regions)
        part = (..., slice(*rows[row : row + 2]), slice(*columns[column : column + 2]))
        image[part] = other[part]
    return images


def answering_share(changed: Tensor) -> float:
    """Share of the regions with which the positions that lie there change most.

    A position's change counts against what it changes with all regions: some
    change more than others whatever is altered. In the region, or at most half
    a position beside it as the grids do not coincide, should lie the position
    that changes most, or the centre of all that change at least half as much:
    untrained wide kernels change all positions they reach alike.

    Parameters
    ----------
    changed
        Squared change of each position with each region, (regions^2, h, w).
    """
    count = len(changed)
    regions = round(count**0.5)
    usual = changed.mean(dim=0)
    relative = torch.where(usual > 0, changed / usual, 0)
    largest = relative.amax(dim=(1, 2), keepdim=True)
    inside = torch.zeros(2, count, dtype=torch.bool)
    for way, least in enumerate((1 - 1e-6, 0.5)):
        weight = torch.where(relative >= least * largest, relative, 0)
        inside[way] = _centred(weight, regions) & (largest.flatten() > 0)
    return float(inside.any(dim=0).float().mean())


def own_change(changed: Tensor) -> float:
    """How much of what changes with a region lies in it, the mean over the regions in [0, 1]."""
    regions = round(len(changed) ** 0.5)
    pooled = torch.nn.functional.adaptive_avg_pool2d(changed[:, None], regions).flatten(1)
    return float((pooled.diagonal() / pooled.sum(dim=1).clamp_min(1e-30)).mean())


def _centred(weight: Tensor, regions: int) -> Tensor:
    """Whether the centre of gravity of each region's weights (regions^2, h, w) lies in it."""
    count, height, width = weight.shape
    share = weight / weight.sum(dim=(1, 2), keepdim=True).clamp_min(1e-30)
    number = torch.arange(count)
    inside = torch.ones(count, dtype=torch.bool)
    for side, other, place in ((height, 2, number // regions), (width, 1, number % regions)):
        centre = (share.sum(dim=other) * (torch.arange(side) + 0.5)).sum(dim=1) / side
        # Less than half where the grids coincide, so that a neighbour is none of it.
        slack = 0.5 / side - 1e-4 if side != regions else 0
        inside &= (centre > place / regions - slack) & (centre < (place + 1) / regions + slack)
    return inside
