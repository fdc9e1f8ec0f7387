"""All measures of how alike two maps of one image are.

To add a measure, write its module in `sightline.compare.measures` and a line
here. The workflow reads this table each time it parses, so nothing here
imports numpy; the module is imported when it runs.

A measure's module has two functions, in the terms of
`sightline.compare.measures.protocol`: ``prepare``, what is computed once of each
map, and ``between``, for all pairs of prepared maps of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from sightline.errors import unknown

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(gt=0, lt=100)]


class Settings(BaseModel):
    """Settings of a measure; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rbf(Settings):
    """Settings of the RBF similarity."""

    sigma: Positive | Literal["median"] = Field(
        80.0, description="width, for a 224x224 grid; median: the median distance of the method"
    )


class Kappa(Settings):
    """Settings of Cohen's kappa."""

    cuts: list[Finite] = Field(
        [0.5], min_length=1, description="increasing; a pixel above k of them is of class k"
    )
    top: Percent | None = Field(
        None, description="instead of cuts: the largest so many percent of each map's pixels"
    )

    @field_validator("cuts")
    @classmethod
    def _increasing(cls, cuts: list[float]) -> list[float]:
        if sorted(set(cuts)) != cuts:
            raise ValueError("cuts must increase")
        return cuts

    @field_validator("top")
    @classmethod
    def _one_of_both(cls, top: float | None, info: ValidationInfo) -> float | None:
        if top is not None and "cuts" in info.data and info.data["cuts"] != [0.5]:
            raise ValueError("give cuts or top, not both")
        return top


@dataclass(frozen=True)
class Measure:
    """A measure's entry.

    Attributes
    ----------
    name
        As in configurations; its module is ``sightline.compare.measures.<name>``.
    settings
        Its settings with their defaults.
    reference
        Where it is from.
    bounds
        Lowest and highest value, of maps of any sign.
    of_constant
        What a pair with a constant map (not zero) gives; a map of zeros is left
        out whatever the measure.
    symmetric
        Whether the order of a pair says nothing. A map with itself gives the
        highest value, of every measure.
    counts
        Whether its statistic is the confusion counts of a pair, from which its
        value comes for each image and for all images pooled.
    """

    name: str
    settings: type[Settings]
    reference: str
    bounds: tuple[float, float]
    of_constant: str
    symmetric: bool = True
    counts: bool = False

    @property
    def module(self) -> str:
        """Where its functions are."""
        return f"sightline.compare.measures.{self.name}"


_MEASURES = (
    Measure("cosine", Settings, "", (-1, 1), "cosine with a map of ones"),
    Measure("rbf", Rbf, "", (0, 1), "by its distance, like any other"),
    Measure(
        "kappa",
        Kappa,
        "Cohen 1960, Educational and Psychological Measurement 20",
        (-1, 1),
        "0; none where both put every pixel into one class",
        counts=True,
    ),
)

MEASURES = {measure.name: measure for measure in _MEASURES}

# The thesis's, as a study that names none has them.
DEFAULT: dict[str, dict[str, Any]] = {
    "cosine": {},
    "rbf": {"sigma": 80.0},
    "kappa": {"cuts": [0.5]},
    "kappa_graded": {"measure": "kappa", "cuts": [0.4, 0.7]},
}


def find_measure(name: str) -> Measure:
    """The entry of a name.

    Raises
    ------
    SightlineError
        For an unknown name, with the nearest known one.
    """
    if name not in MEASURES:
        raise unknown("measure", name, MEASURES)
    return MEASURES[name]
