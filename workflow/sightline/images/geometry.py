"""Bring an image to a model's input size, and say which part of it is shown."""

from __future__ import annotations

import math
from typing import Literal

from PIL import Image

Geometry = Literal["squash", "model", "pad"]
CropMode = Literal["center", "squash", "border"]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def fit(
    image: Image.Image,
    size: tuple[int, int],
    geometry: Geometry,
    interpolation: str,
    crop_pct: float,
    *,
    crop_mode: CropMode = "center",
    fill: Colour = BLACK,
) -> tuple[Image.Image, Box]:
    """Resize and crop an image as a model wants it.

    Parameters
    ----------
    image
        Upright RGB.
    size
        Height and width of the result.
    geometry
        ``squash`` resizes the whole image, changing its aspect. ``pad`` keeps
        its aspect, fits the whole image inside and centres it on a border.
        ``model`` resizes and crops as timm and torchvision evaluate.
    interpolation
        One of `INTERPOLATIONS`, with antialiasing.
    crop_pct
        For ``model``: the share of the resized image that the crop keeps,
        along the side that ``crop_mode`` fits.
    crop_mode
        For ``model``, timm's names: ``center`` fits the shorter side and cuts
        the longer, ``border`` fits the longer and fills beside the shorter,
        ``squash`` fits both, changing the aspect.
    fill
        Colour where the result reaches beyond the image.

    Returns
    -------
    image : Image
        Of ``size``.
    box : tuple of float
        x0, y0, x1, y1: the part of ``image`` that the result covers, in its
        pixels. Where there is a border, it reaches beyond the image.
    """
    height, width = size
    resized = _resized(image.size, (width, height), geometry, crop_pct, crop_mode)
    left, top = _offset(resized[0], width), _offset(resized[1], height)
    shown = image.resize(resized, INTERPOLATIONS[interpolation])
    if resized != (width, height):
        canvas = Image.new("RGB", (width, height), fill)
        canvas.paste(shown, (-left, -top))
        shown = canvas
    # Multiplied first, so that what covers the whole image covers exactly that.
    across = [edge * image.width / resized[0] for edge in (left, left + width)]
    down = [edge * image.height / resized[1] for edge in (top, top + height)]
    return shown, (across[0], down[0], across[1], down[1])


def _resized(
    original: tuple[int, int],
    size: tuple[int, int],
    geometry: Geometry,
    crop_pct: float,
    crop_mode: CropMode,
) -> tuple[int, int]:
    """Width and height that the whole image is resized to, before it is cut or padded."""
    if geometry == "squash":
        return size
    if geometry == "pad":
        return _inside(original, size)
    scaled = (_scaled(size[0], crop_pct), _scaled(size[1], crop_pct))
    if crop_mode == "squash":
        return scaled
    if crop_mode == "border":
        return _inside(original, scaled)
    width, height = original
    if scaled[0] == scaled[1]:
        # torchvision's Resize of the shorter side rounds the longer one down.
        short = min(original)
        longer = [
            scaled[0] if side == short else int(scaled[0] * side / short) for side in original
        ]
        return longer[0], longer[1]
    ratio = min(width / scaled[0], height / scaled[1])
    return round(width / ratio), round(height / ratio)


def _scaled(side: int, crop_pct: float) -> int:
    """The side whose share ``crop_pct`` is ``side``, rounded down as timm does.

    A preset that crops 192 of 231 pixels has crop_pct = 192 / 231, and 192
    divided by that is 230.99999999999997: a quotient within rounding of a
    whole number is that number.
    """
    return math.floor(side / crop_pct * (1 + 1e-12))


def _inside(original: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the original's aspect within ``size``."""
    ratio = max(original[0] / size[0], original[1] / size[1])
    return max(1, round(original[0] / ratio)), max(1, round(original[1] / ratio))


def _offset(resized: int, wanted: int) -> int:
    """Where the centre crop begins; negative where a border does."""
    if wanted > resized:
        return -((wanted - resized) // 2)
    return round((resized - wanted) / 2)
