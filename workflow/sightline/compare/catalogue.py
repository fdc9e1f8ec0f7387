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

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from sightline.errors import unknown

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(gt=0, lt=100)]


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("expected an odd number")
    return number


Odd = Annotated[int, Field(ge=3), AfterValidator(_odd)]


class Settings(BaseModel):
    """Settings of a measure; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def smallest_grid(self) -> int:
        """Positions along a side that maps need to have."""
        return 1


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


class Ssim(Settings):
    """Settings of structural similarity."""

    window: Literal["gaussian"] | Odd = Field(
        "gaussian",
        description="the paper's, 11x11 with a standard deviation of 1.5; or so many pixels along "
        "each side, all alike",
    )
    data_range: Positive = Field(
        1.0, description="of values, as maps are scaled: 1 for [0, 1], 2 for [-1, 1]"
    )

    @property
    def width(self) -> int:
        """Pixels along each side of the window."""
        return 11 if self.window == "gaussian" else self.window

    @property
    def smallest_grid(self) -> int:
        """Of one window."""
        return self.width


class Iou(Settings):
    """Settings of intersection over union."""

    top: Percent = Field(
        20.0, description="percent of each map's pixels; what ties is in or out together"
    )


class Emd(Settings):
    """Settings of the earth mover's distance."""

    size: int = Field(7, ge=2, le=32, description="cells along each side of the coarse grid")
    mass: Literal["positive", "magnitude"] = Field(
        "positive", description="what is moved: values above 0, or magnitudes"
    )

    @property
    def smallest_grid(self) -> int:
        """Of cells that are whole pixels."""
        return self.size


Invariance = Literal["scale", "shift", "monotone"]


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
        What a map that is constant (positive, for a map of zeros is left out
        whatever the measure) gives with another: a number; None where there is no
        value, and the image is left out; or in words, where it depends on the other.
    unchanged_by
        What may be done to either map: ``scale``, a positive factor; ``shift``, a
        constant added; ``monotone``, any increasing function of its values.
    cost
        Time of all pairs relative to cosine at 56x56 and 224x224, as
        benchmarks/comparison.py measured it.
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
    of_constant: float | str | None
    unchanged_by: tuple[Invariance, ...]
    cost: tuple[float, float]
    symmetric: bool = True
    counts: bool = False

    @property
    def module(self) -> str:
        """Where its functions are."""
        return f"sightline.compare.measures.{self.name}"


_MEASURES = (
    Measure(
        "cosine",
        Settings,
        "",
        (-1, 1),
        "the cosine with a map of ones",
        unchanged_by=("scale",),
        cost=(1, 1),
    ),
    Measure(
        "pearson",
        Settings,
        "Pearson 1895, Proceedings of the Royal Society 58",
        (-1, 1),
        None,
        unchanged_by=("scale", "shift"),
        cost=(1.4, 1.5),
    ),
    Measure(
        "spearman",
        Settings,
        "Spearman 1904, American Journal of Psychology 15",
        (-1, 1),
        None,
        unchanged_by=("scale", "shift", "monotone"),
        cost=(18, 15),
    ),
    Measure("rbf", Rbf, "", (0, 1), "by its distance, like any other", (), cost=(0.9, 0.7)),
    Measure(
        "ssim",
        Ssim,
        "Wang et al. 2004, IEEE Transactions on Image Processing 13",
        (-1, 1),
        "by its mean, the less the more the other varies",
        unchanged_by=(),
        cost=(25, 22),
    ),
    Measure(
        "iou",
        Iou,
        "Jaccard 1912, New Phytologist 11",
        (0, 1),
        0.0,
        unchanged_by=("scale", "shift", "monotone"),
        cost=(1.9, 1.8),
    ),
    Measure(
        "kappa",
        Kappa,
        "Cohen 1960, Educational and Psychological Measurement 20",
        (-1, 1),
        0.0,
        unchanged_by=(),
        cost=(0.4, 0.6),
        counts=True,
    ),
    Measure(
        "emd",
        Emd,
        "Rubner et al. 2000, International Journal of Computer Vision 40",
        (0, 1),
        "by the way to a heap that is the same everywhere",
        unchanged_by=("scale",),
        cost=(120, 9),
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
