"""The steps of a scaling by name, and what they take.

The workflow checks a configuration each time it parses, so nothing here imports
numpy; `sightline.maps.scaling` takes the steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from sightline.errors import SightlineError, unknown

# What is written behind a step's name, each after a colon.
STEPS: dict[str, tuple[str, ...]] = {
    "raw": (),
    "positive": (),
    "abs": (),
    "max": (),
    "minmax": (),
    "clip": ("low", "high"),
}


class Step(NamedTuple):
    """A step with its arguments."""

    name: str
    arguments: tuple[float, ...] = ()


def parse_steps(steps: Sequence[str]) -> list[Step]:
    """A scaling's steps, each a name or ``name:argument:argument``.

    Raises
    ------
    SightlineError
        For an unknown step, with the nearest known one; for wrong arguments; for
        ``raw`` beside other steps.
    """
    found = [_parse(step) for step in steps]
    if len(found) > 1 and any(step.name == "raw" for step in found):
        raise SightlineError(
            f"The scaling step 'raw' leaves maps as they are: it stands alone, got {list(steps)}."
        )
    return found


def _parse(step: str) -> Step:
    name, *given = step.split(":")
    if name not in STEPS:
        raise unknown("scaling step", name, STEPS)
    wrong = f"The scaling step {step!r} has wrong arguments: expected "
    form = ":".join([name, *STEPS[name]])
    if len(given) != len(STEPS[name]):
        raise SightlineError(f"{wrong}{form}.")
    try:
        numbers = tuple(map(float, given))
    except ValueError as error:
        raise SightlineError(f"{wrong}{form}, as numbers.") from error
    if name == "clip" and not (
        all(map(math.isfinite, numbers)) and 0 <= numbers[0] < numbers[1] <= 100
    ):
        raise SightlineError(f"{wrong}{form}, increasing percentiles from 0 to 100.")
    return Step(name, numbers)
