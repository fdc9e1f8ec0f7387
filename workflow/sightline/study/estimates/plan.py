"""What running a study takes, before anything runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sightline.study.estimates.bundles import Bundle, bundle
from sightline.study.estimates.cost import RUNNING
from sightline.study.estimates.demand import RULES, Demands
from sightline.study.estimates.expected import Expected, expected_jobs
from sightline.study.estimates.merging import Merging
from sightline.study.estimates.storage import Storage

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy


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
        Of its jobs that load a model.
    """

    def __init__(self, study: ResolvedStudy, demands: Demands) -> None:
        self._study = study
        self._demands = demands
        self._merging = Merging(study)

    @cached_property
    def by_rule(self) -> dict[str, list[Expected]]:
        """The study's jobs."""
        return jobs_by_rule(self._study)

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

    def others(self) -> list[Line]:
        """Of each other rule: processors alone are asked for."""
        return [self._other(rule) for rule in self.by_rule if rule not in RUNNING]

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

    @cached_property
    def _estimates(self) -> dict[str, Demands | Merging]:
        """By rule, what knows its jobs."""
        return {
            **dict.fromkeys(RULES, self._demands),
            **dict.fromkeys(Merging.RULES, self._merging),
        }

    def _other(self, rule: str) -> Line:
        todo, of = self.to_do(rule), self._estimates[rule]
        times = [(one.file, of.seconds(rule, one.wildcards)) for one in todo]
        return Line(
            rule=rule,
            jobs=len(self.by_rule[rule]),
            done=len(self._done[rule]),
            seconds=sum(seconds for _, seconds in times),
            longest=max(times, key=lambda one: one[1], default=("", 0.0)),
            megabytes=max((of.memory(rule, one.wildcards, 1) for one in todo), default=0),
        )

    def most_asked(self, attempt: int) -> tuple[tuple[int, str], tuple[int, str]] | None:
        """The most minutes and the most megabytes that a job to do asks for, and of which rule."""
        jobs = [(rule, one.wildcards) for rule in self.by_rule for one in self.to_do(rule)]
        if not jobs:
            return None
        of = self._estimates
        return (
            max((of[rule].minutes(rule, words, attempt), rule) for rule, words in jobs),
            max((of[rule].memory(rule, words, attempt), rule) for rule, words in jobs),
        )

    def storage(self) -> dict[str, float]:
        """Bytes of all results, of those that are there too, by what they are."""
        return Storage(self._study, self._demands.sizes, self.by_rule).parts()

    def bundles(self, minutes: int | None = None) -> dict[str, Bundle]:
        """Of each rule with several jobs to do of a model, how many belong into one allocation.

        Parameters
        ----------
        minutes
            The most that an allocation may ask for; no limit unless given.
        """
        found = {}
        for rule in RUNNING:
            by_model = defaultdict(list)
            for one in self.to_do(rule) if rule in self.by_rule else []:
                by_model[one.wildcards["model"]].append(self._demands.job(rule, one.wildcards))
            if by_model and max(map(len, by_model.values())) > 1:
                found[rule] = bundle(by_model, minutes)
        return found

    def assumed(self) -> list[str]:
        """Models whose size is not known."""
        return [name for name, size in self._demands.sizes.items() if not size.known]


def jobs_by_rule(study: ResolvedStudy) -> dict[str, list[Expected]]:
    """A study's jobs that are worth counting."""
    found = defaultdict(list)
    for one in expected_jobs(study):
        found[one.rule].append(one)
    return dict(found)
