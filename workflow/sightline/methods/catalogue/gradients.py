"""Methods by gradients at the image."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sightline.methods.catalogue.entry import LayerSettings, Method, Passes, Settings


class SaliencySettings(Settings):
    """Settings of methods that give the gradient at the image."""

    colours: Literal["sum", "largest"] = Field(
        "sum", description="of a pixel's three values the sum, or the largest magnitude"
    )


Tolerance = Annotated[
    float | None,
    Field(gt=0, description="standard error that suffices, as a share; samples are then the most"),
]
Noise = Annotated[
    float, Field(description="standard deviation, as a share of the image's range of values")
]


class NoiseSettings(Settings):
    """Settings of methods that average over noisy copies of the image."""

    samples: int = Field(50, ge=2, description="noisy copies of the image")
    noise: Noise = Field(0.15, gt=0)
    kind: Literal["smoothgrad", "squared", "vargrad"] = Field(
        "smoothgrad", description="of the copies' maps the mean, the mean square, or the variance"
    )
    tolerance: Tolerance = None


class IntegratedGradientsSettings(Settings):
    """Settings of integrated gradients."""

    steps: int = Field(100, ge=1, description="points of the integral along the path, at most")
    rule: Literal["adaptive", "gauss-legendre", "riemann-middle", "secant"] = Field(
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


class NoiseTunnelSettings(NoiseSettings):
    """Settings of integrated gradients over noisy copies."""

    samples: int = Field(10, ge=2, description="noisy copies of the image")
    steps: int = Field(20, ge=1, description="points of the integral of each copy")


class GradientShapSettings(Settings):
    """Settings of GradientSHAP."""

    samples: int = Field(50, ge=2, description="random points")
    noise: Noise = Field(0.0, ge=0)
    baselines: Literal["zero", "colours"] = Field(
        "zero", description="where paths begin: 0, the mean colour; or random plain colours"
    )
    tolerance: Tolerance = None


class DeepLiftShapSettings(Settings):
    """Settings of DeepLiftSHAP."""

    baselines: int = Field(
        4, ge=2, le=8, description="zero, and the image as the means of 1, 4, 16, ... cells"
    )


class LrpSettings(Settings):
    """Settings of layer-wise relevance propagation."""

    gamma: float = Field(
        0.25, ge=0, le=1e6, description="how much more evidence of a convolution's own sign counts"
    )
    epsilon: float = Field(1e-6, gt=0, description="added to what relevance is divided by")


def _gradient(
    name: str,
    reference: str,
    settings: type[Settings],
    cost: Passes,
    *,
    stochastic: bool = False,
    needs_layer: bool = False,
    offset_invariant: bool = True,
    fits: str = "",
    needs_also: str = "",
    room: str = "gradients",
) -> Method:
    """A signed map of gradients at the image."""
    return Method(
        name=name,
        function=f"sightline.methods.{room}.{name}:{name}",
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
        offset_invariant=offset_invariant,
        needs_also=needs_also,
        full_size=needs_layer,
    )


_GUIDED = "sightline.methods.gradients.guided_backprop:cannot_be_guided"

METHODS = (
    _gradient(
        "saliency",
        "Simonyan et al. 2014, arXiv:1312.6034",
        SaliencySettings,
        Passes("1", "1"),
    ),
    _gradient(
        "input_x_gradient",
        "Shrikumar et al. 2016, arXiv:1605.01713",
        Settings,
        Passes("1", "1"),
        offset_invariant=False,
    ),
    _gradient(
        "smoothgrad",
        "Smilkov et al. 2017, arXiv:1706.03825",
        NoiseSettings,
        Passes("samples", "samples"),
        stochastic=True,
    ),
    _gradient(
        "gradient_shap",
        "Lundberg and Lee 2017, arXiv:1705.07874; Erion et al. 2021, arXiv:1906.10670",
        GradientShapSettings,
        Passes("samples", "samples"),
        stochastic=True,
        offset_invariant=False,
    ),
    _gradient(
        "noise_tunnel",
        "Smilkov et al. 2017, arXiv:1706.03825; Sundararajan et al. 2017, arXiv:1703.01365",
        NoiseTunnelSettings,
        Passes("samples * steps", "samples * steps"),
        stochastic=True,
        offset_invariant=False,
    ),
    _gradient(
        "guided_backprop",
        "Springenberg et al. 2015, arXiv:1412.6806",
        SaliencySettings,
        Passes("1", "1"),
        fits=_GUIDED,
        needs_also="rectifiers",
    ),
    _gradient(
        "guided_gradcam",
        "Selvaraju et al. 2017, arXiv:1610.02391",
        LayerSettings,
        Passes("2", "1 + (depth < 1)"),
        needs_layer=True,
        fits=_GUIDED,
        needs_also="rectifiers",
    ),
    _gradient(
        "deeplift_shap",
        "Lundberg and Lee 2017, arXiv:1705.07874; Shrikumar et al. 2017, arXiv:1704.02685",
        DeepLiftShapSettings,
        Passes("2 * baselines", "2 * baselines"),
        fits="sightline.methods.propagation.deeplift_shap:fits",
        room="propagation",
        needs_also="rules for its operations",
        offset_invariant=False,
    ),
    _gradient(
        "lrp",
        "Bach et al. 2015, doi:10.1371/journal.pone.0130140; "
        "Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10",
        LrpSettings,
        Passes("1", "1"),
        fits="sightline.methods.propagation.lrp:fits",
        room="propagation",
        needs_also="rules for its operations",
        offset_invariant=False,
    ),
    Method(
        name="integrated_gradients",
        function="sightline.methods.gradients.integrated_gradients:integrated_gradients",
        settings=IntegratedGradientsSettings,
        # The adaptive rule's points include both ends.
        cost=Passes("steps + 2 * (rule != 'adaptive')", "steps"),
        reference="Sundararajan et al. 2017, arXiv:1703.01365",
        signed=True,
        stochastic=False,
        needs_gradients=True,
        needs_layer=False,
        score="logit",
        scaling=("clip:0.3:99.7", "max", "abs"),
        complete=True,
    ),
)
