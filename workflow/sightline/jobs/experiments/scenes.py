"""Pictures and objects of a study's images, looked up by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from PIL import Image

from sightline.errors import SightlineError
from sightline.images.objects import Region
from sightline.images.shards import ImageRow, Shard


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
        for path in shards:
            with Shard(path) as shard:
                self._images.update({row.image_id: (path, row) for row in shard.images})

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
        return self._shard(path).regions(row)

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
