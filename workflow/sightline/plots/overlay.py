"""Saliency maps laid over the images they explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from sightline.maps.align import resample

# How strongly the map covers the image where it is largest.
_OPACITY = 0.6
# How bright the parts are that a model does not see.
_DIM = 0.4


@dataclass(frozen=True)
class Overlay:
    """A scaled map (h, w) in [-1, 1], the part of the image it covers, a caption.

    One that is not usable (zero, or not finite) shows as a dark image.
    """

    scaled: np.ndarray
    box: np.ndarray
    caption: str
    usable: bool = True


def blend(
    image: Image.Image, overlay: Overlay, palette: str, size: tuple[int, int] = (224, 224)
) -> np.ndarray:
    """Colour an image by a map.

    Parameters
    ----------
    image
        Upright RGB original; all of it is shown, resized.
    overlay
        Negative values are shown as 0. Outside its box the image is dimmed.
    palette
        Colour map.
    size
        Height and width of the result.

    Returns
    -------
    ndarray
        uint8 (height, width, 3).
    """
    height, width = size
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(resized, np.float32) / 255
    if not overlay.usable:
        return _bytes(pixels * _DIM)
    whole = np.array([[0, 0, *image.size]], np.float64)
    box = overlay.box[None].astype(np.float64)
    shown = resample(np.maximum(overlay.scaled, 0)[None], box, whole, size)[0]
    colours = plt.get_cmap(palette)(shown)[..., :3]
    opacity = _OPACITY * np.clip(shown, 0, 1)[..., None] ** 0.5
    mixed = pixels * (1 - opacity) + colours * opacity
    across = (np.arange(width) + 0.5) * image.width / width
    down = (np.arange(height) + 0.5) * image.height / height
    x0, y0, x1, y1 = overlay.box
    inside = ((across >= x0) & (across < x1))[None, :] & ((down >= y0) & (down < y1))[:, None]
    return _bytes(np.where(inside[..., None], mixed, pixels * _DIM))


def _bytes(pixels: np.ndarray) -> np.ndarray:
    return np.asarray((pixels * 255).round().clip(0, 255), np.uint8)


def overlay_grid(
    images: Sequence[tuple[str, Image.Image]],
    overlays: Mapping[str, Sequence[Overlay]],
    palette: str,
    title: str,
) -> Figure:
    """A row an image, a column a model.

    Parameters
    ----------
    images
        Name and picture of each.
    overlays
        By model, one an image.
    palette, title
        Colour map and heading.
    """
    columns = len(overlays) + 1
    figure, grid = plt.subplots(
        len(images), columns, figsize=(1.6 * columns, 1.85 * len(images)), squeeze=False
    )
    for line, (name, image) in zip(grid, images, strict=True):
        for axes in line:
            axes.axis("off")
        line[0].imshow(image.resize((224, 224)))
        line[0].set_title(name, fontsize=6)
    for column, (model, of_model) in enumerate(overlays.items(), start=1):
        for row, overlay in enumerate(of_model):
            axes = grid[row, column]
            axes.imshow(blend(images[row][1], overlay, palette))
            axes.set_title(overlay.caption, fontsize=6, pad=2)
        head = grid[0, column]
        head.text(
            0.5, 1.22, model, transform=head.transAxes, ha="center", fontsize=7, weight="bold"
        )
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.04, hspace=0.22)
    inch = 1 / figure.get_size_inches()[1]
    figure.suptitle(title, fontsize=9, y=1 + 0.7 * inch)
    return figure
