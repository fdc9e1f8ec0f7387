"""What each check expects of a method, and whether it came so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

CHECKS = ("randomise", "completeness", "shift", "offset", "inside", "seeds")
# Maps that have less than half of the variance of their ranks in common are others.
ALIKE = 0.5**0.5
GAP = 0.05
# Where draws are added to the image, rounding turns the sign of some rectifier's input after all:
# 0.2 % of a SmoothGrad map of 3 samples.
CHANGE = 0.01
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Declared:
    """What the catalogue says of a method that decides what is expected of it.

    Attributes are those of `sightline.methods.catalogue.entry.Method`.
    """

    scaling: tuple[str, ...]
    complete: bool
    offset_invariant: bool
    stochastic: bool
    control: bool

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Declared:
        """From plain data, as JSON has it."""
        return cls(**{**plain, "scaling": tuple(plain["scaling"])})

    def has(self, check: str) -> bool:
        """Whether a check is defined for the method."""
        defined = {"completeness": self.complete, "seeds": self.stochastic}
        return defined.get(check, True)


@dataclass(frozen=True)
class Expected:
    """On which side of a bound the figure of a check should lie."""

    side: Literal["<", ">"]
    bound: float

    def __str__(self) -> str:
        return f"{self.side} {self.bound:.3g}"

    def met(self, value: float) -> bool:
        """Whether a value is on the right side; none that is not a number is."""
        return value < self.bound if self.side == "<" else value > self.bound


# The measure of each check that is judged; the figure of several images is their mean, or for
# completeness, whose denominator may be near 0, their median.
JUDGED = {
    "randomise": "rank_magnitude",
    "completeness": "gap",
    "shift": "follows",
    "offset": "change",
    "inside": "excess",
    "seeds": "cosine",
}


def expected(check: str, declared: Declared) -> Expected | None:
    """What is expected of a method; nothing of controls, and where theory says nothing."""
    if declared.control or (check == "offset" and not declared.offset_invariant):
        return None
    return {
        "randomise": Expected("<", ALIKE),
        "completeness": Expected("<", GAP),
        "shift": Expected(">", 0.0),
        "offset": Expected("<", CHANGE),
        "inside": Expected(">", 0.0),
    }.get(check)


def judge(rows: pd.DataFrame, declared: Declared) -> pd.DataFrame:
    """One row a check from all that was measured of one model and method.

    Parameters
    ----------
    rows
        As `sightline.jobs.sanity.check_method` writes them.
    declared
        Of the method.

    Returns
    -------
    DataFrame
        model, method, check, measure, value, p (of ``inside`` alone), expected,
        passed (both empty where nothing is expected; passed also where no map
        has a value), n (maps that have one).
    """
    found = []
    for check, own in rows.groupby("check", sort=False):
        measure = JUDGED[check]
        values = own[own["measure"] == measure]
        if check == "randomise":
            values = values[values["weights"] == values["weights"].max()]
        known = values["value"].dropna()
        value = known.median() if check == "completeness" else known.mean()
        p = own.loc[own["measure"] == "p", "value"]
        wanted = expected(str(check), declared)
        passed = None if wanted is None or known.empty else wanted.met(value)
        if passed and len(p):
            passed = bool(p.iloc[0] < SIGNIFICANT)
        found.append(
            {
                **own.iloc[0][["model", "method", "check"]],
                "measure": measure,
                "value": value,
                "p": p.iloc[0] if len(p) else np.nan,
                "expected": "" if wanted is None else str(wanted),
                "passed": "" if passed is None else passed,
                "n": len(known),
            }
        )
    return pd.DataFrame(found)
