"""Experiments that take away what a map says matters, and look what the model makes of the rest."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sightline.evaluate.catalogue.entry import Experiment, Measure, Settings
from sightline.methods.catalogue.entry import Passes

Fill = Literal["zero", "blur", "mean", "infill"]
Inner = Annotated[float, Field(gt=0, lt=1)]
Percentile = Annotated[float, Field(ge=0, lt=100)]


class Removal(Settings):
    """Settings of all of them."""

    scaling: Literal["raw", "study"] = Field(
        "raw", description="maps as methods give them, signed, or as the study compares them"
    )


class InsertionDeletion(Removal):
    """Settings of insertion and deletion."""

    steps: int = Field(
        224, ge=1, description="in which all pixels change; one row a step at 224 pixels"
    )
    deletion: Fill = Field("zero", description="what deleted pixels become")
    insertion: Fill = Field("blur", description="what pixels are before they are inserted")
    kernel: int = Field(11, ge=1, description="side of the blur's kernel, in pixels, odd")
    sigma: float = Field(5.0, gt=0, description="of the blur, in pixels")
    points: int = Field(33, ge=2, description="of the curves in the table")

    @model_validator(mode="after")
    def _centred(self) -> InsertionDeletion:
        if self.kernel % 2 == 0:
            raise ValueError("a kernel of an even side has no pixel in its middle")
        return self


class Road(Removal):
    """Settings of remove and debias."""

    removed: list[Inner] = Field(
        [0.2, 0.4, 0.6, 0.8], min_length=1, description="shares of the pixels, increasing"
    )
    noise: float = Field(
        0.01, ge=0, description="standard deviation in imputed pixels, of pixels in 0..1"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Road:
        _increasing(self.removed)
        return self


class Fidelity(Removal):
    """Settings of fidelity."""

    percentiles: list[Percentile] = Field(
        list(range(0, 100, 10)),
        min_length=1,
        description="of a map's positive values, from which on pixels are removed; increasing",
    )
    fill: Fill = Field("zero", description="what removed pixels become")

    @model_validator(mode="after")
    def _ordered(self) -> Fidelity:
        _increasing(self.percentiles)
        return self


def _increasing(values: list[float]) -> None:
    if any(one >= other for one, other in pairwise(values)):
        raise ValueError("expected increasing numbers")


_DELETED, _INSERTED = "share of pixels deleted", "share of pixels inserted"
_REMOVED = "share of pixels removed"
_PERCENTILE = "percentile of the map's positive values"

EXPERIMENTS = (
    Experiment(
        name="insertion_deletion",
        question="Does confidence go and come with the pixels that a map ranks first?",
        module="insertion_deletion",
        settings=InsertionDeletion,
        reads="model",
        kind="use",
        measures=(
            Measure(
                "deletion",
                "mean probability while the pixels go, highest first, 0 to 1",
                better="lower",
                ranked=True,
            ),
            Measure(
                "insertion",
                "mean probability while the pixels come, highest first, 0 to 1",
                better="higher",
                ranked=True,
            ),
            Measure("deletion_curve", "probability", better="lower", over=_DELETED),
            Measure("insertion_curve", "probability", better="higher", over=_INSERTED),
        ),
        reference="Petsiuk et al. 2018 (arXiv:1806.07421), section 4.2",
        cost=Passes("2 * steps + 1"),
    ),
    Experiment(
        name="road",
        question="Is confidence lost with the pixels ranked first, and kept without the last?",
        module="road",
        settings=Road,
        reads="model",
        kind="use",
        measures=(
            Measure(
                "combined",
                "half of lerf less morf, the mean over the shares removed, -0.5 to 0.5",
                better="higher",
                ranked=True,
            ),
            Measure(
                "morf", "probability without the pixels ranked first", better="lower", over=_REMOVED
            ),
            Measure(
                "lerf", "probability without the pixels ranked last", better="higher", over=_REMOVED
            ),
        ),
        reference="Rong et al. 2022 (arXiv:2202.00449)",
        cost=Passes("2 * len(removed)"),
    ),
    Experiment(
        name="fidelity",
        question="Is the class lost with the pixels that a map calls important?",
        module="fidelity",
        settings=Fidelity,
        reads="model",
        measures=(
            # Maps that call more pixels important lose more: no ground to rank methods on.
            Measure(
                "drop", "probability lost, the mean over the percentiles, -1 to 1", better="higher"
            ),
            Measure("removed", "share of pixels removed, the mean over the percentiles"),
            Measure("drop_curve", "probability lost, -1 to 1", better="higher", over=_PERCENTILE),
            Measure("removed_curve", "share of pixels removed", over=_PERCENTILE),
        ),
        reference="Pope et al. 2019 (CVPR, pp. 10772-10781), section 4",
        cost=Passes("len(percentiles) + 1"),
    ),
)
