"""Images and maps before and after something was altered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from sightline.plots.overlay import Overlay, blend


@dataclass(frozen=True)
class Shown:
    """An image as a model is shown it, its map, and what the model answers."""

    image: Image.Image
    overlay: Overlay
    answer: str


def before_after(
    rows: Sequence[tuple[str, Sequence[Shown]]], columns: Sequence[str], palette: str, title: str
) -> Figure:
    """A row an image and model; for each column the image, and its map over it.

    Parameters
    ----------
    rows
        Name of each, and what it shows in each column.
    columns
        What was altered.
    palette, title
        Colour map and heading.
    """
    across = 2 * len(columns)
    figure, grid = plt.subplots(
        len(rows), across, figsize=(1.3 * across, 1.5 * len(rows)), squeeze=False
    )
    for line, (name, shown) in zip(grid, rows, strict=True):
        for axes in line:
            axes.axis("off")
        _beside(line[0], name)
        for column, one in enumerate(shown):
            picture, mapped = line[2 * column], line[2 * column + 1]
            picture.imshow(np.asarray(one.image.resize((224, 224), Image.Resampling.NEAREST)))
            mapped.imshow(blend(one.image, one.overlay, palette))
            picture.set_title(one.answer, fontsize=6, pad=2)
            mapped.set_title(one.overlay.caption, fontsize=6, pad=2)
    for column, name in enumerate(columns):
        head = grid[0, 2 * column]
        head.text(
            1.02, 1.16, name, transform=head.transAxes, ha="center", fontsize=7, weight="bold"
        )
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.04, hspace=0.2)
    inch = 1 / figure.get_size_inches()[1]
    figure.suptitle(title, fontsize=9, y=1 + 0.5 * inch)
    return figure


def _beside(axes: Axes, name: str) -> None:
    place = axes.transAxes
    axes.text(-0.06, 0.5, name, transform=place, rotation=90, ha="right", va="center", fontsize=6)
