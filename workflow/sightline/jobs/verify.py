"""Find the damaged files of a study, and what killed jobs left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image
from tqdm import tqdm

from sightline.errors import SightlineError
from sightline.files import is_temporary
from sightline.images.shards import Shard
from sightline.sealed import check_sealed
from sightline.tabular import read_table


@dataclass(frozen=True)
class Found:
    """What `verify` finds.

    Attributes
    ----------
    checked
        How many files were read.
    damaged
        Of each damaged file, what is wrong.
    unfinished
        What killed jobs left, or what running jobs write to just now.
    """

    checked: int
    damaged: dict[Path, str]
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
    files = sorted(path for path in results.rglob("*") if path.is_file())
    unfinished = [path for path in files if is_temporary(path)]
    whole = [path for path in files if path.suffix in _CHECKS and path not in set(unfinished)]
    damaged = {}
    for path in tqdm(whole, unit="file", mininterval=1.0):
        try:
            _CHECKS[path.suffix](path)
        except (SightlineError, OSError, SyntaxError, ValueError) as error:
            damaged[path] = str(error)
    return Found(len(whole), damaged, unfinished)


def _check_shard(path: Path) -> None:
    """Every image against its digest, every mask against the archive's."""
    with Shard(path) as shard:
        for row in shard.images:
            if hashlib.sha256(shard.read(row.file)).hexdigest() != row.sha256:
                raise SightlineError(f"{path} is damaged at {row.file}.")
        for one in shard.objects:
            if one.mask:
                shard.read(one.mask)


def _check_csv(path: Path) -> None:
    """Lines of one length, the last one ended; a flipped letter is not found."""
    if not path.read_bytes().endswith(b"\n"):
        raise SightlineError(f"The table {path} has no end.")
    read_table(path)


def _check_picture(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


_CHECKS: dict[str, Callable[[Path], object]] = {
    ".h5": check_sealed,
    ".zip": _check_shard,
    ".parquet": read_table,
    ".csv": _check_csv,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".png": _check_picture,
    ".svg": ElementTree.parse,
}
