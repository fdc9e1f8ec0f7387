"""Seconds a pass, from what Snakemake's `benchmark:` files say of a study's finished jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import h5py

from sightline.study.benchmarks import finished_times
from sightline.study.cost import RUNNING
from sightline.study.demand import Demands
from sightline.study.expected import Expected, expected_jobs
from sightline.study.resolve import ResolvedStudy
from sightline.study.speeds import STARTING, Device, Speed, Speeds, reckoned

# A job tells its speed if it took so much longer than the start alone.
TELLING = 1.25
_DEVICES: dict[str, Device] = {"cpu": "cpu", "cuda": "cuda"}


@dataclass(frozen=True)
class Ran:
    """A finished job.

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
    reckoned
        Seconds a pass by the model's size.
    """

    model: str
    method: str
    device: Device
    images: int
    passes: float
    seconds: float
    reckoned: float


def finished_jobs(study: ResolvedStudy) -> list[Ran]:
    """Jobs of a study that ran a model, are done and were timed."""
    demands = Demands(study, Speeds(), "cpu")
    devices = {name: _device(study, name) for name in study.models}
    return [
        _ran(demands, one, seconds, device)
        for one, seconds in finished_times(study, expected_jobs(study))
        if one.rule in RUNNING and (device := devices[one.wildcards["model"]]) is not None
    ]


def _ran(demands: Demands, one: Expected, seconds: float, device: Device) -> Ran:
    model, method = demands.timed(one.rule, one.wildcards)
    expected = reckoned(demands.sizes[one.wildcards["model"]], device)
    work = demands.work(one.rule, one.wildcards)
    return Ran(model, method, device, work.images, work.passes, seconds, expected)


def _device(study: ResolvedStudy, model: str) -> Device | None:
    """Where a model ran: its map files say it; None where there is none."""
    for path in sorted((study.results / "maps").glob(f"*/{model}/*/*.h5")):
        with h5py.File(path) as file:
            return _DEVICES.get(str(file.attrs["device"]).partition(":")[0])
    return None


def measured_speeds(ran: Iterable[Ran]) -> list[Speed]:
    """Seconds a pass of what ran, and the start of jobs by device.

    The shortest job is taken for the start. Jobs that took hardly longer tell no speed and are left
    out.
    """
    by_device: dict[Device, list[Ran]] = defaultdict(list)
    for one in ran:
        by_device[one.device].append(one)
    found = []
    for device, jobs in by_device.items():
        start = min(one.seconds for one in jobs)
        found.append(Speed("", STARTING, device, len(jobs), 0, start, start, 0))
        found += _speeds(device, [one for one in jobs if one.seconds > TELLING * start], start)
    return found


def _speeds(device: Device, jobs: list[Ran], start: float) -> list[Speed]:
    by_name: dict[tuple[str, str], list[Ran]] = defaultdict(list)
    for one in jobs:
        if one.passes > 0:
            by_name[one.model, one.method].append(one)
    rows = []
    for (model, method), alike in by_name.items():
        each = [(one.seconds - start) / one.passes for one in alike]
        passes = median(one.passes / one.images for one in alike)
        told = model, method, device, len(alike), passes
        rows.append(Speed(*told, median(each), max(each), alike[0].reckoned))
    return rows
