"""The statistics of each pair of models and image: what merging needs, no more.

An HDF5 file a (method, range), its rows (n) joined by (image_id, role); pairs
(p) are in the order of `sightline.compare.ordering`:

    model              [m] str           ids
    image_id, role     [n] str           rows
    target             [m, n] int32      the output each model explained
    predicted          [m, n] int32      what each answers, as a code: equal where names are
    correct            [m, n] int8       whether that is right; -1 where it is not known
    status             [m, n] uint8      of each map, as in the map file
    group              [m] int32         models of one group cover the same part of every image
    shows              [m, g, n] bool    the map is ok and, scaled, not zero on the part that it
                                         shares with a group
    statistic/<id>     [p, n] float32    of each measure, see its module; of measures that count
                       [p, n, c, c] uint pixels above two cuts
    above/<id>         [m, g, n, c] uint32    and of each map above each cut, on a shared part

Attributes: schema, pixels (of the grid), measures (their specifications, JSON).
A pair uses an image where each of its maps shows something on the part shared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sightline.compare.measures import kappa
from sightline.compare.measures.protocol import ResolvedMeasure, resolve
from sightline.compare.ordering import pair_indices
from sightline.errors import SightlineError
from sightline.sealed import sealed_reader

SCHEMA = 2
# Pairs in a chunk of the file, and images: a quarter of a megabyte.
PAIRS, IMAGES = 1024, 64
# The median heuristic takes at most so many distances, evenly spaced.
_TYPICAL = 2**22
# Memory for what is read at a time.
_BYTES = 2**27


class Statistics:
    """The statistics of a method over consecutive ranges, read by parts.

    Parameters
    ----------
    files
        Statistics files of its ranges, in order.

    Attributes
    ----------
    models
        Ids.
    measures
        By id.
    image_id, role
        (n,).
    target, status, correct, predicted
        (m, n).
    pairs
        int64 (p, 2), the models of each pair.

    Raises
    ------
    SightlineError
        Where a file is missing, damaged or of another schema, where ranges hold
        other models or measures, or an image twice.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._parts = [_Part(path) for path in files]
        first = self._parts[0]
        self.models: list[str] = first.models
        self.measures: dict[str, ResolvedMeasure] = {
            name: resolve(spec) for name, spec in first.specs.items()
        }
        for part in self._parts:
            if (part.models, part.specs, part.pixels) != (first.models, first.specs, first.pixels):
                raise SightlineError(
                    f"{part.path} compares other models, or by other measures, than {first.path}: "
                    "run again."
                )
        self.image_id, self.role = (
            np.concatenate([part.rows[name] for part in self._parts])
            for name in ("image_id", "role")
        )
        self.target, self.status, self.correct = (
            np.concatenate([part.rows[name] for part in self._parts], axis=1)
            for name in ("target", "status", "correct")
        )
        rows = list(zip(self.image_id, self.role, strict=True))
        if len(set(rows)) != len(rows):
            raise SightlineError("Two ranges hold the same image: delete results and run again.")
        self.pairs = pair_indices(len(self.models))

    def __len__(self) -> int:
        """How many rows (image, role) there are."""
        return len(self.image_id)

    def chunks(self, bytes_a_row: int = 8) -> Iterator[slice]:
        """Slices of the pairs whose statistics fit in memory together."""
        fitting = _BYTES // max(len(self) * bytes_a_row, 1)
        step = max(fitting // PAIRS * PAIRS, min(fitting, PAIRS), 1)
        for start in range(0, len(self.pairs), step):
            yield slice(start, min(start + step, len(self.pairs)))

    def used(self, part: slice) -> np.ndarray:
        """Whether pairs use images, bool (c, n)."""
        return np.concatenate([one.used(self.pairs[part]) for one in self._parts], axis=1)

    def same_class(self, part: slice) -> np.ndarray:
        """Whether both models answer the same class, bool (c, n)."""
        first, second = self.pairs[part].T
        found = [one.rows["predicted"] for one in self._parts]
        return np.concatenate([codes[first] == codes[second] for codes in found], axis=1)

    def both_correct(self, part: slice) -> np.ndarray:
        """Whether both models answer the image's label, bool (c, n)."""
        first, second = self.pairs[part].T
        both: np.ndarray = (self.correct[first] == 1) & (self.correct[second] == 1)
        return both

    def similarity(self, measure: str, part: slice) -> np.ndarray:
        """Similarities of pairs, float64 (c, n); NaN where an image is not used, or has none."""
        resolved = self.measures[measure]
        if resolved.entry.counts:
            return kappa.kappa(self.confusion(measure, part))
        found = self._raw(measure, part).astype(np.float64)
        finish = getattr(resolved.functions, "finish", None)
        return found if finish is None else finish(found, resolved.settings, self._typical(measure))

    def of_maps(self, measure: str, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Similarities (images, a, b) of other maps, as those of the method's pairs.

        Parameters
        ----------
        measure
            Its id.
        one, other
            Scaled, on the grid, float32 (images, a, height, width) and (images, b, ...).
        """
        resolved = self.measures[measure]
        functions, settings = resolved.functions, resolved.settings
        first, second = (functions.prepare(maps, settings) for maps in (one, other))
        values = functions.between(first, second, settings)
        if resolved.entry.counts:
            pixels = np.full(values.shape[:3], np.prod(one.shape[2:]))
            one_above, other_above = (kappa.above(side) for side in (first, second))
            counts = kappa.confusion(values, one_above[:, :, None], other_above[:, None, :], pixels)
            return kappa.kappa(counts)
        finish = getattr(functions, "finish", None)
        values = values.astype(np.float64)
        return values if finish is None else finish(values, settings, self._typical(measure))

    def confusion(self, measure: str, part: slice) -> np.ndarray:
        """Confusion counts of pairs, int64 (c, n, classes, classes); 0 where not used."""
        return np.concatenate(
            [one.confusion(measure, part, self.pairs[part]) for one in self._parts], axis=1
        )

    def _raw(self, measure: str, part: slice) -> np.ndarray:
        return np.concatenate([one.statistic(measure, part) for one in self._parts], axis=1)

    def _typical(self, measure: str) -> float:
        """The median of what is kept of a measure, over pairs and images used."""
        if measure not in self._medians:
            step = max(1, len(self.pairs) * len(self) // _TYPICAL)
            sample = [
                values[np.isfinite(values)][::step]
                for chunk in self.chunks()
                for values in [self._raw(measure, chunk)]
            ]
            values = np.concatenate(sample) if sample else np.empty(0)
            self._medians[measure] = float(np.median(values)) if len(values) else float("nan")
        return self._medians[measure]

    @cached_property
    def _medians(self) -> dict[str, float]:
        return {}


class _Part:
    """One statistics file; what grows with pairs stays in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with statistics_file(path) as file:
            self.pixels = int(file.attrs["pixels"])
            self.specs: dict[str, dict[str, Any]] = json.loads(file.attrs["measures"])
            self.models = list(file["model"].asstr()[:])
            self.rows = {name: file[name].asstr()[:] for name in ("image_id", "role")} | {
                name: file[name][:]
                for name in ("target", "predicted", "correct", "status", "group", "shows")
            }
            self._above = {name: values[:] for name, values in file["above"].items()}

    def used(self, pairs: np.ndarray) -> np.ndarray:
        shows = self.rows["shows"]
        found: np.ndarray = shows[*self._of_first(pairs)] & shows[*self._of_second(pairs)]
        return found

    def statistic(self, measure: str, part: slice) -> np.ndarray:
        with statistics_file(self.path) as file:
            found: np.ndarray = file["statistic"][measure][part]
        return found

    def confusion(self, measure: str, part: slice, pairs: np.ndarray) -> np.ndarray:
        above = self._above[measure]
        counts = kappa.confusion(
            self.statistic(measure, part),
            above[*self._of_first(pairs)],
            above[*self._of_second(pairs)],
            np.full((len(pairs), len(self.rows["image_id"])), self.pixels),
        )
        counts[~self.used(pairs)] = 0
        return counts

    def _of_first(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each pair the first model, and the group of the second."""
        return pairs[:, 0], self.rows["group"][pairs[:, 1]]

    def _of_second(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return pairs[:, 1], self.rows["group"][pairs[:, 0]]


def statistics_file(path: Path) -> AbstractContextManager[h5py.File]:
    """A statistics file, open for reading.

    Raises
    ------
    SightlineError
        Where it is missing, damaged or of another schema.
    """
    return sealed_reader(path, SCHEMA)


def create_statistics(
    file: h5py.File,
    measures: Mapping[str, ResolvedMeasure],
    *,
    pairs: int,
    images: int,
    pixels: int,
    chunk: int,
) -> None:
    """Lay out what grows with pairs in an empty file."""
    specs = {name: measure.spec for name, measure in measures.items()}
    file.attrs.update({"pixels": pixels, "measures": json.dumps(specs)})
    counts = np.uint16 if pixels < 2**16 else np.uint32
    for name, measure in measures.items():
        inner = (measure.cuts, measure.cuts) if measure.entry.counts else ()
        shape = (pairs, images, *inner)
        file.create_dataset(
            f"statistic/{name}",
            shape,
            counts if measure.entry.counts else np.float32,
            chunks=(min(pairs, PAIRS), min(images, chunk), *inner) if pairs else None,
            fletcher32=pairs > 0,
        )
