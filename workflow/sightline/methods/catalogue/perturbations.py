"""Methods that hide parts of the image and see how the score changes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sightline.methods.catalogue.entry import Cost, Method, Settings


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


class KernelShapSettings(SegmentSettings):
    """Settings of KernelSHAP."""

    samples: int = Field(350, ge=4, description="forward passes an image, all counted")


class LimeSettings(SegmentSettings):
    """Settings of LIME."""

    samples: int = Field(1000, ge=4, description="forward passes an image, all counted")
    width: float = Field(0.25, gt=0, description="of the kernel, in cosine distance")
    ridge: float = Field(1.0, gt=0, description="weight of the coefficients' squares")


METHODS = (
    Method(
        name="kernelshap",
        function="sightline.methods.kernelshap:kernelshap",
        settings=KernelShapSettings,
        cost=lambda settings: Cost(forward=settings.samples),
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
        function="sightline.methods.lime:lime",
        settings=LimeSettings,
        cost=lambda settings: Cost(forward=settings.samples),
        reference="Ribeiro et al. 2016, arXiv:1602.04938",
        signed=True,
        stochastic=True,
        needs_gradients=False,
        needs_layer=False,
        score="probability",
        scaling=("max",),
    ),
)
