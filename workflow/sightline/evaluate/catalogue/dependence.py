"""Experiments on what maps depend on: weights, preprocessing, the pixels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sightline.evaluate.catalogue.entry import Alteration, Experiment, Measure, Settings

Share = Annotated[float, Field(gt=0, le=1)]

ANSWERS = (
    Measure("flipped", "1 where the model answers another class, else 0"),
    Measure("correct", "1 where the model answers the label, else 0"),
    Measure("confidence", "probability of the class that is explained"),
)
SIMILARITIES = (
    Measure("cosine", "similarity of a map with the original's, as models are compared"),
    Measure("spearman", "rank correlation with the original's map over its positions, -1 to 1"),
)


class Randomisation(Settings):
    """Settings of the cascade of randomised weights."""

    stages: int = Field(4, ge=1, description="groups of layers, from the output to the input")

    @property
    def variants(self) -> dict[str, Alteration]:
        """One a stage."""
        return {
            f"{stage}": Alteration(
                alteration="randomised", settings={"stage": stage, "stages": self.stages}
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
        measures=(*ANSWERS, *SIMILARITIES),
        reference="Adebayo et al. 2018 (arXiv:1810.03292)",
    ),
    Experiment(
        name="transforms",
        question="What does sharing one preprocessing among models change?",
        module="stability",
        settings=Transforms,
        reads="variants",
        measures=(*ANSWERS, *SIMILARITIES),
        reference="",
    ),
)
