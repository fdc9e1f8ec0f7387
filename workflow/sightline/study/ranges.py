"""Cut the order of images into named ranges, so that growing it moves none.

A range `000000-000127` names the positions of the study's image order that a
job computes. Ranges end at multiples of the method's length, and wherever the
study once ended: those counts are remembered beside its results, so that a
study that grows from 100 to 256 images keeps the range that ended at 99.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sightline.errors import SightlineError
from sightline.files import replacing

RANGE_PATTERN = r"[0-9]+-[0-9]+"

# Passes that one job is meant to make: minutes on a GPU, tens of minutes on a
# few cores, so that a job's start (seconds) does not matter and the work lost
# with a node stays small.
PASSES_PER_JOB = 65_536
LONGEST_RANGE = 1024
COUNTS_FILE = "counts.json"


@dataclass(frozen=True, order=True)
class Range:
    """Positions ``start`` to ``stop`` (exclusive) of the image order."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """First and last position, as in file names."""
        return f"{self.start:06d}-{self.stop - 1:06d}"

    def __len__(self) -> int:
        return self.stop - self.start


def parse_range(name: str) -> Range:
    """The range of a name such as ``000000-000127``."""
    if not re.fullmatch(RANGE_PATTERN, name):
        raise SightlineError(f"{name!r} is no image range: expected a name like 000000-000127.")
    first, last = (int(part) for part in name.split("-"))
    if last < first:
        raise SightlineError(f"The image range {name!r} ends before it begins.")
    return Range(first, last + 1)


def range_length(passes: float) -> int:
    """Images a job takes, from the passes its method declares for each.

    A power of two, from this number alone: never from a device or a timing.
    """
    length = max(1, int(PASSES_PER_JOB / max(passes, 1)))
    return min(LONGEST_RANGE, 1 << (length.bit_length() - 1))


def cut(count: int, length: int, earlier_counts: tuple[int, ...] = ()) -> list[Range]:
    """Cut ``count`` images into ranges of at most ``length``.

    Parameters
    ----------
    count
        Images of the study.
    length
        As `range_length` gives it.
    earlier_counts
        Counts at which the study has been run before.
    """
    ends = {end for end in earlier_counts if end < count} | {count}
    ends |= set(range(length, count, length))
    bounds = [0, *sorted(ends)]
    return [Range(start, stop) for start, stop in pairwise(bounds)]


def earlier_counts(results: Path) -> tuple[int, ...]:
    """The counts that a study has been run with, increasing."""
    path = results / COUNTS_FILE
    if not path.exists():
        return ()
    try:
        counts = json.loads(path.read_text())
        return tuple(sorted({int(count) for count in counts}))
    except (ValueError, TypeError) as error:
        raise SightlineError(
            f"{path} should hold a list of image counts, but cannot be read: {error}. "
            "Delete it; at most the last range of each method is then computed again."
        ) from error


def remember_count(results: Path, count: int) -> None:
    """Note that the study runs with ``count`` images, if it is the most so far.

    A smaller count ends ranges of its own: were it noted too, the ranges of
    the larger one would be cut there from then on.
    """
    counts = earlier_counts(results)
    if counts and count <= counts[-1]:
        return
    with replacing(results / COUNTS_FILE) as temporary:
        temporary.write_text(json.dumps([*counts, count]) + "\n")
