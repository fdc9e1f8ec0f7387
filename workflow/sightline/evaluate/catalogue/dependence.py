"""Experiments on what maps depend on: weights, preprocessing, the pixels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sightline.evaluate.catalogue.entry import Alteration, Experiment, Measure, Settings

Share = Annotated[float, Field(gt=0, le=1)]
_DEPTH = "share of the groups of layers that are randomised"


def answers(over: str = "") -> tuple[Measure, ...]:
    """What becomes of the answers, along something or once."""
    return (
        Measure("flipped", "1 where the model answers another class, else 0", over=over),
        Measure("correct", "1 where the model answers the label, else 0", over=over),
        Measure("confidence", "probability of the class that is explained", over=over),
    )


def similarities(over: str = "") -> tuple[Measure, ...]:
    """What becomes of the maps."""
    return (
        Measure("cosine", "similarity with the original's map, as models are compared", over=over),
        Measure("spearman", "rank correlation with the original's map, -1 to 1", over=over),
    )


class Randomisation(Settings):
    """Settings of the cascade of randomised weights."""

    stages: int = Field(4, ge=1, description="groups of layers, from the output to the input")

    @property
    def variants(self) -> dict[str, Alteration]:
        """One a stage."""
        return {
            f"{stage}": Alteration(
                alteration="randomised",
                settings={"stage": stage, "stages": self.stages},
                group="cascade",
                x=stage / self.stages,
            )
            for stage in range(1, self.stages + 1)
        }


class Transforms(Settings):
    """Settings of the model's own against shared transforms."""

    geometry: Literal["squash", "model", "pad"] = Field(
        "model", description="how the other transforms fit an image"
    )
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    crop_pct: Share = Field(0.875, description="share kept by the centre crop")
    mean: tuple[float, float, float] = Field(
        (0.485, 0.456, 0.406), description="of red, green, blue in 0..1"
    )
    std: tuple[float, float, float] = Field(
        (0.229, 0.224, 0.225), description="of red, green, blue in 0..1"
    )

    @property
    def variants(self) -> dict[str, Alteration]:
        """The shared ones, at the model's own size."""
        settings = self.model_dump(mode="json", exclude={"images"})
        return {"shared": Alteration(alteration="transforms", settings=settings)}


EXPERIMENTS = (
    Experiment(
        name="randomisation",
        question="Do maps change when the model forgets what it has learnt?",
        module="stability",
        settings=Randomisation,
        reads="variants",
        measures=(*answers(_DEPTH), *similarities(_DEPTH)),
        reference="Adebayo et al. 2018 (arXiv:1810.03292)",
    ),
    Experiment(
        name="transforms",
        question="What does sharing one preprocessing among models change?",
        module="shared_transforms",
        settings=Transforms,
        reads="variants",
        measures=(
            Measure("correct_before", "1 where the model with its own answers the label, else 0"),
            Measure("confidence_before", "its probability of the class that is explained"),
            *answers(),
            *similarities(),
        ),
        reference="",
    ),
)
