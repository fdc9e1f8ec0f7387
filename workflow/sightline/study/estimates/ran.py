"""What ran of a study: its finished jobs, what they took, and on which device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sightline.errors import SightlineError
from sightline.maps.store import map_file
from sightline.study.estimates.benchmarks import finished_times
from sightline.study.estimates.cost import RUNNING
from sightline.study.estimates.demand import Demands
from sightline.study.estimates.expected import Expected
from sightline.study.estimates.speeds import Device, Speeds, estimated
from sightline.study.estimates.storage import MAPS
from sightline.study.resolve import ResolvedStudy

_DEVICES: dict[str, Device] = {"cpu": "cpu", "cuda": "cuda"}


@dataclass(frozen=True)
class Timed:
    """A finished job that ran a model.

    Attributes
    ----------
    job
        Which.
    device
        On which its model ran.
    seconds
        That it took, start included.
    """

    job: Expected
    device: Device
    seconds: float


@dataclass(frozen=True)
class Ran:
    """What such a job says of speeds.

    Attributes
    ----------
    model, method
        Under which its speed is kept.
    device
        On which its model ran.
    images, passes
        As declared.
    seconds
        That it took, start included.
    estimated
        Seconds a pass by the model's size.
    """

    model: str
    method: str
    device: Device
    images: int
    passes: float
    seconds: float
    estimated: float


class Finished:
    """The finished jobs of a study that ran a model and were timed.

    Map files say on which device they were made. What stores no maps (predictions, experiments,
    checks) ran where its model's maps were made, the first of each method; where these differ,
    or there are none, nobody knows, and such a job is left out.

    Parameters
    ----------
    study
        With results.
    by_rule
        Its jobs.
    """

    def __init__(self, study: ResolvedStudy, by_rule: Mapping[str, Sequence[Expected]]) -> None:
        self._study = study
        self._by_rule = by_rule
        self._devices: dict[str, Device] = {}

    def of(self, rule: str, most: int = 0) -> tuple[list[Timed], int]:
        """Jobs of a rule.

        Each one's map file is read whole, to be held against its checksum.

        Parameters
        ----------
        rule
            One of `sightline.study.estimates.cost.RUNNING`.
        most
            Take no more, spread over all of them; 0: take all.

        Returns
        -------
        list, int
            The jobs, and how many there are.
        """
        timed = list(finished_times(self._study, self._by_rule.get(rule, [])))
        step = max(1, -(-len(timed) // most)) if most else 1
        found = [
            Timed(job, device, seconds)
            for job, seconds in timed[::step]
            if (device := self._device(job)) is not None
        ]
        return found, len(timed)

    def _device(self, job: Expected) -> Device | None:
        if job.rule in MAPS:
            return self._of_file(job.file)
        return self._of_models.get(job.wildcards["model"])

    @cached_property
    def _of_models(self) -> dict[str, Device]:
        """Where each model ran, of those of which it is one device."""
        first: dict[tuple[str, str], str] = {}
        for job in self._by_rule.get("explain", []):
            key = job.wildcards["model"], job.wildcards["method"]
            if key not in first and job.done(self._study.results):
                first[key] = job.file
        found: dict[str, set[Device]] = {}
        for (model, _), file in first.items():
            found.setdefault(model, set()).add(self._of_file(file))
        return {model: devices.pop() for model, devices in found.items() if len(devices) == 1}

    def _of_file(self, file: str) -> Device:
        if file not in self._devices:
            path = self._study.results / file
            with map_file(path) as opened:
                told = str(opened.attrs["device"])
            device = _DEVICES.get(told.partition(":")[0])
            if device is None:
                raise SightlineError(
                    f"{path} was made on the device {told!r}; speeds are kept of "
                    f"{' and '.join(_DEVICES)}."
                )
            self._devices[file] = device
        return self._devices[file]


def finished_jobs(study: ResolvedStudy, by_rule: Mapping[str, Sequence[Expected]]) -> list[Ran]:
    """What all finished jobs of a study say of speeds."""
    demands = Demands(study, Speeds(), "cpu")
    finished = Finished(study, by_rule)
    return list(_ran(demands, (one for rule in RUNNING for one in finished.of(rule)[0])))


def _ran(demands: Demands, timed: Iterable[Timed]) -> Iterator[Ran]:
    for one in timed:
        job = one.job
        model, method = demands.timed(job.rule, job.wildcards)
        work = demands.work(job.rule, job.wildcards)
        expected = estimated(demands.sizes[job.wildcards["model"]], one.device)
        yield Ran(model, method, one.device, work.images, work.passes, one.seconds, expected)
