"""HDF5 files in which damage is found, whatever byte it is in.

HDF5 checksums what describes a file and the chunks of its data sets, but no strings of
variable length, and a chunk of nothing but zeros, which a lost block of a disk leaves, has
the right Fletcher checksum. Worse, zeros among the strings make the library search for
ever. So a file is checked before HDF5 sees a byte of it: its first 512 bytes, which the
format leaves to its writers (the user block), hold length and CRC-32 of all that follows.
Every tool reads such a file as any other.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from sightline.errors import SightlineError
from sightline.files import replacing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

# The smallest user block.
_BLOCK = 512
_READ = 2**22


@contextmanager
def sealed_writer(path: Path) -> Iterator[h5py.File]:
    """Write an HDF5 file, sealed at the end; it is complete or absent.

    Raises
    ------
    SightlineError
        Where there is no space left.
    """
    with replacing(path) as temporary:
        disk = _Disk(temporary, "w+")
        try:
            with (
                disk,
                h5py.File(disk, "w", libver="v110", userblock_size=_BLOCK) as file,
            ):
                yield file
        except Exception as error:
            # HDF5 itself may stumble over what is not there.
            raise disk.error or error from error.__cause__
        if disk.error is not None:
            raise disk.error
        with temporary.open("r+b") as stream:
            stream.write(_seal(temporary))


class _Disk(io.FileIO):
    """A file on a disk that may be full: the first error is kept, and what follows is lost.

    HDF5 that cannot write what it holds tries again when the process ends, and crashes.
    """

    error: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write all of the data, or keep why not."""
        rest = memoryview(data)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length, or keep why not."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


@contextmanager
def sealed_reader(path: Path) -> Iterator[h5py.File]:
    """A sealed file, open for reading.

    Raises
    ------
    SightlineError
        Where it is missing, not sealed or damaged.
    """
    check_sealed(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _damaged(path, str(error)) from error


def check_sealed(path: Path) -> None:
    """Hold all of a file against its checksum, once a process.

    Raises
    ------
    SightlineError
        Where it is missing, not sealed or damaged.
    """
    try:
        known = path.stat()
        _check(path, known.st_ino, known.st_size, known.st_mtime_ns)
    except FileNotFoundError as error:
        raise SightlineError(f"{path} does not exist.") from error
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {error}.") from error


@lru_cache(maxsize=2**16)
def _check(path: Path, *_identity: int) -> None:
    with path.open("rb") as stream:
        kept = stream.read(_BLOCK)
    if kept.startswith(b"\x89HDF"):
        raise SightlineError(
            f"{path} has no checksum: it was written by an earlier version. "
            "Delete it and run again."
        )
    if kept != _seal(path):
        raise _damaged(path, "its bytes are not those that were written")


def _seal(path: Path) -> bytes:
    """What the first bytes of a file should be."""
    length, checksum = 0, 0
    with path.open("rb") as stream:
        stream.seek(_BLOCK)
        while data := stream.read(_READ):
            length, checksum = length + len(data), zlib.crc32(data, checksum)
    return f"sightline: {length} bytes follow, crc32 {checksum:08x}\n".encode().ljust(_BLOCK, b"\0")


def _damaged(path: Path, what: str) -> SightlineError:
    return SightlineError(
        f"{path} is damaged: {what}. Delete it and run again; "
        "`sightline verify FOLDER --remove` removes all damaged files of a study."
    )
