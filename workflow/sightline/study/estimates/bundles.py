"""How many jobs of a model to put into one allocation of a cluster.

Snakemake takes one number for each rule, not one for each model: its groups are counted by their
name in the profile (`explain-{model}`), whatever model stands there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sightline.study.estimates.demand import Demand, asked_minutes

# Of an allocation, until its first job starts: SLURM's own and Snakemake's, which reads the
# Snakefile twice there.
ALLOCATING = 10.0
# The share of an allocation's time that jobs should compute.
COMPUTING = 0.95
# No bundle takes longer than this: what is lost with a node stays small.
LONGEST_BUNDLE = 12 * 3600.0


@dataclass(frozen=True)
class Bundle:
    """How many jobs of a rule to put into one allocation.

    Attributes
    ----------
    jobs
        So many, of one model.
    share
        Of the time of all allocations, that in which models run.
    least
        The model of whose allocations that is least, and how much.
    starting
        Of that model's time, what is left where starts of jobs alone are counted: no bundle
        reaches more.
    longest
        The model with the longest allocation, and its seconds.
    """

    jobs: int
    share: float
    least: tuple[str, float]
    starting: float
    longest: tuple[str, float]


def fitting(asked: Callable[[int], int], minutes: int, most: int) -> int:
    """How many jobs may share an allocation, each of which asks for its part of it.

    Parameters
    ----------
    asked
        The minutes that the longest job asks for, by how many share the allocation.
    minutes
        The most that an allocation may ask for.
    most
        Not more than so many jobs.

    Returns
    -------
    int
        At most `most`; 0 where a job alone asks for more.
    """
    found = range(min(most, minutes), 0, -1)
    return next((count for count in found if asked(count) <= minutes // count), 0)


def bundle(by_model: Mapping[str, Sequence[Demand]], minutes: int | None = None) -> Bundle:
    """How many of a rule's jobs one allocation should run, one after the other.

    So many that of each model's allocations `COMPUTING` of the time is spent computing. Each job
    starts anew, so where starts alone take more than the rest that cannot be reached: then so many
    that the allocations themselves take less than that. But never so many that the longest jobs of
    some model, together, take longer than `LONGEST_BUNDLE`, or ask for more than an allocation may.

    Parameters
    ----------
    by_model
        What each job of each model takes; at least one job a model.
    minutes
        The most that an allocation may ask for; no limit unless given.
    """
    most = max(len(jobs) for jobs in by_model.values())
    allowed = min(_ending(jobs, most) for jobs in by_model.values())
    if minutes is not None:
        most_seconds = max(job.slowest for jobs in by_model.values() for job in jobs)
        allowed = max(
            1, fitting(lambda count: asked_minutes(most_seconds, 1, count), minutes, allowed)
        )
    count = min(max(_wanted(jobs) for jobs in by_model.values()), allowed)
    shares = {model: _share(jobs, count) for model, jobs in by_model.items()}
    lengths = {model: ALLOCATING + _longest(jobs, count) for model, jobs in by_model.items()}
    least = min(shares, key=lambda model: shares[model])
    slowest = max(lengths, key=lambda model: lengths[model])
    every = [job for jobs in by_model.values() for job in jobs]
    allocations = sum(math.ceil(len(jobs) / count) for jobs in by_model.values())
    return Bundle(
        jobs=count,
        share=_computing(every) / (_seconds(every) + ALLOCATING * allocations),
        least=(least, shares[least]),
        starting=_computing(by_model[least]) / _seconds(by_model[least]),
        longest=(slowest, lengths[slowest]),
    )


def _wanted(jobs: Sequence[Demand]) -> int:
    """The fewest that spend enough of a model's time computing; all where none do."""
    computing, whole = _computing(jobs), _seconds(jobs)
    spare = computing / COMPUTING - whole
    if spare <= 0:
        spare = (1 / COMPUTING - 1) * whole
    allocations = int(spare / ALLOCATING + 1e-6)
    return len(jobs) if allocations < 1 else math.ceil(len(jobs) / allocations)


def _ending(jobs: Sequence[Demand], most: int) -> int:
    """How many of the longest jobs end in time, at least one; no limit where all of them do."""
    total = ALLOCATING
    for number, seconds in enumerate(sorted((one.seconds for one in jobs), reverse=True)):
        total += seconds
        if total > LONGEST_BUNDLE:
            return max(1, number)
    return most


def _share(jobs: Sequence[Demand], count: int) -> float:
    """Of a model's allocations of so many jobs each, the time in which it runs."""
    return _computing(jobs) / (_seconds(jobs) + ALLOCATING * math.ceil(len(jobs) / count))


def _longest(jobs: Sequence[Demand], count: int) -> float:
    return sum(sorted((one.seconds for one in jobs), reverse=True)[:count])


def _computing(jobs: Sequence[Demand]) -> float:
    return sum(one.computing for one in jobs)


def _seconds(jobs: Sequence[Demand]) -> float:
    return sum(one.seconds for one in jobs)
