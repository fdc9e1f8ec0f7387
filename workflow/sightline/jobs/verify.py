"""Find the damaged files of a study, and what killed jobs left."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image
from tqdm import tqdm

from sightline.errors import DamagedError, SightlineError
from sightline.files import is_temporary
from sightline.images.shards import Shard
from sightline.sealed import check_sealed
from sightline.study.ranges import parse_range
from sightline.tabular import read_table


@dataclass(frozen=True)
class Found:
    """What `verify` finds.

    Attributes
    ----------
    checked
        How many files there are to read.
    damaged
        Of each file that is not what was written, what is wrong.
    unread
        Of each file or folder that could not be read, why: whether it is damaged is not known.
    unfinished
        What killed jobs left, or what running jobs write to just now.
    """

    checked: int
    damaged: dict[Path, str]
    unread: dict[Path, str]
    unfinished: list[Path]


def verify(results: Path) -> Found:
    """Read every file of a study that its jobs made.

    Parameters
    ----------
    results
        Its folder, such as ``results/demo``, or any folder in it.

    Raises
    ------
    SightlineError
        Where there is no such folder.
    """
    if not results.is_dir():
        raise SightlineError(
            f"There is no folder {results}: expected the results of a study, such as results/demo."
        )
    found = Found(0, {}, {}, [])
    whole = []
    for path in _files(results, found.unread):
        if is_temporary(path):
            found.unfinished.append(path)
        elif path.suffix in _CHECKS:
            whole.append(path)
    for path in tqdm(whole, unit="file", mininterval=1.0):
        try:
            _CHECKS[path.suffix](path)
        except DamagedError as error:
            found.damaged[path] = str(error)
        except (SightlineError, OSError) as error:
            found.unread[path] = str(error)
    return replace(found, checked=len(whole))


def _files(folder: Path, unread: dict[Path, str]) -> list[Path]:
    """All files below a folder; of folders that cannot be listed is noted why."""

    def note(error: OSError) -> None:
        unread[Path(error.filename)] = str(error.strerror)

    return sorted(
        Path(parent, name) for parent, _, names in os.walk(folder, onerror=note) for name in names
    )


def _check_shard(path: Path) -> None:
    """Every image against its digest, every mask against the archive's."""
    with Shard(path) as shard:
        for row in shard.images:
            if hashlib.sha256(shard.read(row.file)).hexdigest() != row.sha256:
                raise DamagedError(f"{path} is damaged at {row.file}.")
        for one in shard.objects:
            if one.mask:
                shard.read(one.mask)


def _parsed(parse: Callable[[bytes], object], errors: tuple[type[Exception], ...]) -> Check:
    """A check of files that have no checksum: whether they can be parsed.

    What the disk says is no damage, and some parsers raise the same exceptions: so they are
    given the bytes.
    """

    def check(path: Path) -> None:
        data = path.read_bytes()
        try:
            parse(data)
        except errors as error:
            raise DamagedError(f"{path} is damaged: {error}.") from error

    return check


def _check_csv(path: Path) -> None:
    """Lines of one length, the last one ended; of predictions also every image of the range."""
    if not path.read_bytes().endswith(b"\n"):
        raise DamagedError(f"The table {path} has no end.")
    table = read_table(path)
    if path.parent.parent.name == "predictions":
        if "image_id" not in table:
            raise DamagedError(f"{path} is damaged: it has the columns {list(table)}, no image_id.")
        expected, came = len(parse_range(path.stem)), table["image_id"].nunique()
        if came != expected:
            raise DamagedError(f"{path} is damaged: it is of {came} images, expected {expected}.")


def _load_picture(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.verify()  # its checksums, which loading passes over
    with Image.open(io.BytesIO(data)) as image:
        image.load()


Check = Callable[[Path], object]
_CHECKS: dict[str, Check] = {
    ".h5": check_sealed,
    ".zip": _check_shard,
    ".parquet": read_table,
    ".csv": _check_csv,
    ".json": _parsed(json.loads, (ValueError,)),
    ".png": _parsed(_load_picture, (OSError, SyntaxError, ValueError)),
    # Of an encoding that there is not, or of none of single bytes, Python says so itself.
    ".svg": _parsed(ElementTree.fromstring, (SyntaxError, LookupError, ValueError)),
}
