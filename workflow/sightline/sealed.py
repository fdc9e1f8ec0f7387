"""HDF5 files in which damage is found, whatever byte it is in.

HDF5 checksums what describes a file, and data sets that are written in chunks
with ``fletcher32``. It cannot checksum strings of variable length (they, and those
of attributes, lie in a heap of their own), and a chunk of nothing but zeros, which
a lost block of a disk leaves, has the right Fletcher checksum. So the file keeps, as
JSON in the attribute ``sha256``, a digest of its attributes and one of every data set
that is not compressed: the compressed stream has a checksum of its own, and zeros are
none. A reader checks what it reads and no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sightline.errors import SightlineError
from sightline.files import replacing

SEAL = "sha256"
_ATTRIBUTES = "attributes"
# What HDF5 and h5py say of bytes that are not what was written.
DAMAGE = (OSError, KeyError, TypeError, ValueError, RuntimeError, MemoryError)


@contextmanager
def sealed_writer(path: Path) -> Iterator[h5py.File]:
    """Write an HDF5 file, sealed at the end; it is complete or absent.

    Raises
    ------
    SightlineError
        Where there is no space left.
    """
    with replacing(path) as temporary:
        # Only this format checksums all that describes the file.
        file = h5py.File(temporary, "w", libver="v110")
        try:
            yield file
            _seal(file)
            file.flush()
        except BaseException:
            # On a full disk the library could not write what it still holds, and would crash
            # when the process ends: nobody reads this file any more, so give it its own space.
            with suppress(OSError):
                temporary.open("wb").close()
            with suppress(OSError, RuntimeError):
                file.close()
            raise
        file.close()


@contextmanager
def sealed_reader(path: Path) -> Iterator[h5py.File]:
    """A sealed file, open for reading; what is read of it is checked by `read_checked`.

    Raises
    ------
    SightlineError
        Where it is missing or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError as error:
        raise SightlineError(f"{path} does not exist.") from error
    except DAMAGE as error:
        raise damaged(path, str(error)) from error


def read_data(file: h5py.File, name: str, rows: Any = ()) -> np.ndarray:
    """Some rows of a data set, or all; strings as text.

    Parameters
    ----------
    file
        Open for reading.
    name
        Of the data set.
    rows
        As h5py takes them.

    Raises
    ------
    SightlineError
        Where a checksum of HDF5's own does not hold.
    """
    try:
        data = file[name]
        text = h5py.check_string_dtype(data.dtype) is not None
        found: np.ndarray = data.asstr()[rows] if text else data[rows]
        return found
    except DAMAGE as error:
        raise damaged(Path(file.filename), f"data set {name}: {error}") from error


def read_checked(file: h5py.File, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Data sets whole, each held against its digest, the attributes against theirs.

    Raises
    ------
    SightlineError
        Where one is not what was written.
    """
    path = Path(file.filename)
    kept = _kept(file)
    if kept.get(_ATTRIBUTES) != _attributes_digest(file):
        raise damaged(path, "its attributes are not what was written")
    found = {}
    for name in names:
        found[name] = read_data(file, name)
        if name not in kept and file[name].compression is None:
            raise damaged(path, f"its digests lack data set {name}")
        if name in kept and kept[name] != _digest([found[name]]):
            raise damaged(path, f"data set {name} is not what was written")
    return found


def check_sealed(path: Path) -> None:
    """Read all of a file.

    Raises
    ------
    SightlineError
        Where any of it is not what was written.
    """
    with sealed_reader(path) as file:
        read_checked(file, ())
        kept, names = _kept(file), _data_sets(file)
        if missing := kept.keys() - {*names, _ATTRIBUTES}:
            raise damaged(path, f"it lacks data set {min(missing)}")
        for name in names:
            digest = _digest(_parts(file, name))
            if kept.get(name, digest if file[name].compression else "") != digest:
                raise damaged(path, f"data set {name} is not what was written")


def damaged(path: Path, what: str) -> SightlineError:
    """The error for a file that is not what was written."""
    return SightlineError(
        f"{path} is damaged: {what}. Delete it and run again; "
        "`sightline verify FOLDER --remove` finds and removes all damaged files of a study."
    )


def _seal(file: h5py.File) -> None:
    digests = {
        name: _digest(_parts(file, name))
        for name in _data_sets(file)
        if file[name].compression is None
    }
    file.attrs[SEAL] = json.dumps({_ATTRIBUTES: _attributes_digest(file), **digests})


def _kept(file: h5py.File) -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads(file.attrs[SEAL])
        return kept
    except KeyError as error:
        raise SightlineError(
            f"{file.filename} has no digests: it was written by an earlier version. "
            "Delete it and run again."
        ) from error


def _data_sets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    return names


def _attributes_digest(file: h5py.File) -> str:
    values = {name: value for name, value in file.attrs.items() if name != SEAL}
    shown = {
        name: value if isinstance(value, str) else np.asarray(value).tolist()
        for name, value in values.items()
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def _parts(file: h5py.File, name: str) -> Iterator[np.ndarray]:
    """A data set by the rows of a chunk: the largest are gigabytes."""
    data = file[name]
    if data.chunks is None:
        yield read_data(file, name)
        return
    for start in range(0, len(data), data.chunks[0]):
        yield read_data(file, name, slice(start, start + data.chunks[0]))


def _digest(parts: Iterable[np.ndarray]) -> str:
    """SHA-256 of an array in parts; of text, in one part."""
    digest = hashlib.sha256()
    for part in parts:
        text = part.dtype == object
        digest.update(json.dumps(part.tolist()).encode() if text else part.tobytes())
    return digest.hexdigest()
