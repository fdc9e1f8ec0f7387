"""Transforms of Albumentations that corrupt images, at several strengths.

Which there are, their arguments, and between which numbers these lie, is written down in
corruptions.json by tools/corruptions.py: a study is checked without the package, before any job.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sightline.errors import SightlineError, unknown

# What stands in arguments for the strength.
STRENGTH = "x"
# Of each form of an argument, ``number`` or ``pair``, its least and greatest number.
Forms = dict[str, tuple[float | None, float | None]]


@cache
def known() -> dict[str, dict[str, Forms]]:
    """Arguments of each transform by its name."""
    path = Path(__file__).with_name("corruptions.json")
    found: dict[str, dict[str, Forms]] = json.loads(path.read_text())
    return found


class Corruption(BaseModel):
    """A transform and the strengths at which it is applied."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    transform: str = Field(description="its name in Albumentations 2.0.8")
    x: list[int | float] = Field(min_length=1, description="strengths, in increasing order")
    args: dict[str, Any] = Field(
        default_factory=dict, description="its arguments; x in them is the strength"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            _check(self.transform, self.args)
        except SightlineError as error:
            raise ValueError(str(error)) from error
        check_strengths("x", self.x)
        if not _holds_strength(self.args):
            raise ValueError(f"no argument holds the strength: write {STRENGTH} where it goes")
        for x in self.x:
            for name, value in self.at(x).items():
                _check_range(self.transform, name, value)
        return self

    def at(self, x: float) -> dict[str, Any]:
        """The arguments at a strength."""
        return {name: _put(value, x) for name, value in self.args.items()}


def check_strengths(name: str, values: Sequence[float]) -> None:
    """Refuse what makes no curve, or two points of one name.

    Raises
    ------
    ValueError
        Where they do not increase, hold 0 or are alike to six digits.
    """
    if list(values) != sorted(set(values)):
        raise ValueError(f"{name} is {list(values)}: expected different numbers, increasing")
    if 0 in values:
        raise ValueError(f"{name} holds 0: every curve begins there, with the image as it is")
    if len({f"{value:g}" for value in values}) < len(values):
        raise ValueError(f"{name} is {list(values)}: two of them are one number to six digits")


def _check(transform: str, args: dict[str, Any]) -> None:
    if transform not in known():
        raise unknown("transform of Albumentations that leaves things in place", transform, known())
    for name in args:
        if name not in known()[transform]:
            raise unknown(f"argument of {transform}", name, known()[transform])


def _check_range(transform: str, name: str, value: Any) -> None:
    """Refuse numbers that the argument cannot have; of other values the job says it."""
    values = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return
    form = "number" if values is not value else "pair" if len(values) == 2 else ""
    low, high = known()[transform][name].get(form, (None, None))
    least, most = -inf if low is None else low, inf if high is None else high
    if any(not least <= one <= most for one in values):
        expected = (
            f"{low:g} to {high:g}"
            if low is not None and high is not None
            else (f"{high:g} or less" if low is None else f"{low:g} or more")
        )
        raise ValueError(f"{name} of {transform} would be {value}: expected {expected}")


def _holds_strength(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        inner = value.values() if isinstance(value, dict) else value
        return any(map(_holds_strength, inner))
    return bool(value == STRENGTH)


def _put(value: Any, x: float) -> Any:
    """A value with the strength in its place."""
    if isinstance(value, dict):
        return {name: _put(one, x) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_put(one, x) for one in value]
    return x if value == STRENGTH else value


# A share of the pixels black; noise of so much standard deviation, of 0 to 1; so much brighter.
USUAL = {
    "dropout": Corruption(
        transform="PixelDropout", x=[0.05, 0.1, 0.2], args={"dropout_prob": STRENGTH}
    ),
    "noise": Corruption(
        transform="GaussNoise", x=[0.05, 0.1, 0.2], args={"std_range": [STRENGTH, STRENGTH]}
    ),
    "brightness": Corruption(
        transform="RandomBrightnessContrast",
        x=[0.1, 0.2, 0.4],
        args={"brightness_limit": [STRENGTH, STRENGTH], "contrast_limit": [0, 0]},
    ),
}
