"""The statistics of each pair of models and image: what merging needs, no more.

An HDF5 file a (method, range), its rows joined by (image_id, role):

    pair            [p, 2] str        model ids
    image_id, role  [n] str           rows
    target          [models, n] int32 the output each model explained
    model           [models] str
    status          [models, n] uint8 of each map, as in the map file
    used            [p, n] bool       both maps are ok and, scaled, not zero on a shared part
    cosine, rbf     [p, n] float32    NaN where not used
    kappa           [p, n, k, k] int64    confusion counts, `important` cuts
    kappa_graded    [p, n, k, k] int64    confusion counts, `graded` cuts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement, zip_longest
from pathlib import Path

import h5py
import numpy as np

from sightline.compare.similarity import confusion, cosine, rbf
from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.maps.align import intersect, resample
from sightline.maps.scaling import scale_maps
from sightline.maps.store import OK, MapSet, read_maps

SIMILARITIES = ("cosine", "rbf")
AGREEMENTS = ("kappa", "kappa_graded")
# Images compared at a time: 16 models at 224 x 224 take 50 MB a class.
_BLOCK = 16


@dataclass(frozen=True)
class CompareSettings:
    """How maps are compared, as in the configuration's ``compare``."""

    grid: int
    sigma: float
    important: tuple[float, ...]
    graded: tuple[float, ...]
    scaling: tuple[str, ...]


@dataclass(frozen=True)
class PairStatistics:
    """The contents of a statistics file, see the module's description."""

    pair: np.ndarray
    model: np.ndarray
    image_id: np.ndarray
    role: np.ndarray
    target: np.ndarray
    status: np.ndarray
    used: np.ndarray
    cosine: np.ndarray
    rbf: np.ndarray
    kappa: np.ndarray
    kappa_graded: np.ndarray


def compare_maps(files: Mapping[str, Path], settings: CompareSettings) -> PairStatistics:
    """Compare the maps of several models, one method and range.

    Parameters
    ----------
    files
        Map file of each model id.
    settings
        How.

    Raises
    ------
    SightlineError
        Where the files do not hold the same rows.
    """
    sets = {model: read_maps(path) for model, path in files.items()}
    models = list(sets)
    rows = _common_rows(sets)
    groups = _geometries(sets)
    pairs = [(a, b) for i, a in enumerate(models) for b in models[i + 1 :]]
    found = _empty(pairs, models, rows, settings)
    for number, model in enumerate(models):
        found.target[number] = sets[model].target
        found.status[number] = sets[model].status
    place = {pair: number for number, pair in enumerate(pairs)}
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(rows)))
        scaled = {m: scale_maps(one.maps[part], settings.scaling) for m, one in sets.items()}
        for one, other in combinations_with_replacement(groups, 2):
            _compare_groups(found, sets, scaled, (one, other), place, part, settings)
    return found


def _common_rows(sets: Mapping[str, MapSet]) -> list[tuple[str, str]]:
    """The (image_id, role) rows that all files hold, in one order."""
    rows: list[tuple[str, str]] = []
    for model, one in sets.items():
        own = list(zip(one.image_id, one.role, strict=True))
        rows = rows or own
        if own != rows:
            odd = next(b or a for a, b in zip_longest(rows, own) if a != b)
            raise SightlineError(
                f"The maps of {model} are not of the images of {next(iter(sets))}: {odd[0]!r} "
                f"({odd[1]}) is out of place, or missing. Delete the file and run again."
            )
    return rows


def _geometries(sets: Mapping[str, MapSet]) -> list[list[str]]:
    """Models whose maps cover the same part of every image."""
    groups: dict[bytes, list[str]] = {}
    for model, one in sets.items():
        groups.setdefault(one.box.tobytes(), []).append(model)
    return list(groups.values())


def _compare_groups(
    found: PairStatistics,
    sets: Mapping[str, MapSet],
    scaled: Mapping[str, np.ndarray],
    groups: tuple[list[str], list[str]],
    place: Mapping[tuple[str, str], int],
    part: slice,
    settings: CompareSettings,
) -> None:
    """All pairs of two groups, each of one geometry, on the part both show."""
    boxes = [sets[group[0]].box[part] for group in groups]
    # A padded model's box reaches beyond the image: nothing is to be seen there.
    onto = intersect(intersect(*boxes), _whole(sets[groups[0][0]].size[part]))
    meets = (onto[:, 2] > onto[:, 0]) & (onto[:, 3] > onto[:, 1])
    # Where nothing is shared any part will do: the row is not used.
    onto = np.where(meets[:, None], onto, boxes[0])
    first = _stack(groups[0], scaled, boxes[0], onto, settings.grid)
    itself = groups[0] is groups[1]
    second = first if itself else _stack(groups[1], scaled, boxes[1], onto, settings.grid)
    measured = {
        "cosine": cosine(first, second),
        "rbf": rbf(first, second, settings.sigma),
        "kappa": confusion(first, second, settings.important),
        "kappa_graded": confusion(first, second, settings.graded),
    }
    # Scaled, on the shared part, a map may show nothing: it has no direction.
    shows = [np.asarray(maps.any(axis=2)) for maps in (first, second)]
    for i, a in enumerate(groups[0]):
        for j, b in enumerate(groups[1]):
            ok = (sets[a].status[part] == OK) & (sets[b].status[part] == OK)
            used = ok & meets & shows[0][:, i] & shows[1][:, j]
            values = {name: of_all[:, i, j] for name, of_all in measured.items()}
            if (a, b) in place:
                _store(found, place[a, b], part, used, values)
            elif (b, a) in place and not itself:
                # Groups are ordered by their first model, so a pair may come turned round.
                for name in AGREEMENTS:
                    values[name] = values[name].transpose(0, 2, 1)
                _store(found, place[b, a], part, used, values)


def _whole(sizes: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) of whole images, from their heights and widths (n, 2)."""
    return np.concatenate([np.zeros_like(sizes), sizes[:, ::-1]], axis=1).astype(np.float32)


def _store(
    found: PairStatistics, row: int, part: slice, used: np.ndarray, values: dict[str, np.ndarray]
) -> None:
    found.used[row, part] = used
    for name in SIMILARITIES:
        getattr(found, name)[row, part] = np.where(used, values[name], np.nan)
    for name in AGREEMENTS:
        getattr(found, name)[row, part] = np.where(used[:, None, None], values[name], 0)


def _stack(
    group: list[str],
    scaled: Mapping[str, np.ndarray],
    boxes: np.ndarray,
    onto: np.ndarray,
    grid: int,
) -> np.ndarray:
    """Maps of a group on the grid, float32 (images, models, pixels)."""
    resampled = [resample(scaled[model], boxes, onto, grid) for model in group]
    return np.stack(resampled, axis=1).reshape(len(boxes), len(group), -1)


def _empty(
    pairs: list[tuple[str, str]],
    models: list[str],
    rows: list[tuple[str, str]],
    settings: CompareSettings,
) -> PairStatistics:
    per_pair = (len(pairs), len(rows))
    two, graded = len(settings.important) + 1, len(settings.graded) + 1
    return PairStatistics(
        pair=np.array(pairs, object).reshape(-1, 2),
        model=np.array(models, object),
        image_id=np.array([image_id for image_id, _ in rows], object),
        role=np.array([role for _, role in rows], object),
        target=np.zeros((len(models), len(rows)), np.int32),
        status=np.zeros((len(models), len(rows)), np.uint8),
        used=np.zeros(per_pair, bool),
        cosine=np.full(per_pair, np.nan, np.float32),
        rbf=np.full(per_pair, np.nan, np.float32),
        kappa=np.zeros((*per_pair, two, two), np.int64),
        kappa_graded=np.zeros((*per_pair, graded, graded), np.int64),
    )


def write_statistics(path: Path, statistics: PairStatistics) -> None:
    """Write a statistics file; it is complete or absent."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values in vars(statistics).items():
            if values.dtype == object:
                file.create_dataset(name, data=values, dtype=h5py.string_dtype())
            else:
                options = {"compression": "gzip", "fletcher32": True} if values.size else {}
                file.create_dataset(name, data=values, **options)


def read_statistics(path: Path) -> PairStatistics:
    """Read a statistics file.

    Raises
    ------
    SightlineError
        Where it is missing or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            return PairStatistics(
                **{
                    name: data.asstr()[...] if h5py.check_string_dtype(data.dtype) else data[...]
                    for name, data in file.items()
                }
            )
    except (OSError, TypeError, KeyError) as error:
        raise SightlineError(f"{path} is damaged: {error}. Delete it and run again.") from error


def concatenate(parts: list[PairStatistics]) -> PairStatistics:
    """The statistics of several ranges, one after the other.

    Raises
    ------
    SightlineError
        Where the ranges hold other pairs, or an image twice.
    """
    first = parts[0]
    if any(part.pair.tolist() != first.pair.tolist() for part in parts):
        raise SightlineError("The ranges were compared over other pairs of models: run again.")
    per_row = {"image_id": 0, "role": 0}
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=per_row.get(name, 1))
        for name in vars(first)
        if name not in ("pair", "model")
    }
    rows = list(zip(joined["image_id"], joined["role"], strict=True))
    if len(set(rows)) != len(rows):
        raise SightlineError("Two ranges hold the same image: delete results and run again.")
    return PairStatistics(pair=first.pair, model=first.model, **joined)
