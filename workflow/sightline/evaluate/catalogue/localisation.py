"""Experiments on where the object of the explained class is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sightline.evaluate.catalogue.entry import Experiment, Measure, Settings

Grid = Annotated[int, Field(ge=2, le=1024)]


class ObjectSettings(Settings):
    """Settings of experiments on objects."""

    derangements: int = Field(
        25, ge=0, description="times that maps are held against other images' objects, for chance"
    )
    permutations: int = Field(
        199, ge=0, description="permutations of the objects among the images, for p"
    )

    @property
    def needs_objects(self) -> str:
        """Any."""
        return ""


class Localisation(ObjectSettings):
    """Settings of weakly supervised localisation."""

    threshold: float = Field(
        0.15, gt=0, le=1, description="share of its maximum from which a map is a region"
    )
    overlap: float = Field(
        0.5, gt=0, le=1, description="intersection over union from which a box is hit"
    )
    small_boxes: bool = Field(
        True, description="whether a box of w x h needs wh / ((w + 10)(h + 10)) where that is less"
    )
    grid: Grid = Field(224, description="maps are upsampled to grid x grid")


class Pointing(ObjectSettings):
    """Settings of the pointing game."""

    tolerance: float | None = Field(
        None,
        ge=0,
        description="pixels of the original by which the maximum may miss; unless given 15, or "
        "15/224 of the shorter side of what the model sees where that is less",
    )
    inside: Literal["box", "mask"] = Field("box", description="what the maximum has to meet")
    thresholds: int = Field(
        10, ge=1, description="points of the curves, at equal shares of explanations refused"
    )


class PeakInside(ObjectSettings):
    """Settings of the share of the peak inside the box."""

    level: float = Field(0.85, ge=0, lt=1, description="share of its maximum above which is peak")
    grid: Grid = Field(224, description="maps are upsampled to grid x grid")


_REFUSED = "share of the explanations that are refused, 0 to 1"

EXPERIMENTS = (
    Experiment(
        name="localisation",
        question="Does the map draw the box of the object?",
        module="localisation",
        settings=Localisation,
        reads="objects",
        kind="place",
        measures=(
            Measure(
                "iou",
                "intersection over union of the box drawn with the object's, 0 to 1",
                better="higher",
                ranked=True,
            ),
            Measure("hit", "1 where the box drawn is right, else 0", better="higher"),
            Measure(
                "energy_box",
                "share of the map inside the boxes, 0 to 1",
                better="higher",
                ranked=True,
            ),
            Measure("energy_mask", "share of the map inside the masks, 0 to 1", better="higher"),
            Measure("classification_error_top1", "1 where the class predicted is wrong, else 0"),
            Measure(
                "localisation_error_top1",
                "1 where the class predicted is wrong or its box is, else 0",
                better="lower",
            ),
            Measure("classification_error_top5", "1 where all of five classes are wrong, else 0"),
            Measure(
                "localisation_error_top5",
                "1 where no class of five is right with its box, else 0",
                better="lower",
            ),
        ),
        reference="Selvaraju et al. 2017 (arXiv:1610.02391), section 4.1",
    ),
    Experiment(
        name="pointing",
        question="Does the maximum of the map lie on the object?",
        module="pointing",
        settings=Pointing,
        reads="objects",
        kind="place",
        measures=(
            Measure("hit", "1 where it does, else 0", better="higher", ranked=True),
            Measure(
                "recall",
                "1 where it does and is accepted, or is refused and there is no such object",
                better="higher",
                over=_REFUSED,
            ),
            Measure(
                "precision",
                "of explanations that are accepted, 1 where it does, else 0",
                better="higher",
                over=_REFUSED,
            ),
        ),
        reference="Zhang et al. 2016 (arXiv:1608.00507), section 4.2",
    ),
    Experiment(
        name="peak_inside",
        question="Does the peak of the map lie inside the box?",
        module="peak_inside",
        settings=PeakInside,
        reads="objects",
        kind="place",
        measures=(
            Measure(
                "share",
                "share of the pixels of the peak that are inside, 0 to 1",
                better="higher",
                ranked=True,
            ),
        ),
        reference="the chest X-ray study, config/studies",
    ),
)
