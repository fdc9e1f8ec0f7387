"""Where objects are on an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sightline.errors import SightlineError
from sightline.images.geometry import Box


@dataclass(frozen=True)
class Region:
    """Where an object is.

    Attributes
    ----------
    label
        Of its class, see `sightline.images.labels.object_label`; empty where the image has none.
    box
        In pixels of the original, half-open: that of the mask where no other is given; none
        where it is not known where the object is.
    mask
        bool (height, width), or None.
    """

    label: str
    box: Box | None
    mask: np.ndarray | None


def mask_bounds(mask: np.ndarray) -> Box | None:
    """The tight box, half-open, of a mask (height, width); none of an empty one."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return (
        *(float(columns.min()), float(rows.min())),
        *(float(columns.max() + 1), float(rows.max() + 1)),
    )


def drawn(regions: Iterable[Region], shape: tuple[int, ...], *, boxed: bool = False) -> np.ndarray:
    """Where any of some objects is: by its mask, or by its box where it has no mask.

    Parameters
    ----------
    regions
        Objects of an image.
    shape
        Height and width of the image, to which boxes are clipped.
    boxed
        Whether an object is all of its box, also where it has a mask.

    Returns
    -------
    ndarray
        bool (height, width). Edges of boxes are rounded to whole pixels.
    """
    shown = np.zeros(shape, bool)
    for one in regions:
        if one.mask is not None and not (boxed and one.box is not None):
            shown |= one.mask
        elif one.box is not None:
            # A negative edge would count from the image's far side.
            x0, y0, x1, y1 = (max(round(edge), 0) for edge in one.box)
            shown[y0:y1, x0:x1] = True
    return shown


def clipped(box: Box, size: tuple[int, int], where: str) -> Box:
    """The part of a box that is on the image.

    Parameters
    ----------
    box
        In pixels, half-open.
    size
        Width and height of the image.
    where
        Whose box it is, for messages.

    Raises
    ------
    SightlineError
        Where the box is wholly outside.
    """
    x0, y0, x1, y1 = box
    found = (max(x0, 0.0), max(y0, 0.0), min(x1, float(size[0])), min(y1, float(size[1])))
    if not (found[0] < found[2] and found[1] < found[3]):
        raise SightlineError(
            f"{where}: the box {', '.join(f'{edge:g}' for edge in box)} lies outside the image, "
            f"which is {size[0]} pixels wide and {size[1]} high. Correct the box (x0, y0, x1, y1 "
            "in pixels of the upright image) or remove it."
        )
    return found
