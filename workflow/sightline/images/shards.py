"""A shard: the images of one range with all that is known of them, in one file.

A shard is an uncompressed ZIP file, so that a job reads one file wherever it
lies, any tool opens it, and damage is found (each member has a checksum):

    images.csv      a row an image: image_id, label, width, height, sha256, file, source
    objects.csv     a row an object: image_id, label, x0, y0, x1, y1, mask
    images/...      the image files, byte for byte
    masks/...       PNG, one an object that has a mask

Sizes and boxes are those of the upright image (EXIF orientation applied).
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from sightline.errors import DamagedError, SightlineError
from sightline.files import replacing
from sightline.images.decode import decode
from sightline.images.geometry import Box
from sightline.images.labels import object_label
from sightline.images.objects import Region, mask_bounds

_NO_BOX = (None, None, None, None)
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ImageRow:
    """An image of a shard: id, class (or empty), upright size, digest, files."""

    image_id: str
    label: str
    width: int
    height: int
    sha256: str
    file: str
    source: str


@dataclass(frozen=True)
class ObjectRow:
    """An object on an image: its class, box in pixels (half-open), mask's file."""

    image_id: str
    label: str
    x0: float | None
    y0: float | None
    x1: float | None
    y1: float | None
    mask: str = ""

    @property
    def box(self) -> Box | None:
        """Its edges, where they are known."""
        x0, y0, x1, y1 = self.x0, self.y0, self.x1, self.y1
        if x0 is None or y0 is None or x1 is None or y1 is None:
            return None
        return x0, y0, x1, y1


@dataclass(frozen=True)
class Entry:
    """What a source gives for one image, to be put into a shard."""

    image_id: str
    label: str
    data: bytes
    source: str
    objects: tuple[tuple[str, Box | None, np.ndarray | None], ...] = ()


def write_shard(path: Path, entries: Iterable[Entry]) -> None:
    """Write a shard; it is complete or absent.

    Raises
    ------
    SightlineError
        For an image that cannot be decoded, or a mask of another size.
    """
    images, objects = [], []
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for position, entry in enumerate(entries):
            image = decode(entry.data, entry.source)
            suffix = Path(entry.source).suffix.lower() or ".png"
            row = ImageRow(
                image_id=entry.image_id,
                label=entry.label,
                width=image.width,
                height=image.height,
                sha256=hashlib.sha256(entry.data).hexdigest(),
                file=f"images/{position:06d}{suffix}",
                source=entry.source,
            )
            images.append(row)
            _add(archive, row.file, entry.data)
            for number, (label, box, mask) in enumerate(entry.objects):
                file = ""
                if mask is not None:
                    if mask.shape != (image.height, image.width):
                        raise SightlineError(
                            f"The mask of {entry.image_id} is {mask.shape[1]}x{mask.shape[0]}, "
                            f"its image {image.width}x{image.height}. They must be of one size."
                        )
                    file = f"masks/{position:06d}-{number}.png"
                    _add(archive, file, png(mask.astype(np.uint8) * 255))
                x0, y0, x1, y1 = box or _NO_BOX
                objects.append(ObjectRow(entry.image_id, label, x0, y0, x1, y1, file))
        _add(archive, "images.csv", _table(ImageRow, images))
        _add(archive, "objects.csv", _table(ObjectRow, objects))


class Shard:
    """Reads a shard; use it as a context.

    Raises
    ------
    SightlineError
        Where it is missing or cannot be read.
    DamagedError
        Where it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
            self.images = [_image_row(row) for row in self._rows("images.csv")]
            self.objects = [_object_row(row) for row in self._rows("objects.csv")]
        except (zipfile.BadZipFile, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from error
        except OSError as error:
            # What says where the files of an archive begin may say before its beginning.
            if error.errno == errno.EINVAL:
                raise self._damaged(error) from error
            raise SightlineError(f"{path} cannot be read: {error.strerror}.") from error
        self._objects_of: dict[str, list[ObjectRow]] = {}
        for one in self.objects:
            self._objects_of.setdefault(one.image_id, []).append(one)

    def _damaged(self, error: Exception) -> DamagedError:
        return DamagedError(
            f"{self.path} is no complete image shard: {error}. Delete it and run again."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._archive.close()

    def __len__(self) -> int:
        return len(self.images)

    def image(self, row: ImageRow) -> Image.Image:
        """The upright RGB image of a row."""
        return decode(self.read(row.file), row.source)

    def mask(self, row: ObjectRow) -> np.ndarray | None:
        """The object's mask, bool (height, width), or None."""
        if not row.mask:
            return None
        return np.asarray(Image.open(io.BytesIO(self.read(row.mask)))) > 0

    def regions(self, row: ImageRow) -> list[Region]:
        """Where the objects of a row are, with the masks of those that have one."""
        found = []
        for one in self._objects_of.get(row.image_id, ()):
            mask = self.mask(one)
            box = one.box if one.box or mask is None else mask_bounds(mask)
            found.append(Region(object_label(one.label, row.label), box, mask))
        return found

    def _rows(self, name: str) -> Iterator[dict[str, str]]:
        return csv.DictReader(io.StringIO(self.read(name).decode()))

    def read(self, name: str) -> bytes:
        """A file of the shard, held against its digest."""
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, KeyError, EOFError) as error:
            # By where the damage is: a digest, the member's flags, its name, its length.
            raise DamagedError(
                f"{self.path} is damaged at {name}: {error}. Delete it and run again."
            ) from error


def png(pixels: np.ndarray) -> bytes:
    """8-bit pixels (height, width[, 3]) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _image_row(row: dict[str, str]) -> ImageRow:
    values: dict[str, Any] = row | {key: int(row[key]) for key in ("width", "height")}
    return ImageRow(**values)


def _object_row(row: dict[str, str]) -> ObjectRow:
    box = {key: float(row[key]) if row[key] else None for key in ("x0", "y0", "x1", "y1")}
    return ObjectRow(row["image_id"], row["label"], mask=row["mask"], **box)


def _table(kind: type, rows: list[Any]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(kind)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue().encode()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
