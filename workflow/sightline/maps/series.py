"""The maps of one model and method over all ranges of a study, read by parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sightline.errors import SightlineError
from sightline.maps.store import map_file, read_columns, restore


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
    scale, image_id, role, target, predicted, correct, score, status, box, size
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
            if path is self._files[0]:
                self.shape = shape
            if shape != self.shape:
                raise SightlineError(
                    f"{path} holds maps of {shape}, {self._files[0]} of {self.shape}. "
                    "Delete the older one and run again."
                )
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self.scale = columns["scale"]
        self.image_id, self.role = columns["image_id"], columns["role"]
        self.target, self.score = columns["target"], columns["score"]
        self.predicted, self.correct = columns["predicted"], columns["correct"]
        self.status, self.box, self.size = columns["status"], columns["box"], columns["size"]
        self._starts = np.cumsum([0, *(len(part["scale"]) for part in parts)])

    def __len__(self) -> int:
        return len(self.scale)

    def stored(self, start: int, stop: int) -> np.ndarray:
        """Maps of some rows as stored, float16 (n, h, w): each divided by its scale."""
        stop = min(stop, len(self))
        parts = []
        for path, first, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            if first < stop and start < end:
                with map_file(path) as file:
                    parts.append(file["maps"][max(start - first, 0) : stop - first])
        return np.concatenate(parts) if parts else np.empty((0, *self.shape), np.float16)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Maps of some rows, raw, float32 (n, h, w)."""
        return restore(self.stored(start, stop), self.scale[start:stop])

    def blocks(self, rows: int) -> Iterator[tuple[slice, np.ndarray]]:
        """All maps, raw, so many rows at a time, with the rows that they are."""
        for start in range(0, len(self), rows):
            part = slice(start, min(start + rows, len(self)))
            yield part, self.read(part.start, part.stop)
