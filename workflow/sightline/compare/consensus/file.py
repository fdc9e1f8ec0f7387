"""The consensus of one method and range of images, and what else needs all models at once.

An HDF5 file, its rows joined by (image_id, role):

    model           [m] str
    image_id, role  [n] str               rows
    box             [n, 4] float32        the part of the original that all models show
    size            [n, 2] int32          height and width of the original
    count           [n] int32             maps in the mean
    correct         [n, m] int8           whether a model answers the label; -1: not known
    shown           [n, m] bool           which models have ``directions``
    consensus       [n, g, g] float32     mean of the unit maps on that part
    scores          [2, 2, n, m] float32  agreement, see `sightline.compare.consensus.agreement`
    directions      [m, n, c * c] float16 each map on a coarse grid, without its mean, of unit
                                          norm; NaN where it is not shown
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from sightline.errors import SightlineError
from sightline.sealed import sealed_reader, sealed_writer

# Attribute of the file; a layout that older readers misread has another.
_SCHEMA = 1


@dataclass(frozen=True)
class Rows:
    """Which maps a file is of, see the module's description."""

    model: np.ndarray
    image_id: np.ndarray
    role: np.ndarray
    box: np.ndarray
    shown: np.ndarray


@dataclass(frozen=True)
class Scored(Rows):
    """And how each agrees with the others."""

    size: np.ndarray
    count: np.ndarray
    correct: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Consensus(Scored):
    """All of a file but ``directions``: the mean maps take most of the room."""

    consensus: np.ndarray


Known = TypeVar("Known", bound=Rows)


def write_consensus(path: Path, found: Consensus, directions: np.ndarray) -> None:
    """Write a file; it is complete or absent."""
    packed = {"compression": "gzip", "compression_opts": 1, "fletcher32": True}
    with sealed_writer(path, _SCHEMA) as file:
        for name, values in vars(found).items():
            if values.dtype == object:
                file.create_dataset(name, data=values, dtype=h5py.string_dtype())
            else:
                file.create_dataset(name, data=values, **(packed if values.size else {}))
        # A chunk a model: the variance is found model by model.
        file.create_dataset(
            "directions", data=directions, chunks=(1, *directions.shape[1:]), **packed
        )


def read_consensus(files: Sequence[Path], kind: type[Known]) -> Known:
    """The files of a method's consecutive ranges as one.

    Parameters
    ----------
    files
        Of its ranges, in order.
    kind
        How much is read: `Rows`, `Scored` or `Consensus`.

    Raises
    ------
    SightlineError
        Where one is missing, damaged, of another schema or of other models, or holds rows of
        another.
    """
    names = [one.name for one in fields(kind)]
    parts = []
    for path in files:
        with sealed_reader(path, _SCHEMA) as file:
            parts.append({name: _values(file[name]) for name in names})
    for path, part in zip(files, parts, strict=True):
        if part["model"].tolist() != parts[0]["model"].tolist():
            raise SightlineError(f"{path} is of other models than {files[0]}: run again.")
    model = parts[0]["model"]
    # Of each name at most one copy is held beside the parts.
    joined = {
        name: np.concatenate([part.pop(name) for part in parts], axis=2 if name == "scores" else 0)
        for name in names
        if name != "model"
    }
    rows = list(zip(joined["image_id"], joined["role"], strict=True))
    if len(set(rows)) != len(rows):
        raise SightlineError(f"Two ranges of {files[0].parent} hold the same image: delete it.")
    return kind(model=model, **joined)


def read_directions(files: Sequence[Path], models: slice) -> np.ndarray:
    """The coarse maps of some models over consecutive ranges.

    Returns
    -------
    ndarray
        float32 (models, images, positions), see the module's description.

    Raises
    ------
    SightlineError
        As for `read_consensus`.
    """
    parts = []
    for path in files:
        with sealed_reader(path, _SCHEMA) as file:
            parts.append(file["directions"][models].astype(np.float32))
    return np.concatenate(parts, axis=1)


def _values(data: h5py.Dataset) -> np.ndarray:
    return data.asstr()[...] if h5py.check_string_dtype(data.dtype) else data[...]
