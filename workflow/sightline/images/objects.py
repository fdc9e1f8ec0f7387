"""Where objects are on an image."""

from __future__ import annotations

from sightline.errors import SightlineError
from sightline.images.geometry import Box


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
