"""Methods that hide parts of the image and see how the score changes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sightline.methods.catalogue.entry import Method, Passes, Settings


class KernelShapSettings(Settings):
    """Settings of KernelSHAP."""

    samples: int = Field(350, ge=4, description="forward passes an image, all counted")
    segments: int = Field(50, ge=2, description="segments asked of SLIC, which may give fewer")
    compactness: float = Field(10.0, gt=0, description="SLIC: space against colour")
    segment_on: Literal["rgb", "normalised"] = Field(
        "rgb", description="the image SLIC sees: the same for all models, or the model's own"
    )


METHODS = (
    Method(
        name="kernelshap",
        function="sightline.methods.kernelshap:kernelshap",
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
)
