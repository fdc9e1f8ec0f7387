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


def changes(features: Tensor) -> Tensor:
    """Squared change of each position's features against the first image's.

    Parameters
    ----------
    features
        (1 + N, C, h, w).

    Returns
    -------
    Tensor
        float32 (N, h, w) on the CPU.
    """
    return (features[1:] - features[:1]).float().square().sum(dim=1).cpu()


def answering_share(changed: Tensor) -> float:
    """Share of the regions that contain the position which changed most with them.

    As the grids do not coincide, a quarter of the position, or of the region
    where that is smaller, is enough along each side.

    Parameters
    ----------
    changed
        (regions^2, h, w): as `changes` gives them for `altered_images`.
    """
    regions = round(len(changed) ** 0.5)
    size = np.array(changed.shape[1:])
    largest = changed.flatten(1).argmax(dim=1).numpy()
    position = np.stack(np.unravel_index(largest, tuple(size)), axis=1)
    region = np.stack(np.divmod(np.arange(len(changed)), regions), axis=1)
    low = np.maximum(position / size, region / regions)
    high = np.minimum((position + 1) / size, (region + 1) / regions)
    shared = high - low >= 0.25 * np.minimum(1 / size, 1 / regions) - 1e-9
    moved = changed.flatten(1).any(dim=1).numpy()
    return float((shared.all(axis=1) & moved).mean())
