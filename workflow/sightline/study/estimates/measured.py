"""Seconds a pass, from what Snakemake's `benchmark:` files say of a study's finished jobs.

A job's time is its start and its passes. Starts differ by seconds, on a busy machine by tens of
seconds: divided by few passes, that would pass for a speed. So a speed is told only by jobs that
took longer than starts do by far.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from sightline.study.estimates.ran import Ran
from sightline.study.estimates.speeds import MANY, PACES, START, STARTING, Device, Speed

# Seconds after its start of a job that is taken for a start alone, as expected.
_SHORT = START / 2
# Jobs tell a speed if they took so many times the spread of starts longer than a start.
TELLING = 3.0
# That spread is taken for a quarter of the start at least: each model's start is its own.
_LEAST_SPREAD = 0.25
# A median distance from the median, as a standard deviation of normal values.
_NORMAL = 1.4826


@dataclass(frozen=True)
class _Starts:
    """How long jobs of a device take to start.

    Attributes
    ----------
    seconds
        The median.
    longest
        Of those that were measured.
    spread
        Standard deviation.
    jobs
        How many were measured; none where all were long.
    """

    seconds: float
    longest: float
    spread: float
    jobs: int


def measured_speeds(ran: Iterable[Ran]) -> list[Speed]:
    """Seconds a pass of what ran, and the start of jobs by device.

    A start is the median of short jobs: those of few passes an image that are expected to take a
    few seconds after it. Jobs of a model with a method tell their speed where their median is
    beyond the start by `TELLING` times the spread of starts, and where they make many passes an
    image: few tell how long decoding and storing take.
    """
    by_device: dict[Device, list[Ran]] = defaultdict(list)
    for one in ran:
        by_device[one.device].append(one)
    found = []
    for device, jobs in by_device.items():
        starts = _starts(device, jobs)
        if starts.jobs:
            told = starts.jobs, 0, starts.seconds, starts.longest, 0
            found.append(Speed("", STARTING, device, *told))
        found += _speeds(device, jobs, starts)
    return found


def _starts(device: Device, jobs: list[Ran]) -> _Starts:
    short = [one.seconds for one in jobs if _is_short(one, PACES[device].image)]
    if not short:
        # What is shorter than any start is known to take holds one all the same.
        seconds = min(START, *(one.seconds for one in jobs))
        return _Starts(seconds, seconds, seconds, 0)
    seconds = median(short)
    if len(short) == 1:
        return _Starts(seconds, seconds, seconds, 1)
    spread = _NORMAL * median(abs(one - seconds) for one in short)
    return _Starts(seconds, max(short), max(spread, _LEAST_SPREAD * seconds), len(short))


def _is_short(one: Ran, image: float) -> bool:
    few = one.passes < MANY * one.images
    return few and one.images * image + one.passes * one.estimated <= _SHORT


def _speeds(device: Device, jobs: list[Ran], starts: _Starts) -> list[Speed]:
    by_name: dict[tuple[str, str], list[Ran]] = defaultdict(list)
    for one in jobs:
        if one.passes >= MANY * one.images > 0:
            by_name[one.model, one.method].append(one)
    rows = []
    for (model, method), alike in by_name.items():
        beyond = median(one.seconds for one in alike) - starts.seconds
        if beyond <= TELLING * starts.spread:
            continue
        each = [(one.seconds - starts.seconds) / one.passes for one in alike]
        passes = median(one.passes / one.images for one in alike)
        told = model, method, device, len(alike), passes
        rows.append(Speed(*told, median(each), max(each), alike[0].estimated))
    return rows
