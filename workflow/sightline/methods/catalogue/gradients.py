"""Methods by gradients at the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, model_validator

from sightline.methods.catalogue.entry import Cost, LayerSettings, Method, Settings


class SaliencySettings(Settings):
    """Settings of methods that give the gradient at the image."""

    colours: Literal["sum", "largest"] = Field(
        "sum", description="of a pixel's three values the sum, or the largest magnitude"
    )


class SmoothGradSettings(Settings):
    """Settings of SmoothGrad."""

    samples: int = Field(50, ge=2, description="noisy copies of the image")
    noise: float = Field(
        0.15, gt=0, description="standard deviation, as a share of the image's range of values"
    )


class IntegratedGradientsSettings(Settings):
    """Settings of integrated gradients."""

    steps: int = Field(100, ge=1, description="points of the integral along the path, at most")
    rule: Literal["adaptive", "gauss-legendre", "riemann-middle"] = Field(
        "gauss-legendre", description="quadrature along the path"
    )
    tolerance: float | None = Field(
        None, gt=0, description="adaptive: stop at this completeness gap; none takes all steps"
    )

    @model_validator(mode="after")
    def _possible(self) -> IntegratedGradientsSettings:
        if self.rule != "adaptive" and self.tolerance is not None:
            raise ValueError(f"tolerance needs the rule adaptive, not {self.rule}")
        if self.rule == "adaptive" and self.steps < 2:
            raise ValueError("the rule adaptive needs 2 steps or more: both ends of the path")
        return self


def _gradient(
    name: str,
    reference: str,
    settings: type[Settings],
    cost: Callable[[Any], Cost],
    *,
    stochastic: bool = False,
    needs_layer: bool = False,
) -> Method:
    """A signed map of gradients at the image."""
    return Method(
        name=name,
        function=f"sightline.methods.{name}:{name}",
        settings=settings,
        cost=cost,
        reference=reference,
        signed=True,
        stochastic=stochastic,
        needs_gradients=True,
        needs_layer=needs_layer,
        score="logit",
        scaling=("max", "abs"),
    )


METHODS = (
    _gradient(
        "saliency",
        "Simonyan et al. 2014, arXiv:1312.6034",
        SaliencySettings,
        lambda settings: Cost(forward=1, backward=1),
    ),
    _gradient(
        "smoothgrad",
        "Smilkov et al. 2017, arXiv:1706.03825",
        SmoothGradSettings,
        lambda settings: Cost(forward=settings.samples, backward=settings.samples),
        stochastic=True,
    ),
    _gradient(
        "guided_backprop",
        "Springenberg et al. 2015, arXiv:1412.6806",
        SaliencySettings,
        lambda settings: Cost(forward=1, backward=1),
    ),
    _gradient(
        "guided_gradcam",
        "Selvaraju et al. 2017, arXiv:1610.02391",
        LayerSettings,
        lambda settings: Cost(forward=2, backward=1 + (settings.depth < 1)),
        needs_layer=True,
    ),
    Method(
        name="integrated_gradients",
        function="sightline.methods.integrated_gradients:integrated_gradients",
        settings=IntegratedGradientsSettings,
        cost=lambda settings: Cost(
            # The adaptive rule's points include both ends.
            forward=settings.steps + 2 * (settings.rule != "adaptive"),
            backward=settings.steps,
        ),
        reference="Sundararajan et al. 2017, arXiv:1703.01365",
        signed=True,
        stochastic=False,
        needs_gradients=True,
        needs_layer=False,
        score="logit",
        scaling=("clip:0.3:99.7", "max", "abs"),
    ),
)
