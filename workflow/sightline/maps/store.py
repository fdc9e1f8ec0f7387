"""The map file: the one writer, the one reader.

An HDF5 file holds the maps of one (variant, model, method, range), a row each
(image, role):

    maps      [n, h, w] float16   map / max|map|, in chunks of one map, compressed, checksummed
    scale     [n] float32         max|map|, so that map = maps * scale
    image_id  [n] str             role  [n] str       of the row
    target    [n] int32           the output explained
    explained [n] str             its class: a name, or the output's number
    predicted [n] str             the class that the model answers: its name, or its number
    correct   [n] int8            whether that is the image's label; -1 where it is not known
    score     [n] float32         the explained output's score on the image
    confidence [n] float32        and its probability
    status    [n] uint8           0 ok, 1 zero, 2 non-finite
    box       [n, 4] float32      x0, y0, x1, y1: part of the original shown, in its pixels
    size      [n, 2] int32        height and width of the original
    figures/  [n] float64         figures of the method, by name
    shown     [m, H, W, 3] uint8  of a variant: what the model saw on the first m rows
    region    [n, H, W] bool      of a variant that alters a part of what the model sees: which

All is under a checksum (`sightline.sealed`).

Attributes: schema, and the specifications, digests, seed, versions and device
it was made with. Raw CAMs peak anywhere from 1e-6 to 1e3; without the scale
float16 would lose them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sightline.sealed import SealedFile, sealed_reader, sealed_writer

SCHEMA = 3
OK, ZERO, NON_FINITE = 0, 1, 2
STATUS = {OK: "ok", ZERO: "zero", NON_FINITE: "non-finite"}

_TEXT = h5py.string_dtype()
_ROWS: dict[str, tuple[tuple[int, ...], Any]] = {
    "scale": ((), np.float32),
    "image_id": ((), _TEXT),
    "role": ((), _TEXT),
    "target": ((), np.int32),
    "explained": ((), _TEXT),
    "predicted": ((), _TEXT),
    "correct": ((), np.int8),
    "score": ((), np.float32),
    "confidence": ((), np.float32),
    "status": ((), np.uint8),
    "box": ((4,), np.float32),
    "size": ((2,), np.int32),
}


@dataclass(frozen=True)
class MapSet:
    """Maps as read from a file, raw values restored.

    Attributes
    ----------
    maps
        float32 (n, h, w). Those whose status is not ok hold zeros.
    image_id, role, target, explained, predicted, correct, score, confidence, status, box, size
        As in the file.
    figures
        Figures of the method by name.
    attributes
        What the file says of its making.
    region
        Of some variants, bool (n, H, W): the part of what the model sees that is altered.
    """

    maps: np.ndarray
    image_id: np.ndarray
    role: np.ndarray
    target: np.ndarray
    explained: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray
    score: np.ndarray
    confidence: np.ndarray
    status: np.ndarray
    box: np.ndarray
    size: np.ndarray
    figures: dict[str, np.ndarray]
    attributes: dict[str, Any]
    region: np.ndarray | None = None


@contextmanager
def map_writer(
    path: Path, rows: int, attributes: Mapping[str, str | int | float]
) -> Iterator[MapWriter]:
    """Write a map file; it is complete or absent.

    Parameters
    ----------
    path
        The file.
    rows
        How many rows there will be; fewer is an error.
    attributes
        What the maps are made with.
    """
    with sealed_writer(path, SCHEMA) as file:
        file.attrs.update(attributes)
        writer = MapWriter(file, rows)
        yield writer
        if writer.written != rows:
            raise ValueError(f"{path}: expected {rows} maps, got {writer.written}")


class MapWriter:
    """Appends rows to an open map file, see `map_writer`."""

    def __init__(self, file: SealedFile, rows: int) -> None:
        self._file = file
        self._rows = rows
        self.written = 0

    def append(
        self, maps: np.ndarray, figures: Mapping[str, np.ndarray], **columns: np.ndarray | list[str]
    ) -> None:
        """Add rows.

        Parameters
        ----------
        maps
            float32 (m, h, w), raw.
        figures
            (m,) each.
        columns
            ``image_id``, ``role``, ``target``, ``explained``, ``predicted``, ``correct``,
            ``score``, ``confidence``, ``box``, ``size``.

        Raises
        ------
        OSError
            Where there is no space left, of which `map_writer` makes a message.
        """
        stored, scale, status = encode(maps)
        values = {"scale": scale, "status": status, **columns}
        if values.keys() != _ROWS.keys():
            raise ValueError(f"expected the columns {sorted(_ROWS)}, got {sorted(values)}")
        if not self.written:
            self._create(maps.shape[1:], figures)
        rows = slice(self.written, self.written + len(maps))
        self._file["maps"][rows] = stored
        for name, value in values.items():
            # h5py takes no numpy array of fixed-length strings.
            text = _ROWS[name][1] is _TEXT
            self._file[name][rows] = np.asarray(value, object) if text else value
        for name, value in figures.items():
            self._file["figures"][name][rows] = value
        self.written = rows.stop
        self._file.check()

    def region(self, altered: np.ndarray) -> None:
        """Say of the rows that are appended next which part is altered, bool (m, H, W)."""
        if "region" not in self._file:
            self._file.create_dataset(
                "region",
                (self._rows, *altered.shape[1:]),
                bool,
                chunks=(1, *altered.shape[1:]),
                compression="gzip",
                fletcher32=True,
            )
        self._file["region"][self.written : self.written + len(altered)] = altered

    def pictures(self, shown: np.ndarray) -> None:
        """Keep what the model saw on the first rows, uint8 (m, H, W, 3)."""
        self._file.create_dataset(
            "shown",
            data=shown,
            chunks=(1, *shown.shape[1:]),
            compression="gzip",
            fletcher32=True,
        )

    def _create(self, shape: tuple[int, ...], figures: Mapping[str, np.ndarray]) -> None:
        self._file.create_dataset(
            "maps",
            (self._rows, *shape),
            np.float16,
            chunks=(1, *shape),
            compression="gzip",
            shuffle=True,
            fletcher32=True,
        )
        for name, (inner, kind) in _ROWS.items():
            # HDF5 cannot checksum strings of variable length.
            chunks = None if kind is _TEXT else (self._rows, *inner)
            self._file.create_dataset(
                name, (self._rows, *inner), kind, chunks=chunks, fletcher32=chunks is not None
            )
        group = self._file.create_group("figures")
        for name in figures:
            group.create_dataset(
                name, (self._rows,), np.float64, chunks=(self._rows,), fletcher32=True
            )


def encode(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw maps (n, h, w) to what is stored: float16 maps, scale, status."""
    finite = np.isfinite(maps).all(axis=(1, 2))
    known = np.where(finite[:, None, None], maps, 0).astype(np.float32)
    scale = np.abs(known).max(axis=(1, 2))
    # Subnormal peaks would overflow the division and hold no precision anyway.
    zero = scale < np.finfo(np.float32).tiny
    scale = np.where(zero, 0, scale).astype(np.float32)
    divisor = np.where(zero, 1, scale)[:, None, None]
    stored = np.where(zero[:, None, None], 0, known / divisor).astype(np.float16)
    status = np.where(finite, np.where(zero, ZERO, OK), NON_FINITE).astype(np.uint8)
    return stored, scale, status


def restore(stored: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Raw maps (n, h, w), float32, from what is stored."""
    return stored.astype(np.float32) * scale[:, None, None]


def map_file(path: Path) -> AbstractContextManager[h5py.File]:
    """A map file, open for reading.

    Raises
    ------
    SightlineError
        Where it is missing, damaged or of another schema.
    """
    return sealed_reader(path, SCHEMA)


def read_columns(file: h5py.File) -> dict[str, np.ndarray]:
    """All that a map file says of its rows, by name."""
    return {
        name: file[name].asstr()[:] if kind is _TEXT else file[name][:]
        for name, (_, kind) in _ROWS.items()
    }


def read_maps(path: Path) -> MapSet:
    """Read a map file whole.

    Raises
    ------
    SightlineError
        As for `map_file`.
    """
    with map_file(path) as file:
        columns = read_columns(file)
        return MapSet(
            maps=restore(file["maps"][:], columns.pop("scale")),
            figures={name: values[:] for name, values in file["figures"].items()},
            attributes=dict(file.attrs),
            region=file["region"][:] if "region" in file else None,
            **columns,
        )
