"""Experiments on small changes: of the class, of a pixel, of all pixels a little."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sightline.evaluate.catalogue.entry import Experiment, Measure, Settings
from sightline.methods.catalogue.entry import Passes

Percentile = Annotated[float, Field(ge=0, lt=100)]


class Contrastivity(Settings):
    """Settings of the difference between the maps of two classes."""

    percentiles: list[Percentile] = Field(
        [50.0, 75.0, 90.0, 95.0],
        min_length=1,
        description="of a map's positive values: those from there on are taken",
    )

    @property
    def fewest_roles(self) -> int:
        """Maps of two classes of an image are compared."""
        return 2


class OnePixel(Settings):
    """Settings of the attack on one pixel."""

    iterations: int = Field(30, ge=1, description="generations, unless the answer flips before")
    population: int = Field(
        100, ge=5, multiple_of=5, description="candidates in a generation, a multiple of 5"
    )


class Infidelity(Settings):
    """Settings of infidelity."""

    perturbation: Literal["square", "noise"] = Field(
        "square",
        description="`square`: a square put to 0; `noise`: Gaussian, alike in all channels",
    )
    side: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.25, description="of the square, as a share of the image's shorter side"
    )
    sigma: float = Field(0.1, gt=0, description="of the noise, in the model's normalised space")
    samples: int = Field(100, ge=2, description="perturbations of an image")
    normalise: bool = Field(
        True, description="whether each map is first scaled by the factor that suits it best"
    )
    score: Literal["logit", "probability"] = Field("logit", description="whose change is explained")


class MaxSensitivity(Settings):
    """Settings of the largest change of a map."""

    radius: Annotated[float, Field(gt=0, le=1)] = Field(
        0.02, description="the most that a pixel's channel changes, of 0..1"
    )
    samples: int = Field(10, ge=1, description="changed copies of an image, each explained")


EXPERIMENTS = (
    Experiment(
        name="contrastivity",
        question="Do maps of two classes differ?",
        module="contrastivity",
        settings=Contrastivity,
        reads="maps",
        measures=(
            Measure(
                "contrastivity",
                "share of what either class's map takes that the other's does not, 0 to 1",
                better="higher",
            ),
            Measure("independent", "the same of as many positions that were drawn at random"),
            Measure(
                "contrastivity_at",
                "contrastivity by what is taken of a map",
                better="higher",
                over="percentile of the positive values",
            ),
        ),
        reference="Pope et al. 2019, doi:10.1109/CVPR.2019.01103, section 3.3",
    ),
    Experiment(
        name="one_pixel",
        question="Does the map show the pixel that sways the model most?",
        module="one_pixel",
        settings=OnePixel,
        reads="model",
        kind="use",
        measures=(
            Measure("success", "1 where one pixel flips the answer, else 0"),
            Measure("confidence_drop", "probability of the class that the pixel takes, -1 to 1"),
            Measure(
                "percentile",
                "share of the other pixels that the map puts below it, 0 to 1",
                better="higher",
                ranked=True,
            ),
            Measure("at_pixel", "1 where the map is not 0 there, else 0", better="higher"),
            Measure("nonzero", "share of pixels where the map is not 0: `at_pixel` by chance"),
            Measure("ratio", "the map there over its mean elsewhere, from 0", better="higher"),
        ),
        reference="Su et al. 2019 (arXiv:1710.08864), section III",
        cost=Passes("(iterations + 1) * population + 2"),
    ),
    Experiment(
        name="infidelity",
        question="Does a map foretell what a perturbation does to the score?",
        module="infidelity",
        settings=Infidelity,
        reads="model",
        kind="use",
        measures=(
            Measure("infidelity", "mean squared error, in squares of the score", better="lower"),
            Measure(
                "unexplained",
                "share of the mean squared change that the map leaves unexplained, 0 to 1",
                better="lower",
                ranked=True,
            ),
        ),
        reference="Yeh et al. 2019 (arXiv:1901.09392), definition 2.1",
        cost=Passes("samples + 1"),
    ),
    Experiment(
        name="max_sensitivity",
        question="Does a map change much where the image hardly does?",
        module="max_sensitivity",
        settings=MaxSensitivity,
        reads="model",
        kind="steadiness",
        measures=(
            Measure(
                "max_sensitivity",
                "largest change of the map relative to it, from 0",
                better="lower",
                ranked=True,
                controls=False,
            ),
        ),
        reference="Yeh et al. 2019 (arXiv:1901.09392), definition 4.1",
        # Ranges do not depend on the method: of one between a gradient and RISE.
        cost=Passes("64 * (samples + 1)"),
        explanations=Passes("samples + 1"),
    ),
)
