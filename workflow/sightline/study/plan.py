"""What running a study takes, before anything runs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sightline.study.benchmarks import finished_times
from sightline.study.cost import RUNNING
from sightline.study.demand import Demand, Demands
from sightline.study.expected import Expected, expected_jobs
from sightline.study.merging import Merging
from sightline.study.storage import compared_bytes, stored_bytes

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

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
        Of the allocation's time, that in which models run.
    bound
        The same of a single job of all images: more than that, no bundle reaches.
    """

    jobs: int
    share: float
    bound: float


@dataclass(frozen=True)
class Line:
    """Of a rule, what is still to do.

    Attributes
    ----------
    rule
        Its name.
    jobs, done
        How many there are, and how many of them have their file.
    passes
        Of the model, of those to do.
    seconds
        That they take, one after the other.
    computing
        The same without their starts.
    longest
        The one that takes longest, and how long.
    megabytes, cores
        The most that one asks for.
    """

    rule: str
    jobs: int
    done: int
    passes: float = 0.0
    seconds: float = 0.0
    computing: float = 0.0
    longest: tuple[str, float] = ("", 0.0)
    megabytes: int = 0
    cores: int = 1

    @property
    def left(self) -> int:
        """Jobs to do."""
        return self.jobs - self.done


class Plan:
    """The jobs of a study and what they take.

    Parameters
    ----------
    study
        As resolved; its images are listed.
    demands
        Of its jobs that run a model.
    """

    def __init__(self, study: ResolvedStudy, demands: Demands) -> None:
        self._study = study
        self._demands = demands
        self._merging = Merging(study)

    @cached_property
    def by_rule(self) -> dict[str, list[Expected]]:
        """The study's jobs."""
        found = defaultdict(list)
        for one in expected_jobs(self._study):
            found[one.rule].append(one)
        return dict(found)

    @cached_property
    def _done(self) -> dict[str, set[str]]:
        """Of each rule, the files that are there."""
        return {
            rule: {one.file for one in jobs if one.done(self._study.results)}
            for rule, jobs in self.by_rule.items()
        }

    def to_do(self, rule: str) -> list[Expected]:
        """Jobs of a rule whose file is missing."""
        return [one for one in self.by_rule[rule] if one.file not in self._done[rule]]

    def running(self) -> list[Line]:
        """Of each rule whose jobs run a model."""
        return [self._running(rule) for rule in self.by_rule if rule in RUNNING]

    def merging(self) -> list[Line]:
        """Of each rule whose jobs run none."""
        return [self._merges(rule) for rule in self.by_rule if rule not in RUNNING]

    def _running(self, rule: str) -> Line:
        jobs = [(one, self._demands.job(rule, one.wildcards)) for one in self.to_do(rule)]
        longest = max(jobs, key=lambda job: job[1].seconds, default=None)
        return Line(
            rule=rule,
            jobs=len(self.by_rule[rule]),
            done=len(self._done[rule]),
            passes=sum(demand.passes for _, demand in jobs),
            seconds=sum(demand.seconds for _, demand in jobs),
            computing=sum(demand.computing for _, demand in jobs),
            longest=(longest[0].file, longest[1].seconds) if longest else ("", 0.0),
            megabytes=max(
                (self._demands.memory(rule, one.wildcards, 1) for one, _ in jobs), default=0
            ),
            cores=max((demand.cores for _, demand in jobs), default=1),
        )

    def _merges(self, rule: str) -> Line:
        todo = self.to_do(rule)
        known = rule in Merging.RULES
        times = [(one.file, self._merging.seconds(rule, one.wildcards)) for one in todo if known]
        memory = [self._merging.memory(rule, one.wildcards, 1) for one in todo if known]
        return Line(
            rule=rule,
            jobs=len(self.by_rule[rule]),
            done=len(self._done[rule]),
            seconds=sum(seconds for _, seconds in times),
            longest=max(times, key=lambda one: one[1], default=("", 0.0)),
            megabytes=max(memory, default=0),
        )

    def storage(self) -> float:
        """Bytes of all maps, of those that are there too."""
        return stored_bytes(self._study, self._demands.sizes, self.by_rule)

    def compared(self) -> float:
        """Bytes of what is kept of each pair of models and image."""
        return compared_bytes(self._study)

    def bundles(self) -> dict[str, Bundle]:
        """Of each rule with several jobs a model, how many belong into one allocation."""
        found = {}
        for rule in RUNNING:
            jobs = self.to_do(rule) if rule in self.by_rule else []
            each = len(jobs) / max(1, len({one.wildcards["model"] for one in jobs}))
            if each > 1:
                found[rule] = bundle(
                    [self._demands.job(rule, one.wildcards) for one in jobs], math.ceil(each)
                )
        return found

    def assumed(self) -> list[str]:
        """Models whose size is not known."""
        return [name for name, size in self._demands.sizes.items() if not size.known]


def bundle(jobs: Iterable[Demand], most: int) -> Bundle:
    """How many of some jobs one allocation should run, one after the other.

    So many that jobs compute 95 % of its time. Each starts anew, so where starts alone take more
    than 5 % that cannot be reached: then so many that the allocation itself takes less than 5 %.

    Parameters
    ----------
    jobs
        What each takes.
    most
        How many there are of one model.
    """
    demands = list(jobs)
    computing = sum(one.computing for one in demands) / len(demands)
    whole = sum(one.seconds for one in demands) / len(demands)
    spare = computing - COMPUTING * whole
    if spare > 0:
        wanted = math.ceil(COMPUTING * ALLOCATING / spare)
    else:
        wanted = math.ceil(COMPUTING * ALLOCATING / ((1 - COMPUTING) * whole))
    longest = max(1, int(LONGEST_BUNDLE / whole))
    count = max(1, min(wanted, most, longest))
    return Bundle(count, count * computing / (ALLOCATING + count * whole), computing / whole)


@dataclass(frozen=True)
class Held:
    """What a rule's finished jobs took beside what was expected of them.

    Attributes
    ----------
    rule
        Its name.
    jobs
        That were timed.
    expected, took
        Seconds of all of them.
    """

    rule: str
    jobs: int
    expected: float
    took: float


def held_against(study: ResolvedStudy, plan: Plan, demands: Demands) -> list[Held]:
    """Of each rule whose jobs run a model, the estimate beside what ran.

    Parameters
    ----------
    study, plan
        With results.
    demands
        What was expected.
    """
    found = []
    for rule in RUNNING:
        timed = list(finished_times(study, plan.by_rule.get(rule, [])))
        if timed:
            expected = sum(demands.job(rule, one.wildcards).seconds for one, _ in timed)
            found.append(Held(rule, len(timed), expected, sum(seconds for _, seconds in timed)))
    return found
