"""Bring an image to a model's input size, and say which part of it is shown."""

from __future__ import annotations

from typing import Literal

from PIL import Image

Geometry = Literal["squash", "model"]
Box = tuple[float, float, float, float]

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
) -> tuple[Image.Image, Box]:
    """Resize and crop an image as a model wants it.

    Parameters
    ----------
    image
        Upright RGB.
    size
        Height and width of the result.
    geometry
        ``squash`` resizes the whole image, changing its aspect. ``model``
        resizes the shorter side to size / crop_pct and crops the centre, as
        timm and torchvision evaluate.
    interpolation
        One of `INTERPOLATIONS`, with antialiasing.
    crop_pct
        Share of the shorter side that the crop keeps.

    Returns
    -------
    image : Image
        Of ``size``.
    box : tuple of float
        x0, y0, x1, y1: the part of ``image`` shown, in its pixels.
    """
    resample = INTERPOLATIONS[interpolation]
    height, width = size
    if geometry == "squash":
        return image.resize((width, height), resample), (0.0, 0.0, image.width, image.height)
    # torchvision's Resize of the shorter side, then CenterCrop.
    if height == width:
        short = int(height / crop_pct)
        resized = tuple(
            short if side == min(image.size) else int(short * side / min(image.size))
            for side in image.size
        )
    else:
        target = (int(width / crop_pct), int(height / crop_pct))
        ratio = min(image.width / target[0], image.height / target[1])
        resized = (round(image.width / ratio), round(image.height / ratio))
    left, top = round((resized[0] - width) / 2), round((resized[1] - height) / 2)
    shown = image.resize((resized[0], resized[1]), resample)
    across, down = image.width / resized[0], image.height / resized[1]
    box = (left * across, top * down, (left + width) * across, (top + height) * down)
    return shown.crop((left, top, left + width, top + height)), box
