"""Pictures and objects of a study's images, looked up by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from sightline.errors import SightlineError
from sightline.images.geometry import Box
from sightline.images.labels import object_label
from sightline.images.shards import ImageRow, ObjectRow, Shard


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


class Scenes:
    """Reads shards by image; use it as a context.

    One shard is open at a time: ask for images in their order.

    Parameters
    ----------
    shards
        Of the study.
    """

    def __init__(self, shards: Sequence[Path]) -> None:
        self._open: Shard | None = None
        self._images: dict[str, tuple[Path, ImageRow]] = {}
        self._objects: dict[str, list[ObjectRow]] = {}
        for path in shards:
            with Shard(path) as shard:
                self._images.update({row.image_id: (path, row) for row in shard.images})
                for one in shard.objects:
                    self._objects.setdefault(one.image_id, []).append(one)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._open is not None:
            self._open.__exit__()

    def label(self, image_id: str) -> str:
        """The image's class, or empty."""
        return self._row(image_id)[1].label

    def picture(self, image_id: str) -> Image.Image:
        """The upright RGB image."""
        path, row = self._row(image_id)
        return self._shard(path).image(row)

    def regions(self, image_id: str) -> list[Region]:
        """Its objects."""
        path, row = self._row(image_id)
        found = []
        for one in self._objects.get(image_id, []):
            mask = self._shard(path).mask(one)
            label = object_label(one.label, row.label)
            found.append(Region(label, _box(one, mask), mask))
        return found

    def _row(self, image_id: str) -> tuple[Path, ImageRow]:
        if image_id not in self._images:
            raise SightlineError(
                f"The image shards lack {image_id!r}, whose maps there are. Give the shards that "
                "hold all images of the maps."
            )
        return self._images[image_id]

    def _shard(self, path: Path) -> Shard:
        if self._open is None or self._open.path != path:
            self.__exit__()
            self._open = Shard(path)
        return self._open


def _box(one: ObjectRow, mask: np.ndarray | None) -> Box | None:
    if one.x0 is not None and one.y0 is not None and one.x1 is not None and one.y1 is not None:
        return one.x0, one.y0, one.x1, one.y1
    if mask is None or not mask.any():
        return None
    rows, columns = np.nonzero(mask)
    return (
        *(float(columns.min()), float(rows.min())),
        *(float(columns.max() + 1), float(rows.max() + 1)),
    )
