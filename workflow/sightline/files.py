"""Files that are complete or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.uname().nodename}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
