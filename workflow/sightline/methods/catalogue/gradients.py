"""Methods by gradients at the image."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sightline.methods.catalogue.entry import LayerSettings, Method, Passes, Settings


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

    steps: int = Field(100, ge=1, description="points of the integral along the path")
    rule: Literal["gauss-legendre", "riemann-middle"] = Field(
        "gauss-legendre", description="quadrature along the path"
    )


def _gradient(
    name: str,
    reference: str,
    settings: type[Settings],
    cost: Passes,
    *,
    stochastic: bool = False,
    needs_layer: bool = False,
    fits: str = "",
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
        fits=fits,
        needs_also="rectifiers" if fits else "",
    )


_GUIDED = "sightline.methods.guided_backprop:cannot_be_guided"

METHODS = (
    _gradient(
        "saliency",
        "Simonyan et al. 2014, arXiv:1312.6034",
        SaliencySettings,
        Passes("1", "1"),
    ),
    _gradient(
        "smoothgrad",
        "Smilkov et al. 2017, arXiv:1706.03825",
        SmoothGradSettings,
        Passes("samples", "samples"),
        stochastic=True,
    ),
    _gradient(
        "guided_backprop",
        "Springenberg et al. 2015, arXiv:1412.6806",
        SaliencySettings,
        Passes("1", "1"),
        fits=_GUIDED,
    ),
    _gradient(
        "guided_gradcam",
        "Selvaraju et al. 2017, arXiv:1610.02391",
        LayerSettings,
        Passes("2", "1 + (depth < 1)"),
        needs_layer=True,
        fits=_GUIDED,
    ),
    Method(
        name="integrated_gradients",
        function="sightline.methods.integrated_gradients:integrated_gradients",
        settings=IntegratedGradientsSettings,
        cost=Passes("steps + 2", "steps"),
        reference="Sundararajan et al. 2017, arXiv:1703.01365",
        signed=True,
        stochastic=False,
        needs_gradients=True,
        needs_layer=False,
        score="logit",
        scaling=("clip:0.3:99.7", "max", "abs"),
    ),
)
