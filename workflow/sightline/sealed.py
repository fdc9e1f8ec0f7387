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
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import h5py

from sightline.errors import DamagedError, SightlineError
from sightline.files import replacing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer
    from _typeshed import WriteableBuffer

# The smallest user block.
_BLOCK = 512
_READ = 2**22


class SealedFile(h5py.File):  # type: ignore[misc]  # h5py has no types
    """An HDF5 file that is being written, see `sealed_writer`."""

    def __init__(self, disk: _Disk) -> None:
        super().__init__(disk, "w", libver="v110", userblock_size=_BLOCK)
        self._disk = disk

    def check(self) -> None:
        """Stop where there was no space for what was written until now.

        Whoever writes in a loop calls this in each round: HDF5 does not hear of a full
        disk, and all that is computed after it would be for nothing.

        Raises
        ------
        OSError
            As the disk said; `sealed_writer` makes a message of it.
        """
        self.flush()
        self._disk.check()


@contextmanager
def sealed_writer(path: Path, schema: int) -> Iterator[SealedFile]:
    """Write an HDF5 file, sealed at the end; it is complete or absent.

    Parameters
    ----------
    path
        The file.
    schema
        The number of its layout, which `sealed_reader` holds it against.

    Raises
    ------
    SightlineError
        Where there is no space left.
    """
    with replacing(path) as temporary:
        with _Disk(temporary) as disk:
            with SealedFile(disk) as file:
                file.attrs["schema"] = schema
                yield file
            disk.check()
        with temporary.open("r+b") as stream:
            stream.write(_seal(stream))


class _Disk(io.RawIOBase):
    """A new file; on a disk that turns out to be full, one in memory takes its place.

    HDF5 may crash where it does not find what it wrote, and where an error stops it before
    it has written all that it holds. So it never hears of the error, which is kept.
    """

    def __init__(self, path: Path) -> None:
        self._file: io.RawIOBase | io.BytesIO = io.FileIO(path, "w+")
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the error that was kept."""
        if self._error is not None:
            raise self._error

    def write(self, data: Buffer, /) -> int:
        """Write all of the data."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._replace(error)
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._replace(error)
        # In memory a file does not grow by this.
        missing = (size or 0) - self._file.seek(0, io.SEEK_END)
        self._file.write(bytes(max(missing, 0)))
        return self._file.truncate(size)

    def _replace(self, error: OSError) -> None:
        position = self._file.tell()
        self._file.seek(0)
        memory = io.BytesIO()
        shutil.copyfileobj(self._file, memory)
        memory.seek(position)
        self._file.close()
        self._file, self._error = memory, error

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer."""
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@contextmanager
def sealed_reader(path: Path, schema: int) -> Iterator[h5py.File]:
    """A sealed file, open for reading.

    Parameters
    ----------
    path
        The file.
    schema
        The number of the layout that is expected.

    Raises
    ------
    SightlineError
        Where it is missing, cannot be read or is of another schema.
    DamagedError
        Where it is damaged.
    """
    check_sealed(path)
    # Its bytes are those that were written: an error now is the disk's, or the reader's own.
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {error}.") from error
    with file:
        if file.attrs.get("schema") != schema:
            raise SightlineError(
                f"{path} has the schema {file.attrs.get('schema')}, expected {schema}. "
                "Delete it and run again."
            )
        yield file


def check_sealed(path: Path) -> None:
    """Hold all of a file against its checksum, once a process.

    Raises
    ------
    SightlineError
        Where it is missing, cannot be read or has no checksum.
    DamagedError
        Where its bytes are not those that were written.
    """
    try:
        known = path.stat()
        _check(path, known.st_ino, known.st_size, known.st_mtime_ns)
    except FileNotFoundError as error:
        raise SightlineError(f"{path} does not exist.") from error
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {error.strerror}.") from error


@lru_cache(maxsize=2**16)
def _check(path: Path, *_identity: int) -> None:
    # Opened once: meanwhile another writer's file may take its place.
    with path.open("rb") as stream:
        kept = stream.read(_BLOCK)
        seal = _seal(stream)
    if kept.startswith(b"\x89HDF"):
        raise SightlineError(
            f"{path} has no checksum: it was written by an earlier version. "
            "Delete it and run again."
        )
    if kept != seal:
        raise DamagedError(
            f"{path} is damaged: its bytes are not those that were written. Delete it and run "
            "again; `sightline verify FOLDER --remove` removes all damaged files of a study."
        )


def _seal(stream: BinaryIO) -> bytes:
    """What the first bytes of a file should be; the stream is then at its beginning."""
    length, checksum = 0, 0
    stream.seek(_BLOCK)
    while data := stream.read(_READ):
        length, checksum = length + len(data), zlib.crc32(data, checksum)
    stream.seek(0)
    return f"sightline: {length} bytes follow, crc32 {checksum:08x}\n".encode().ljust(_BLOCK, b"\0")
