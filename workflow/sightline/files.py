"""Files that are complete or absent."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sightline.errors import SightlineError

# A full disk, a person's quota on it, and the largest file that a process may write.
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A unique temporary file that takes the place of ``path`` on success.

    Two writers of one file (an orphaned cluster job and its successor) then
    each leave a complete file, never a mixture.

    Parameters
    ----------
    path
        The file to write; its folder is made.

    Yields
    ------
    Path
        Where to write, in the same folder and with the same suffix.

    Raises
    ------
    SightlineError
        Where there is no space left.
    """
    # A host and a process are not enough: those of two containers may be called the same.
    mark = f"{os.uname().nodename}.{os.getpid()}.{secrets.token_hex(4)}"
    temporary = path.with_name(f".{path.stem}.{mark}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise SightlineError(
            f"There is no space left to write {path}: {os.strerror(error.errno)}, "
            f"{_free(path.parent)}. Nothing of it remains; make room and run again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether a file is one that `replacing` writes to, or that a killed job left."""
    return path.name.startswith(".") and len(path.suffixes) >= 4


def _free(folder: Path) -> str:
    while not folder.exists():
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 2**20:,.1f} MiB free in {folder}"
