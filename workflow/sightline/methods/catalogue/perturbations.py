"""Methods that hide parts of the image and see how the score changes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sightline.methods.catalogue.entry import Method, Passes, Settings


class SegmentSettings(Settings):
    """Settings of methods that show some segments and hide the others."""

    segments: int = Field(50, ge=2, description="segments asked for, there may be fewer")
    segments_by: Literal["slic", "grid"] = Field(
        "slic", description="superpixels, or rectangles in rows and columns"
    )
    compactness: float = Field(10.0, gt=0, description="SLIC: space against colour")
    segment_on: Literal["rgb", "normalised"] = Field(
        "rgb", description="the image SLIC sees: the same for all models, or the model's own"
    )


class RiseSettings(Settings):
    """Settings of RISE; the defaults are those of the authors' code."""

    masks: int = Field(6000, ge=2, description="random masks, each a forward pass")
    cells: int = Field(8, ge=2, description="points of a mask's grid along each side")
    keep: float = Field(0.1, gt=0, lt=1, description="share of the points that are shown")
    divide_by: Literal["coverage", "expected"] = Field(
        "coverage",
        description="how often a pixel was shown, or was expected to be, as in the paper",
    )
    tolerance: float | None = Field(
        None,
        gt=0,
        description="standard error that suffices, as a share of the map's standard deviation; "
        "masks are then the most",
    )


class OcclusionSettings(Settings):
    """Settings of occlusion."""

    window: int = Field(15, ge=1, description="pixels along each side")
    stride: int = Field(8, ge=1, description="pixels from one window to the next")
    fill: Literal["mean", "black", "white", "blur"] = Field(
        "mean", description="what hidden pixels hold; mean is 0 in the model's space"
    )

    @model_validator(mode="after")
    def _all_covered(self) -> OcclusionSettings:
        if self.stride > self.window:
            raise ValueError("a stride above the window leaves pixels that are never hidden")
        return self


# The side of the image by which windows are counted before a model is known.
TYPICAL_SIDE = 224
# How many windows there are along a side.
_WINDOWS = f"max(1, ceil(({TYPICAL_SIDE} - window) / stride) + 1)"


class KernelShapSettings(SegmentSettings):
    """Settings of KernelSHAP."""

    samples: int = Field(350, ge=4, description="forward passes an image, all counted, at most")
    tolerance: float | None = Field(
        None, gt=0, description="stop at this relative standard error; none takes all samples"
    )


class LimeSettings(SegmentSettings):
    """Settings of LIME."""

    samples: int = Field(1000, ge=4, description="forward passes an image, all counted")
    width: float = Field(0.25, gt=0, description="of the kernel, in cosine distance")
    ridge: float = Field(1.0, gt=0, description="weight of the coefficients' squares")


METHODS = (
    Method(
        name="occlusion",
        function="sightline.methods.perturbations.occlusion:occlusion",
        settings=OcclusionSettings,
        cost=Passes(f"1 + {_WINDOWS} ** 2"),
        reference="Zeiler and Fergus 2014, arXiv:1311.2901",
        signed=True,
        stochastic=False,
        needs_gradients=False,
        needs_layer=False,
        score="logit",
        scaling=("max", "abs"),
    ),
    Method(
        name="rise",
        function="sightline.methods.perturbations.rise:rise",
        settings=RiseSettings,
        cost=Passes("masks"),
        reference="Petsiuk et al. 2018, arXiv:1806.07421",
        signed=False,
        stochastic=True,
        needs_gradients=False,
        needs_layer=False,
        score="probability",
        scaling=("positive", "minmax"),
    ),
    Method(
        name="kernelshap",
        function="sightline.methods.perturbations.kernelshap:kernelshap",
        settings=KernelShapSettings,
        cost=Passes("samples"),
        reference="Lundberg and Lee 2017, arXiv:1705.07874; Covert and Lee 2021, arXiv:2012.01536",
        signed=True,
        stochastic=True,
        needs_gradients=False,
        needs_layer=False,
        score="logit",
        scaling=("max",),
    ),
    Method(
        name="lime",
        function="sightline.methods.perturbations.lime:lime",
        settings=LimeSettings,
        cost=Passes("samples"),
        reference="Ribeiro et al. 2016, arXiv:1602.04938",
        signed=True,
        stochastic=True,
        needs_gradients=False,
        needs_layer=False,
        score="probability",
        scaling=("max",),
    ),
)
