"""Controls: what an explanation must do better than. They never run the model."""

from __future__ import annotations

from pydantic import Field

from sightline.methods.catalogue.entry import Method, Passes, Settings


class RandomMapSettings(Settings):
    """Settings of random maps."""

    cells: int = Field(14, ge=1, description="positions along each side")


class CentredGaussianSettings(Settings):
    """Settings of the Gaussian at the centre."""

    sigma: float = Field(0.5, gt=0, description="standard deviation, as a share of half a side")


def _control(
    name: str,
    function: str,
    reference: str,
    settings: type[Settings] = Settings,
    *,
    stochastic: bool = False,
) -> Method:
    """Maps that depend on no model and no class."""
    return Method(
        name=name,
        function=f"sightline.methods.controls.{function}",
        settings=settings,
        cost=Passes("0"),
        reference=reference,
        signed=False,
        stochastic=stochastic,
        needs_gradients=False,
        needs_layer=False,
        score="logit",
        scaling=("positive", "minmax"),
        class_specific=False,
        control=True,
        offset_invariant=True,
    )


METHODS = (
    _control(
        "random",
        "random_map:random_map",
        "control: shows nothing",
        RandomMapSettings,
        stochastic=True,
    ),
    _control(
        "centred_gaussian",
        "centred_gaussian:centred_gaussian",
        "control: where photographers aim",
        CentredGaussianSettings,
    ),
    _control("sobel", "sobel:sobel", "control: Sobel and Feldman 1968, edges of the image"),
)
