"""What explaining one image gives: the map, where it lies, and a picture that shows itself."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.images.geometry import Box
from sightline.maps.align import resample
from sightline.maps.scaling import scale_maps
from sightline.maps.store import OK, STATUS
from sightline.plots.overlay import Overlay, blend
from sightline.plots.panels import panel_size, side_by_side


def check_picture_file(path: Path) -> None:
    """Refuse a file whose ending names no format that a figure can be written in.

    Raises
    ------
    SightlineError
        Naming the usual endings.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    try:
        # What PIL knows it may not write, or not in colours.
        Image.new("RGB", (16, 16)).save(io.BytesIO(), kind or "")
    except (KeyError, OSError, ValueError) as error:
        raise SightlineError(
            f"{path}: no figure can be written with the ending {path.suffix!r}. Use .png, .jpg, "
            ".webp, .tif or .pdf."
        ) from error


@dataclass(frozen=True, repr=False, eq=False)
class Explained:
    """An image explained; at a notebook's prompt it shows itself.

    Attributes
    ----------
    map
        float32 (h, w), raw, at the method's own resolution.
    status
        ``ok``, ``zero`` (nothing speaks for the class) or ``non-finite``. A map
        that is not ok is kept as it is, and drawn as a dark image that says so.
    box
        x0, y0, x1, y1: the part of the image that the map covers, in its
        pixels. Beyond the image where that was padded.
    size
        Height and width of the image.
    target, class_name
        The output explained, and its name if the classes are known.
    probability
        Of that output.
    score, score_kind
        What the method explains, ``logit`` or ``probability``, and its value.
    model, method, settings
        What was run, with every setting filled in.
    layer
        The layer that was read, if the method reads one.
    figures
        Figures of the method by name, such as the completeness gap.
    image
        What is drawn: the upright picture, or the input tensor's colours.
    scaling
        How the map is made comparable before it is drawn.
    """

    map: np.ndarray
    status: str
    box: Box
    size: tuple[int, int]
    target: int
    class_name: str | None
    probability: float
    score: float
    score_kind: str
    model: str
    method: str
    settings: dict[str, Any]
    layer: str | None
    figures: dict[str, float]
    image: Image.Image = field(repr=False)
    scaling: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the explained output is called."""
        return f"output {self.target}" if self.class_name is None else self.class_name

    def on_image(self) -> np.ndarray:
        """The raw map at the image's own pixels, float32 (height, width).

        Bilinear between the map's positions; NaN where the model does not see
        the image.
        """
        height, width = self.size
        box, whole = np.array([self.box]), np.array([[0.0, 0.0, width, height]])
        found = resample(self.map[None], box, whole, self.size)[0]
        x0, y0, x1, y1 = self.box
        across, down = np.arange(width) + 0.5, np.arange(height) + 0.5
        seen = ((down >= y0) & (down < y1))[:, None] & ((across >= x0) & (across < x1))
        return np.where(seen, found, np.float32(np.nan))

    def overlay(self, palette: str = "turbo", side: int = 448) -> Image.Image:
        """The image coloured by the map; its longer side takes ``side`` pixels.

        Parts that the model does not see are dark, and all of it is where the
        map is not ok.
        """
        size = panel_size(self.image, side)
        return Image.fromarray(blend(self.image, self._overlay(), palette, size))

    def figure(self, palette: str = "turbo", side: int = 448) -> Image.Image:
        """The image, beside it the overlay, below them what was explained."""
        return side_by_side(self.image, self._overlay(), palette, side)

    def save(self, path: str | Path) -> None:
        """Write the figure; the file's ending decides the format."""
        check_picture_file(Path(path))
        with replacing(Path(path)) as temporary:
            self.figure().save(temporary)

    def _overlay(self) -> Overlay:
        usable = self.status == STATUS[OK]
        scaled = scale_maps(self.map[None], self.scaling)[0] if usable else self.map
        return Overlay(scaled, np.array(self.box, np.float32), self._caption(), usable)

    def _caption(self) -> str:
        note = "" if self.status == STATUS[OK] else f", {self.status} map"
        return f"{self.name} ({self.probability:.1%}), {self.method} of {self.model}{note}"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure().save(buffer, "png")
        return buffer.getvalue()

    def __repr__(self) -> str:
        rows, columns = self.map.shape
        height, width = self.size
        number = "" if self.class_name is None else f" (output {self.target})"
        box = ", ".join(f"{edge:g}" for edge in self.box)
        lines = [
            f"{self.method} of {self.model}: {self.name}{number}, "
            f"probability {self.probability:.1%}, {self.score_kind} {self.score:.4g}",
            f"map {rows} x {columns}, {self.status}, over ({box}) of an image "
            f"{width} pixels wide, {height} high",
            *([f"layer {self.layer}"] if self.layer else []),
            *(f"{name} {value:.4g}" for name, value in self.figures.items()),
        ]
        return "\n  ".join(lines)
