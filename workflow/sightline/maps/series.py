"""The maps of one model and method over all ranges of a study, read by parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from itertools import zip_longest
from pathlib import Path

import numpy as np

from sightline.errors import SightlineError
from sightline.maps.store import MapSet, map_file, read_columns, restore

# What is known of each row.
_COLUMNS = (
    *("scale", "image_id", "role", "target", "explained", "predicted", "correct"),
    *("score", "confidence", "status", "box", "size"),
)


class MapSeries:
    """Rows of consecutive map files as one series; maps are read when asked for.

    Files are opened for each read and closed again: a study of a thousand
    models would run out of file descriptors.

    Parameters
    ----------
    files
        Map files of a model and method, in the order of their ranges.

    Attributes
    ----------
    shape
        Height and width of the maps as stored.
    attributes
        What the first file says of its making.
    scale, image_id, role, target, explained, predicted, correct, score, confidence, status, box,
    size
        As in a map file, of all rows.

    Raises
    ------
    SightlineError
        Where a file cannot be read, holds no maps or maps of another size.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = list(files)
        parts = []
        for path in self._files:
            with map_file(path) as file:
                shape: tuple[int, int] = file["maps"].shape[1:]
                parts.append(read_columns(file))
                attributes = dict(file.attrs)
            if path is self._files[0]:
                self.shape, self.attributes = shape, attributes
            if shape != self.shape:
                raise SightlineError(
                    f"{path} holds maps of {shape}, {self._files[0]} of {self.shape}. "
                    "Delete the older one and run again."
                )
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self.scale = columns["scale"]
        self.image_id, self.role = columns["image_id"], columns["role"]
        self.target, self.explained = columns["target"], columns["explained"]
        self.score, self.confidence = columns["score"], columns["confidence"]
        self.predicted, self.correct = columns["predicted"], columns["correct"]
        self.status, self.box, self.size = columns["status"], columns["box"], columns["size"]
        self._starts = np.cumsum([0, *(len(part["scale"]) for part in parts)])
        self._order: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scale)

    def rows(self) -> list[tuple[str, str]]:
        """The image id and role of each row."""
        return list(zip(self.image_id, self.role, strict=True))

    def ordered(self, order: np.ndarray) -> MapSeries:
        """The same series with its rows in another order, int (n,): places in this one."""
        found = copy(self)
        found._order = order if self._order is None else self._order[order]
        for name in _COLUMNS:
            setattr(found, name, getattr(self, name)[order])
        return found

    def stored(self, start: int, stop: int) -> np.ndarray:
        """Maps of some rows as stored, float16 (n, h, w): each divided by its scale."""
        stop = min(stop, len(self))
        if self._order is not None:
            return self._gathered(self._order[start:stop])
        parts = []
        for path, first, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            if first < stop and start < end:
                with map_file(path) as file:
                    parts.append(file["maps"][max(start - first, 0) : stop - first])
        return np.concatenate(parts) if parts else np.empty((0, *self.shape), np.float16)

    def _gathered(self, rows: np.ndarray) -> np.ndarray:
        """Maps of rows in any order, as stored."""
        return self._fill(np.empty((len(rows), *self.shape), np.float16), "maps", rows)

    def _fill(self, found: np.ndarray, name: str, rows: np.ndarray) -> np.ndarray:
        """A data set's rows, in any order, in the place of those of an array."""
        for path, first, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            here = np.flatnonzero((rows >= first) & (rows < end))
            if len(here):
                # HDF5 reads rows in the order of the file only.
                here = here[np.argsort(rows[here])]
                with map_file(path) as file:
                    found[here] = file[name][rows[here] - first]
        return found

    def regions(self, start: int, stop: int) -> np.ndarray | None:
        """Which part of what the model saw is altered, bool (n, H, W); None unless the files say.

        See `sightline.maps.store`.
        """
        with map_file(self._files[0]) as file:
            if "region" not in file:
                return None
            shape = file["region"].shape[1:]
        order = np.arange(len(self)) if self._order is None else self._order
        rows = order[start:stop]
        return self._fill(np.empty((len(rows), *shape), bool), "region", rows)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Maps of some rows, raw, float32 (n, h, w)."""
        return restore(self.stored(start, stop), self.scale[start:stop])

    def part(self, start: int, stop: int) -> MapSet:
        """Some rows with all that is known of them; attributes of the first file, no figures."""
        known = {name: getattr(self, name)[start:stop] for name in _COLUMNS if name != "scale"}
        return MapSet(
            maps=self.read(start, stop),
            figures={},
            attributes=self.attributes,
            region=self.regions(start, stop),
            **known,
        )

    def blocks(self, rows: int) -> Iterator[tuple[slice, np.ndarray]]:
        """All maps, raw, so many rows at a time, with the rows that they are."""
        for start in range(0, len(self), rows):
            part = slice(start, min(start + rows, len(self)))
            yield part, self.read(part.start, part.stop)


def in_one_order(series: Mapping[str, MapSeries]) -> dict[str, MapSeries]:
    """Series of the same rows, all in the order of the first.

    Roles lie between each other by ranges, which are not as long for each method.
    Series with other rows are left as they are, for whoever compares them to refuse.
    """
    first = next(iter(series.values())).rows()
    found = {}
    for name, one in series.items():
        place = {row: number for number, row in enumerate(one.rows())}
        differs = one.rows() != first and place.keys() == set(first)
        found[name] = one.ordered(np.array([place[row] for row in first])) if differs else one
    return found


def check_rows(series: Mapping[str, MapSeries]) -> None:
    """Refuse series that do not hold the same (image_id, role) rows in one order."""
    rows: list[tuple[str, str]] = []
    for name, one in series.items():
        own = one.rows()
        rows = rows or own
        if own != rows:
            odd = next(b or a for a, b in zip_longest(rows, own) if a != b)
            raise SightlineError(
                f"The maps of {name} are not of the images of {next(iter(series))}: {odd[0]!r} "
                f"({odd[1]}) is out of place, or missing. Delete the file and run again."
            )
