"""What Snakemake's `benchmark:` files say of a study's finished jobs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.errors import SightlineError

if TYPE_CHECKING:
    from sightline.study.estimates.expected import Expected
    from sightline.study.resolve import ResolvedStudy


def finished_times(
    study: ResolvedStudy, jobs: Iterable[Expected]
) -> Iterator[tuple[Expected, float]]:
    """Those of some jobs whose file is there and which were timed, and their seconds."""
    for one in jobs:
        path = study.results / one.benchmark
        if path.exists() and one.done(study.results):
            yield one, seconds_of(path)


def seconds_of(path: Path) -> float:
    """Wall time that a benchmark file tells: the mean of its repetitions.

    Raises
    ------
    SightlineError
        Where it is none.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            found = [float(line["s"]) for line in csv.DictReader(file, delimiter="\t")]
        return sum(found) / len(found)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise SightlineError(
            f"{path} is no benchmark file of Snakemake's ({type(error).__name__}: {error}). "
            "Delete it."
        ) from error
