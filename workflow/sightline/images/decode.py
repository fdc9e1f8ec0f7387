"""Decode any image file to upright 8-bit RGB."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from sightline.errors import SightlineError

# What a transparent pixel shows: viewers and browsers put white behind.
_BEHIND = (255, 255, 255)
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I", "F")
# What Pillow raises for damaged files of some format or other, and for absurd sizes.
_UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


def decode(data: bytes, name: str) -> Image.Image:
    """An image file's bytes as an upright RGB image.

    See `upright_rgb`; of an animation the first frame is taken.

    Parameters
    ----------
    data
        The file.
    name
        How to name it in an error.

    Raises
    ------
    SightlineError
        Where the file is truncated or no image.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            return upright_rgb(opened, name)
    except _UNREADABLE as error:
        raise SightlineError(
            f"The image {name} cannot be read: {error}. Repair or remove the file."
        ) from error


def upright_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height of an image file as `decode` gives it, by its header alone.

    Raises
    ------
    SightlineError
        Where the file is no image.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            turned = opened.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            return (opened.height, opened.width) if turned else opened.size
    except _UNREADABLE as error:
        raise SightlineError(
            f"The image {name} cannot be read: {error}. Repair or remove the file."
        ) from error


def upright_rgb(image: Image.Image, name: str) -> Image.Image:
    """A picture as upright 8-bit RGB.

    EXIF orientation is applied; palettes are resolved; transparency is put on
    white; CMYK is converted. Grey values of 16 bits are scaled by 1/257, not
    clipped; of 16-bit colour Pillow itself reads the high byte, value // 256.

    Parameters
    ----------
    image
        In any of Pillow's modes.
    name
        How to name it in an error.

    Raises
    ------
    SightlineError
        For floats, or integers beyond 16 bits, whose white is not known.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image, np.float64)
        if values.min() < 0 or values.max() > 65_535 or image.mode == "F":
            raise SightlineError(
                f"The image {name} holds values from {values.min():g} to {values.max():g} of "
                f"mode {image.mode}: expected at most 16 bits a channel. Convert it first."
            )
        return Image.fromarray(np.round(values / 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(
            Image.new("RGBA", layered.size, (*_BEHIND, 255)), layered
        ).convert("RGB")
    return image.convert("RGB")
