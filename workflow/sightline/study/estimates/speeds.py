"""Seconds a pass: measured by finished runs, or else estimated from a model's size.

What was measured lies in `resources/speeds.csv`, one table for all studies of a folder, written
by `sightline speeds` from the `benchmark:` files of runs. It decides how much time jobs ask for and
what `sightline plan` says, and nothing else: no range and no file is named by it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, Literal

from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.methods.catalogue import CATALOGUE
from sightline.models.sizes import Size
from sightline.study.ids import canonical_json

TABLE = Path("resources/speeds.csv")
Device = Literal["cpu", "cuda"]
# A job's start until its first pass, where none was measured: Python, torch, timm, weights, the
# device.
START = 10.0
# Fewer passes an image tell how long decoding and storing take, not the model.
MANY = 16
# Stands for the start itself, among the methods of a table.
STARTING = "(start)"


@dataclass(frozen=True)
class Pace:
    """How fast a device is taken to be.

    Attributes
    ----------
    gmacs
        1e9 multiplications with additions, a second.
    values
        Outputs of modules written, in millions, a second.
    image
        Seconds that each image takes besides: decoding, segments, storing.
    """

    gmacs: float
    values: float
    image: float


# About half of what was measured on one core of a server; of a GPU assumed, an eighth of the peak
# of a T4, the slowest in common use: a job that asks for too little time is stopped.
PACES: dict[Device, Pace] = {
    "cpu": Pace(gmacs=20, values=1_200, image=0.05),
    "cuda": Pace(gmacs=1_000, values=20_000, image=0.05),
}


@dataclass(frozen=True)
class Speed:
    """A row of the table.

    Attributes
    ----------
    model
        As `model_key` says it.
    method
        The method's or the experiment's name, not its id; `STARTING` for the start, of no model.
    device
        On which.
    jobs
        Of how many.
    passes
        That the method makes of an image.
    seconds
        A pass, the median of the jobs; of `STARTING` all of a start.
    slowest
        The same of the slowest job.
    estimated
        A pass by the model's size, what was expected before.
    """

    model: str
    method: str
    device: str
    jobs: int
    passes: float
    seconds: float
    slowest: float
    estimated: float


def model_key(spec: dict[str, Any], size: Size) -> str:
    """What tells models apart that take different times: name, arguments and the images' size."""
    args = f" {canonical_json(spec['args'])}" if spec["args"] else ""
    return f"{spec['name']}{args} {size.height}x{size.width}"


def estimated(size: Size, device: Device) -> float:
    """Seconds of a forward pass of one image, from a model's size."""
    pace = PACES[device]
    return size.gmacs / pace.gmacs + size.outputs / pace.values


class Speeds:
    """All that is known of speeds.

    Parameters
    ----------
    rows
        What was measured.
    """

    def __init__(self, rows: Iterable[Speed] = ()) -> None:
        self._rows = {(one.model, one.method, one.device): one for one in rows}

    @property
    def rows(self) -> list[Speed]:
        """All of them."""
        return list(self._rows.values())

    @cached_property
    def _telling(self) -> list[Speed]:
        """Rows that tell the model's own speed: of methods, with many passes an image."""
        return [
            one for one in self._rows.values() if one.method in CATALOGUE and one.passes >= MANY
        ]

    @cached_property
    def _of_models(self) -> dict[tuple[str, str], Speed]:
        """Of each model and device, the slowest of its methods that tell."""
        found: dict[tuple[str, str], Speed] = {}
        for one in self._telling:
            slowest = found.setdefault((one.model, one.device), one)
            if one.slowest > slowest.slowest:
                found[one.model, one.device] = one
        return found

    @property
    def devices(self) -> set[str]:
        """Of which something is known."""
        return {one.device for one in self._rows.values()}

    def start(self, device: Device) -> float:
        """Seconds until a job's first pass."""
        one = self._rows.get(("", STARTING, device))
        return START if one is None else one.seconds

    def exact(self, model: str, method: str, device: Device) -> Speed | None:
        """What was measured of a model with a method of many passes; None where nothing was."""
        one = self._rows.get((model, method, device))
        # Another number of few passes would take another time each.
        return one if one is not None and one.passes >= MANY else None

    def of_model(self, model: str, device: Device) -> Speed | None:
        """What was measured of a model with its slowest method."""
        return self._of_models.get((model, device))

    @cached_property
    def _factors(self) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for one in self._telling:
            if one.estimated > 0:
                found.setdefault(one.device, []).append(one.seconds / one.estimated)
        return {device: median(ratios) for device, ratios in found.items()}

    def factor(self, device: Device) -> float:
        """Of what is estimated from sizes, the share that passes took here: the median of rows."""
        return self._factors.get(device, 1.0)


def read_speeds(path: Path = TABLE) -> Speeds:
    """What was measured so far; nothing where there is no table.

    Raises
    ------
    SightlineError
        Where the table cannot be read.
    """
    if not path.exists():
        return Speeds()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return Speeds([_row(line) for line in csv.DictReader(file)])
    except OSError as error:
        raise SightlineError(
            f"{path} cannot be read: {error.strerror}. A table of speeds is a file, as "
            "`sightline speeds` writes it."
        ) from error
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise SightlineError(
            f"{path} is no table of speeds ({type(error).__name__}: {error}). Delete it, and make "
            "it again by `sightline speeds STUDY.yaml` of studies that have run."
        ) from error


def _row(line: dict[str, str]) -> Speed:
    seconds, slowest = float(line["seconds"]), float(line["slowest"])
    if not (0 <= seconds <= slowest < float("inf")):
        raise ValueError(f"{seconds} and {slowest} are no times")
    return Speed(
        model=line["model"],
        method=line["method"],
        device=line["device"],
        jobs=int(line["jobs"]),
        passes=float(line["passes"]),
        seconds=seconds,
        slowest=slowest,
        estimated=float(line["estimated"]),
    )


def write_speeds(rows: Iterable[Speed], path: Path = TABLE) -> None:
    """Write a table, by model."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(Speed)])
        writer.writeheader()
        for one in sorted(rows, key=lambda one: (one.device, one.model, one.method)):
            row = asdict(one)
            figures = ("passes", "seconds", "slowest", "estimated")
            rounded = {key: f"{row[key]:.4g}" for key in figures}
            writer.writerow(row | rounded)
