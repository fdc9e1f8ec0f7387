"""Class activation maps: methods that read a layer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sightline.methods.catalogue.entry import LayerSettings, Method, Passes


class CamSettings(LayerSettings):
    """Settings of class activation maps whose last step is a ReLU."""

    relu: bool = Field(True, description="drop negative values of the map")


class GradCamSettings(CamSettings):
    """Settings of Grad-CAM."""

    relu: bool = Field(True, description="drop negative evidence, as in the paper's equation 2")


class ChannelSettings(CamSettings):
    """Settings of class activation maps that run the model once for each channel."""

    channels: int | None = Field(
        None, ge=1, description="at most so many, those that vary most; all unless given"
    )


# How many channels a layer is taken to have before it is known: the last ones of common
# classifiers have 192 (deit_tiny) to 2048 (resnet50).
TYPICAL_CHANNELS = 1024


def _gradient_cam(name: str, reference: str, settings: type[CamSettings] = CamSettings) -> Method:
    """A class activation map of one forward and one backward pass."""
    return Method(
        name=name,
        function=f"sightline.methods.cams.{name}:{name}",
        settings=settings,
        cost=Passes("1", "depth < 1"),
        reference=reference,
        signed=False,
        stochastic=False,
        needs_gradients=True,
        needs_layer=True,
        score="logit",
        scaling=("positive", "minmax"),
        offset_invariant=True,
    )


def _channel_cam(
    name: str,
    reference: str,
    score: Literal["logit", "probability"],
    *,
    gradients: bool,
    masks_image: bool = True,
) -> Method:
    """A class activation map of one forward pass a channel."""
    return Method(
        name=name,
        function=f"sightline.methods.cams.{name}:{name}",
        settings=ChannelSettings,
        cost=Passes(f"1 + (channels or {TYPICAL_CHANNELS})", "depth < 1" if gradients else "0"),
        reference=reference,
        signed=False,
        stochastic=False,
        needs_gradients=gradients,
        needs_layer=True,
        score=score,
        scaling=("positive", "minmax"),
        offset_invariant=not masks_image,
    )


METHODS = (
    _gradient_cam("gradcam", "Selvaraju et al. 2017, arXiv:1610.02391", GradCamSettings),
    _gradient_cam("gradcam_plus_plus", "Chattopadhyay et al. 2018, arXiv:1710.11063"),
    _gradient_cam("layercam", "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943"),
    _gradient_cam("hirescam", "Draelos and Carin 2020, arXiv:2011.08891"),
    _gradient_cam("xgradcam", "Fu et al. 2020, arXiv:2008.02312"),
    _gradient_cam("abscam_initial", "Zeng et al. 2022, arXiv:2207.03648"),
    Method(
        name="eigencam",
        function="sightline.methods.cams.eigencam:eigencam",
        settings=LayerSettings,
        cost=Passes("1"),
        reference="Muhammad and Yeasin 2020, arXiv:2008.00299",
        signed=False,
        stochastic=False,
        needs_gradients=False,
        needs_layer=True,
        score="logit",
        scaling=("positive", "minmax"),
        class_specific=False,
        offset_invariant=True,
    ),
    _channel_cam("scorecam", "Wang et al. 2020, arXiv:1910.01279", "logit", gradients=False),
    _channel_cam(
        "abscam_final", "Zeng et al. 2022, arXiv:2207.03648", "probability", gradients=True
    ),
    _channel_cam(
        "ablationcam",
        "Desai and Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360",
        "logit",
        gradients=False,
        masks_image=False,
    ),
)
