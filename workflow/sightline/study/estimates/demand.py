"""The time, the memory and the processors that the jobs of a study take.

On the safe side: time is what `sightline.study.estimates.speeds` says, twice, and memory as below,
half as much again. A job that nevertheless runs out is tried again with twice, then three times as
much (`attempt`), as often as the profile's `retries` say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sightline.models.sizes import Size, size_of
from sightline.study.architecture import architecture_of
from sightline.study.estimates.cost import RUNNING, Costs, Work
from sightline.study.estimates.speeds import PACES, Device, Speeds, estimated, model_key
from sightline.study.ranges import parse_range

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

# A job asks for so much more than it is expected to take.
MORE_TIME, MORE_MEMORY = 2.0, 1.5
# Of a cluster's job, the two Snakemake processes that run it there, MB.
LAUNCHING = 400
# Minutes of the shortest request, and of the longest: a week.
SHORTEST, LONGEST = 10, 7 * 24 * 60
# Minutes besides, for what no speed tells of; and the least of a job that shares an allocation: the
# last bundle of a model may hold that one alone.
SPARE, LEAST_SHARE = 5, 2
# Memory of the smallest and the largest request, MB.
SMALLEST, LARGEST = 2_000, 500_000
# Of a process with torch and timm alone, MB; with CUDA's libraries, context and pinned buffers.
PROCESS: dict[Device, float] = {"cpu": 1_200, "cuda": 4_000}
# Images in work at a time on a CPU (`sightline.models.classifier.BATCH_SIZES`); a GPU's batches lie
# in its own memory, and are halved where that runs out.
BATCH = 16
# Chunks of images as the job holds them: decoded, and the next ones (`sightline.jobs.explain`), MB.
CHUNKS = 2 * 268
# Processors that a job with a GPU asks for at most: as many as clusters commonly have for each.
MOST_CORES = 4
# Of what innermost modules put out, the share that is there at one time without gradients.
AT_ONCE = 0.25
BYTES = 4
# Rules whose jobs load a model: to find its layers also where it then runs on GPUs.
RULES = frozenset(RUNNING) | {"layers"}
# Wildcards that decide what a job takes, besides its range's length.
_NAMES = ("model", "method", "variant", "heavy")


@dataclass(frozen=True)
class Demand:
    """What a job is expected to take.

    Attributes
    ----------
    passes
        Of the model.
    start
        Seconds until the first one.
    seconds
        On the device, start included.
    slowest
        The same at the pace of the slowest job that was measured.
    megabytes
        At its peak.
    cores
        That are busy: on a CPU one; on a GPU as many as decode images as fast as it takes them.
    """

    passes: float
    start: float
    seconds: float
    slowest: float
    megabytes: float
    cores: int

    @property
    def computing(self) -> float:
        """Seconds after the start."""
        return self.seconds - self.start


class Demands:
    """What each job of a study takes.

    Parameters
    ----------
    study
        As resolved; its images are listed when a job of `sanity` is asked for.
    speeds
        What was measured.
    device
        Where models run.
    """

    def __init__(self, study: ResolvedStudy, speeds: Speeds, device: Device) -> None:
        self._study = study
        self._speeds = speeds
        self._device = device
        self._known: dict[tuple[Any, ...], Demand] = {}

    @cached_property
    def sizes(self) -> dict[str, Size]:
        """Of each model."""
        return {
            name: size_of(one.spec, architecture_of(one))
            for name, one in self._study.models.items()
        }

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {
            name: model_key(one.spec, self.sizes[name]) for name, one in self._study.models.items()
        }

    @cached_property
    def costs(self) -> Costs:
        """The work of jobs."""
        return Costs(self._study)

    def work(self, rule: str, wildcards: Mapping[str, str]) -> Work:
        """What a job of a rule of `RULES` does."""
        return self.costs.of(rule, wildcards, _images(wildcards))

    def job(self, rule: str, wildcards: Mapping[str, str]) -> Demand:
        """What a job of a rule of `RULES` is expected to take."""
        named = {name: wildcards[name] for name in _NAMES if name in wildcards}
        images = _images(wildcards)
        key = (rule, images, *named.items())
        # Of a hundred thousand jobs, few differ in more than where their range begins.
        if key not in self._known:
            work = self.costs.of(rule, named, images)
            self._known[key] = self._demand(rule, named, work)
        return self._known[key]

    def _timed(self, rule: str, words: Mapping[str, str]) -> str:
        """Under which name a job's speed is kept."""
        if rule == "evaluate_model":
            return self._study.evaluation.experiments[words["heavy"]].experiment.name
        return self._study.methods[words["method"]].method.name if "method" in words else rule

    def timed(self, rule: str, wildcards: Mapping[str, str]) -> tuple[str, str]:
        """The model and the method under which a job's speed is kept."""
        return self._keys[wildcards["model"]], self._timed(rule, wildcards)

    def _demand(self, rule: str, words: Mapping[str, str], work: Work) -> Demand:
        probing = rule == "layers"
        size, device = self.sizes[words["model"]], "cpu" if probing else self._device
        start, each = self._speeds.start(device), work.images * PACES[device].image
        key, timed = self._keys[words["model"]], self._timed(rule, words)
        exact, alike = self._speeds.exact(key, timed, device), self._speeds.of_model(key, device)
        if exact is not None:
            usual, slowest = work.passes * exact.seconds, work.passes * exact.slowest
        elif alike is not None:
            usual, slowest = (each + work.passes * one for one in (alike.seconds, alike.slowest))
        else:
            one_pass = estimated(size, device)
            factor = self._speeds.factor(device)
            usual = each + work.passes * one_pass * factor
            slowest = each + work.passes * one_pass * max(1.0, factor)
        return Demand(
            passes=work.passes,
            start=start,
            seconds=start + usual,
            slowest=start + slowest,
            megabytes=probing_megabytes(size, work) if probing else megabytes(size, work, device),
            cores=cores(size, work, device),
        )

    def seconds(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """What a job is expected to take."""
        return self.job(rule, wildcards).seconds

    def minutes(
        self, rule: str, wildcards: Mapping[str, str], attempt: int, together: int = 1
    ) -> int:
        """The time that a job asks for; so many share an allocation."""
        return asked_minutes(self.job(rule, wildcards).slowest, attempt, together)

    def memory(self, rule: str, wildcards: Mapping[str, str], attempt: int) -> int:
        """The memory that a job asks for, MB."""
        return asked_megabytes(self.job(rule, wildcards).megabytes, attempt)


def _images(wildcards: Mapping[str, str]) -> int:
    """Of a job's range; none where it has none."""
    name = wildcards.get("range")
    return 0 if name is None else len(parse_range(name))


def megabytes(size: Size, work: Work, device: Device) -> float:
    """Memory of a job that runs a model, MB.

    The process; weights twice, as a file and in the model; images; and on a CPU the batch: what a
    pass keeps for gradients, or what of its outputs is there at one time, besides the images.
    """
    held = _loaded(size, device) + CHUNKS
    return held + (_passing(size, work, BATCH) if device == "cpu" else 0)


def probing_megabytes(size: Size, work: Work) -> float:
    """Memory of a job that finds a model's layers, MB: on a processor, of noise, in one batch."""
    return _loaded(size, "cpu") + _passing(size, work, work.images)


def _loaded(size: Size, device: Device) -> float:
    return PROCESS[device] + 2 * BYTES * size.weights


def _passing(size: Size, work: Work, batch: int) -> float:
    image = 3 * size.height * size.width / 1e6
    each = size.outputs * AT_ONCE + (size.kept if work.gradients else 0) + 2 * image
    return batch * BYTES * each


def cores(size: Size, work: Work, device: Device) -> int:
    """Processors of a job that runs a model."""
    if device == "cpu":
        return 1
    decoding = work.images * PACES[device].image
    return min(MOST_CORES, max(1, math.ceil(decoding / (work.passes * estimated(size, device)))))


def asked_minutes(seconds: float, attempt: int, together: int = 1) -> int:
    """The time to ask for where so many seconds are expected.

    Parameters
    ----------
    seconds
        Of the job.
    attempt
        How often it is tried, this time included.
    together
        How many jobs share an allocation. It asks for the sum of what they ask for, so each has
        its part of what is asked for besides.
    """
    least = SHORTEST if together == 1 else max(LEAST_SHARE, math.ceil(SHORTEST / together))
    wanted = max(least, math.ceil(MORE_TIME * seconds / 60 + SPARE / together))
    return min(wanted * attempt, LONGEST // together)


def asked_megabytes(expected: float, attempt: int) -> int:
    """The memory to ask for where so much is expected, in steps of 500 MB."""
    wanted = max(SMALLEST, 500 * math.ceil((MORE_MEMORY * expected + LAUNCHING) / 500))
    return min(wanted * attempt, LARGEST)
