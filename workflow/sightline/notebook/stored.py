"""The map files of a study by what they hold, opened when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from sightline.errors import SightlineError
from sightline.maps.series import MapSeries
from sightline.study.ranges import parse_range
from sightline.study.record import StudyRecord

# Maps read at a time, and files whose columns are remembered.
_BLOCK, _REMEMBERED = 128, 256

Use = Callable[[np.ndarray, MapSeries, np.ndarray], np.ndarray]


class StoredMaps:
    """Maps of a study's models and methods, by the positions of its images.

    Parameters
    ----------
    results
        The study's folder.
    record
        What the study is.
    image_ids
        Its images in order.
    """

    def __init__(self, results: Path, record: StudyRecord, image_ids: Sequence[str]) -> None:
        self._results = results
        self._record = record
        self._image_ids = list(image_ids)
        # For itself: a cache on the class would keep every study that was opened.
        self._file = lru_cache(maxsize=_REMEMBERED)(self._open)

    def files(self, model: str, method: str) -> list[Path]:
        """Map files of a model and method, in the order of the images.

        Raises
        ------
        SightlineError
            Where one is missing.
        """
        ranges = self._record.methods[method]["ranges"]
        return [self._path(model, method, name) for name in ranges]

    def gather(
        self,
        model: str,
        method: str,
        role: str,
        positions: np.ndarray,
        shape: tuple[int, ...],
        use: Use,
    ) -> np.ndarray:
        """Maps of some images; no file but those that hold them is opened.

        Parameters
        ----------
        model, method, role
            Whose.
        positions
            (n,) of images, in any order.
        shape
            Of what ``use`` returns for a map.
        use
            From raw maps (m, h, w), the series they are of and their rows there, to
            what is wanted of them, (m, ...).
        """
        out = np.empty((len(positions), *shape), np.float32)
        for name in self._record.methods[method]["ranges"]:
            held = parse_range(name)
            here = np.flatnonzero((positions >= held.start) & (positions < held.stop))
            if not len(here):
                continue
            series, row_of = self._file(model, method, name)
            rows = np.array([self._row(row_of, position, role) for position in positions[here]])
            order = np.argsort(rows, kind="stable")
            for part in _runs(rows[order]):
                chosen = order[part]
                run = rows[chosen]
                maps = series.read(int(run[0]), int(run[-1]) + 1)[run - run[0]]
                out[here[chosen]] = use(maps, series, run)
        return out

    def _row(self, row_of: dict[tuple[str, str], int], position: int, role: str) -> int:
        image_id = self._image_ids[position]
        if (image_id, role) not in row_of:
            raise SightlineError(
                f"A map file of the study holds no map of {image_id} for {role}: its images have "
                "changed since. Run the study again."
            )
        return row_of[image_id, role]

    def _open(
        self, model: str, method: str, name: str
    ) -> tuple[MapSeries, dict[tuple[str, str], int]]:
        series = MapSeries([self._path(model, method, name)])
        rows = zip(series.image_id, series.role, strict=True)
        return series, {row: number for number, row in enumerate(rows)}

    def _path(self, model: str, method: str, name: str) -> Path:
        path = self._results / "maps" / "original" / model / method / f"{name}.h5"
        if not path.is_file():
            raise SightlineError(
                f"The maps of {model} under {method} for images {name} are not there ({path}): "
                "the study has not run to its end. Run it again; it goes on where it stopped."
            )
        return path


def _runs(rows: np.ndarray) -> list[slice]:
    """Parts of increasing rows that lie near one another, none too long."""
    breaks = np.flatnonzero(np.diff(rows) > 1) + 1
    bounds = sorted({0, len(rows), *breaks.tolist(), *range(0, len(rows), _BLOCK)})
    return [slice(start, stop) for start, stop in pairwise(bounds)]
