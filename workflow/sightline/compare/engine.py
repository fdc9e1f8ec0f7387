"""Compare the maps of all models with each other, in bounded memory.

Images go by in blocks. Models that cover the same part of every image are a
group: a pair of groups has one part in common, onto which maps are resampled
once, and one matrix of all pairs for each image. Models are taken in tiles that
fit in memory; as a rule there is one, and each map is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import cast

import h5py
import numpy as np
import pandas as pd

from sightline.compare.measures.protocol import CountsModule, ResolvedMeasure
from sightline.compare.ordering import pair_count, pair_rows
from sightline.compare.statistics import IMAGES, SCHEMA, create_statistics
from sightline.maps.align import intersect, resample
from sightline.maps.scaling import scale_maps
from sightline.maps.series import MapSeries, check_rows
from sightline.maps.store import OK, restore
from sightline.sealed import SealedFile, sealed_writer

# Bytes of maps on the grid that are compared at a time, of one measure.
_COMPARED = 2**27
# Bytes of maps as stored, and of results, that are held of a block of images.
_HELD = 2**28


@dataclass(frozen=True)
class CompareSettings:
    """How maps are compared.

    Attributes
    ----------
    grid
        Maps are resampled to grid x grid.
    measures
        By id.
    scaling
        Steps of `sightline.maps.scaling` for each series; one for all under ``""``.
    """

    grid: int
    measures: Mapping[str, ResolvedMeasure]
    scaling: Mapping[str, tuple[str, ...]]

    def scale(self, maps: np.ndarray, name: str) -> np.ndarray:
        """Raw maps of a series, scaled."""
        return scale_maps(maps, self.scaling.get(name, self.scaling.get("", ())))


def compare_maps(
    files: Mapping[str, Sequence[Path]], settings: CompareSettings, output: Path
) -> None:
    """Write the statistics of all pairs of models, from each one's map files.

    The rest is as for `compare_series`.
    """
    compare_series({name: MapSeries(paths) for name, paths in files.items()}, settings, output)


def compare_series(
    series: Mapping[str, MapSeries], settings: CompareSettings, output: Path
) -> None:
    """Write the statistics of all pairs of series of maps.

    Parameters
    ----------
    series
        Of each model's id, over the same images. (Or of each method's id, by one
        model: what is said of models here holds for any series.)
    settings
        How.
    output
        A statistics file, see `sightline.compare.statistics`.

    Raises
    ------
    SightlineError
        Where the series do not hold the same rows.
    """
    check_rows(series)
    with sealed_writer(output, SCHEMA) as file:
        _Comparison(series, settings, file).run()


class _Comparison:
    """One run of `compare_maps`."""

    def __init__(
        self, series: Mapping[str, MapSeries], settings: CompareSettings, file: SealedFile
    ) -> None:
        self.names = list(series)
        self.series = list(series.values())
        self.settings = settings
        self.file = file
        self.images = len(self.series[0])
        boxes = [one.box.tobytes() for one in self.series]
        places = {box: place for place, box in enumerate(dict.fromkeys(boxes))}
        self.group = np.array([places[box] for box in boxes], np.int32)
        shape = (len(self.series), len(places), self.images)
        self.shows = np.zeros(shape, bool)
        self.above = {
            name: np.zeros((*shape, measure.cuts), np.uint32)
            for name, measure in settings.measures.items()
            if measure.entry.counts
        }
        fitting = max(1, _COMPARED // (4 * settings.grid**2))
        everyone = np.arange(len(self.series))
        self.tiles = [everyone[at : at + fitting] for at in range(0, len(everyone), fitting)]

    @property
    def block(self) -> int:
        """Images whose maps, as stored, and results are held at a time."""
        largest = max(int(np.prod(one.shape)) for one in self.series)
        stored = 2 * 2 * largest * max(map(len, self.tiles))
        results = sum(
            4 * pair_count(len(self.series)) * max(1, measure.cuts**2)
            for measure in self.settings.measures.values()
        )
        return int(np.clip(_HELD // (stored + results), 1, IMAGES))

    def run(self) -> None:
        create_statistics(
            self.file,
            self.settings.measures,
            pairs=pair_count(len(self.series)),
            images=self.images,
            pixels=self.settings.grid**2,
            chunk=self.block,
        )
        for start in range(0, self.images, self.block):
            self._compare_block(slice(start, min(start + self.block, self.images)))
            self.file.check()
        self._write_rows()

    def _write_rows(self) -> None:
        first = self.series[0]
        text = h5py.string_dtype()
        for name, strings in (
            ("model", self.names), ("image_id", first.image_id), ("role", first.role)
        ):  # fmt: skip
            self.file.create_dataset(name, data=np.array(strings, object), dtype=text)
        codes, _ = pd.factorize(np.concatenate([one.predicted for one in self.series]))
        columns = {
            "target": np.stack([one.target for one in self.series]),
            "predicted": codes.reshape(len(self.series), -1).astype(np.int32),
            "correct": np.stack([one.correct for one in self.series]),
            "status": np.stack([one.status for one in self.series]),
            "group": self.group,
            "shows": self.shows,
            **{f"above/{name}": values for name, values in self.above.items()},
        }
        self.file.require_group("above")
        for name, values in columns.items():
            options = {"compression": "gzip", "fletcher32": True} if values.size else {}
            self.file.create_dataset(name, data=values, **options)

    def _compare_block(self, block: slice) -> None:
        data = {name: self.file["statistic"][name] for name in self.settings.measures}
        results = {
            name: np.full((block.stop - block.start, one.shape[0], *one.shape[2:]), _empty(one))
            for name, one in data.items()
        }
        for i, tile in enumerate(self.tiles):
            one = self._stored(tile, block)
            for j, further in enumerate(self.tiles[i:], start=i):
                other = one if i == j else self._stored(further, block)
                for first, second in self._groups(tile, further):
                    stored = [one[model] for model in first], [other[model] for model in second]
                    self._compare_groups((first, second), stored, block, results)
        for name, values in results.items():
            for at in range(0, values.shape[1], 2**16):
                part = slice(at, at + 2**16)
                data[name][part, block] = np.moveaxis(values[:, part], 0, 1)

    def _stored(self, tile: np.ndarray, block: slice) -> dict[int, np.ndarray]:
        return {model: self.series[model].stored(block.start, block.stop) for model in tile}

    def _groups(
        self, tile: np.ndarray, other: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pairs of groups of models of two tiles; of one tile, each pair once."""
        first, second = (
            [one[self.group[one] == group] for group in np.unique(self.group[one])]
            for one in (tile, other)
        )
        yield from (
            combinations_with_replacement(first, 2) if tile is other else product(first, second)
        )

    def _compare_groups(
        self,
        groups: tuple[np.ndarray, np.ndarray],
        stored: tuple[list[np.ndarray], list[np.ndarray]],
        block: slice,
        results: dict[str, np.ndarray],
    ) -> None:
        """All pairs of two groups of models, on the part of the image that both show."""
        itself = groups[0] is groups[1]
        count = len(groups[0]) + (0 if itself else len(groups[1]))
        step = max(1, _COMPARED // (4 * count * self.settings.grid**2))
        for start in range(block.start, block.stop, step):
            rows = slice(start, min(start + step, block.stop))
            within = slice(rows.start - block.start, rows.stop - block.start)
            first, meets = self._on_grid(groups, 0, stored[0], rows, within)
            second = first if itself else self._on_grid(groups, 1, stored[1], rows, within)[0]
            shows = [self._note_shown(groups, side, maps, rows, meets)
                     for side, maps in enumerate((first, second))]  # fmt: skip
            self._measure(groups, (first, second), rows, within, shows, results)

    def _on_grid(
        self,
        groups: tuple[np.ndarray, np.ndarray],
        side: int,
        stored: list[np.ndarray],
        rows: slice,
        within: slice,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Maps of one of two groups, float32 (images, models, grid, grid), on the part that both
        show, and whether there is one.
        """
        boxes = [self.series[group[0]].box[rows] for group in groups]
        # A padded model's box reaches beyond the image: nothing is to be seen there.
        onto = intersect(intersect(*boxes), _whole(self.series[groups[0][0]].size[rows]))
        meets = (onto[:, 2] > onto[:, 0]) & (onto[:, 3] > onto[:, 1])
        # Where nothing is shared any part will do: the row is not used.
        onto = np.where(meets[:, None], onto, boxes[side])
        grid = self.settings.grid
        maps = np.empty((len(onto), len(stored), grid, grid), np.float32)
        for place, model in enumerate(groups[side]):
            raw = restore(stored[place][within], self.series[model].scale[rows])
            scaled = self.settings.scale(raw, self.names[model])
            maps[:, place] = resample(scaled, boxes[side], onto, grid)
        return maps, meets

    def _note_shown(
        self,
        groups: tuple[np.ndarray, np.ndarray],
        side: int,
        maps: np.ndarray,
        rows: slice,
        meets: np.ndarray,
    ) -> np.ndarray:
        """Which maps of a group show something, bool (models, images); kept for the file."""
        own, others = groups[side], self.group[groups[1 - side][0]]
        # Scaled, on the shared part, a map may show nothing: it has no direction.
        ok = np.stack([self.series[model].status[rows] == OK for model in own])
        shows: np.ndarray = ok & meets & maps.any(axis=(2, 3)).T
        self.shows[own, others, rows] = shows
        return shows

    def _measure(
        self,
        groups: tuple[np.ndarray, np.ndarray],
        maps: tuple[np.ndarray, np.ndarray],
        rows: slice,
        within: slice,
        shows: list[np.ndarray],
        results: dict[str, np.ndarray],
    ) -> None:
        itself = groups[0] is groups[1]
        # A group with itself holds each pair twice.
        every = np.ones((len(groups[0]), len(groups[1])), bool)
        i, j = np.nonzero(np.triu(every, 1) if itself else every)
        first, second = groups[0][i], groups[1][j]
        place = pair_rows(first, second, len(self.series))
        for name, measure in self.settings.measures.items():
            functions = measure.functions
            one = functions.prepare(maps[0], measure.settings)
            other = one if itself else functions.prepare(maps[1], measure.settings)
            chosen = functions.between(one, other, measure.settings)[:, i, j]
            if measure.entry.counts:
                self._note_above(groups, name, (one, other), rows)
                # Groups are ordered by their first model, so a pair may come turned round.
                turned = (first > second)[None, :, None, None]
                chosen = np.where(turned, chosen.swapaxes(-1, -2), chosen)
            else:
                chosen = np.where(shows[0][i].T & shows[1][j].T, chosen, np.nan)
            results[name][within, place] = chosen

    def _note_above(
        self,
        groups: tuple[np.ndarray, np.ndarray],
        name: str,
        prepared: tuple[object, object],
        rows: slice,
    ) -> None:
        above = cast(CountsModule, self.settings.measures[name].functions).above
        for side, one in enumerate(prepared):
            others = self.group[groups[1 - side][0]]
            self.above[name][groups[side], others, rows] = above(one).transpose(1, 0, 2)


def _empty(data: h5py.Dataset) -> np.ndarray:
    """What a result is before it is known, of the data set's kind."""
    return np.array(np.nan if data.dtype.kind == "f" else 0, data.dtype)


def _whole(sizes: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) of whole images, from their heights and widths (n, 2)."""
    return np.concatenate([np.zeros_like(sizes), sizes[:, ::-1]], axis=1).astype(np.float32)
