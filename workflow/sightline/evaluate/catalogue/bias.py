"""Experiments on what a model knows a class by besides the object."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sightline.evaluate.catalogue.entry import Alteration, Experiment, Measure, Settings

Fill = Literal["grey", "mean", "inpainted"]


class Bias(Settings):
    """Settings of the search for a bias of the data."""

    fills: list[Fill] = Field(
        ["mean", "inpainted"],
        min_length=1,
        description="what the object is filled with: grey, the rest's mean colour, what is around",
    )
    region: Literal["mask", "box"] = Field(
        "mask", description="what of the object; of one without a mask, the box in any case"
    )
    what: str = Field(
        "",
        description="label of what is taken out; the image's own class unless given",
    )

    @property
    def needs_objects(self) -> str:
        """Objects of the label that is taken out."""
        return self.what

    @property
    def variants(self) -> dict[str, Alteration]:
        """One a filling."""
        return {
            fill: Alteration(
                alteration="taken_out",
                settings={"fill": fill, "region": self.region, "what": self.what},
            )
            for fill in self.fills
        }


EXPERIMENTS = (
    Experiment(
        name="bias",
        question="Does a class survive without its object, and where does the model look then?",
        module="survival",
        settings=Bias,
        reads="variants",
        measures=(
            Measure("survives", "1 where the model still answers the class, else 0"),
            Measure("confidence", "probability of the class that is explained"),
            Measure("inside_before", "share of the map inside what is taken out, before"),
            Measure("inside", "the same of the new map"),
            Measure("area", "share of the image that is taken out"),
            Measure("cosine", "similarity of the new map with the original's"),
        ),
        reference="",
        by_class=True,
    ),
)
