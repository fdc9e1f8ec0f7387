"""All methods: what each is called, takes, costs and needs.

To add a method, write a function in a module of this folder and a `Method`
here. The workflow reads this table each time it parses, so nothing here
imports torch; the function is imported when it runs. A map's job depends on
the function's module and on the settings as resolved here, not on this file:
another method's line reruns nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sightline.errors import unknown


class Settings(BaseModel):
    """Settings of a method; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Depth = Annotated[float, Field(gt=0, le=1, description="share of the model's depth, 1 is last")]


class LayerSettings(Settings):
    """Settings of methods that read a layer, and of those that take nothing else."""

    depth: Depth = 1.0


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


class IntegratedGradientsSettings(Settings):
    """Settings of integrated gradients."""

    steps: int = Field(100, ge=1, description="points of the integral along the path")
    rule: Literal["gauss-legendre", "riemann-middle"] = Field(
        "gauss-legendre", description="quadrature along the path"
    )


class KernelShapSettings(Settings):
    """Settings of KernelSHAP."""

    samples: int = Field(350, ge=4, description="forward passes an image, all counted")
    segments: int = Field(50, ge=2, description="segments asked of SLIC, which may give fewer")
    compactness: float = Field(10.0, gt=0, description="SLIC: space against colour")
    segment_on: Literal["rgb", "normalised"] = Field(
        "rgb", description="the image SLIC sees: the same for all models, or the model's own"
    )


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


@dataclass(frozen=True)
class Cost:
    """Passes of the model that a method makes for one image.

    Where it makes one for each channel of a layer, these are not known before
    the model is loaded, and the range length may not depend on the model: then
    it is `TYPICAL_CHANNELS`, or the setting that limits them. Such methods
    report the passes made of each map.
    """

    forward: float
    backward: float = 0.0

    @property
    def passes(self) -> float:
        """In forward passes; a backward pass costs about two of them."""
        return self.forward + 2 * self.backward


@dataclass(frozen=True)
class Method:
    """A method's entry in the catalogue.

    Attributes
    ----------
    name
        As in configurations.
    function
        ``module:function``, called with (classifier, images, targets, seeds,
        settings); see `sightline.methods.explanation`.
    settings
        Its settings with their defaults.
    cost
        Settings to passes per image.
    reference
        Where the method is from.
    signed
        Whether maps hold evidence against the class too.
    stochastic
        Whether maps depend on the seed.
    needs_gradients, needs_layer
        What it asks of a model.
    score
        The output of the model that it explains.
    scaling
        Steps by which its maps are made comparable (`sightline.maps.scaling`).
    class_specific
        Whether maps depend on the class that is explained.
    """

    name: str
    function: str
    settings: type[Settings]
    cost: Callable[[Any], Cost]
    reference: str
    signed: bool
    stochastic: bool
    needs_gradients: bool
    needs_layer: bool
    score: Literal["logit", "probability"]
    scaling: tuple[str, ...]
    class_specific: bool = True

    @property
    def module(self) -> str:
        """The module whose source decides whether maps are computed again."""
        return self.function.partition(":")[0]

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        module, _, name = self.function.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function


def _gradient_cam(name: str, reference: str, settings: type[CamSettings] = CamSettings) -> Method:
    """A class activation map of one forward and one backward pass."""
    return Method(
        name=name,
        function=f"sightline.methods.{name}:{name}",
        settings=settings,
        cost=lambda settings: Cost(forward=1, backward=settings.depth < 1),
        reference=reference,
        signed=False,
        stochastic=False,
        needs_gradients=True,
        needs_layer=True,
        score="logit",
        scaling=("positive", "minmax"),
    )


def _channel_cam(
    name: str, reference: str, score: Literal["logit", "probability"], *, gradients: bool
) -> Method:
    """A class activation map of one forward pass a channel."""
    return Method(
        name=name,
        function=f"sightline.methods.{name}:{name}",
        settings=ChannelSettings,
        cost=lambda settings: Cost(
            forward=1 + (settings.channels or TYPICAL_CHANNELS),
            backward=gradients and settings.depth < 1,
        ),
        reference=reference,
        signed=False,
        stochastic=False,
        needs_gradients=gradients,
        needs_layer=True,
        score=score,
        scaling=("positive", "minmax"),
    )


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


_METHODS = (
    _gradient_cam("gradcam", "Selvaraju et al. 2017, arXiv:1610.02391", GradCamSettings),
    _gradient_cam("gradcam_plus_plus", "Chattopadhyay et al. 2018, arXiv:1710.11063"),
    _gradient_cam("layercam", "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943"),
    _gradient_cam("hirescam", "Draelos and Carin 2020, arXiv:2011.08891"),
    _gradient_cam("xgradcam", "Fu et al. 2020, arXiv:2008.02312"),
    _gradient_cam("abscam_initial", "Zeng et al. 2022, arXiv:2207.03648"),
    Method(
        name="eigencam",
        function="sightline.methods.eigencam:eigencam",
        settings=LayerSettings,
        cost=lambda settings: Cost(forward=1),
        reference="Muhammad and Yeasin 2020, arXiv:2008.00299",
        signed=False,
        stochastic=False,
        needs_gradients=False,
        needs_layer=True,
        score="logit",
        scaling=("positive", "minmax"),
        class_specific=False,
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
    ),
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
        cost=lambda settings: Cost(forward=settings.steps + 2, backward=settings.steps),
        reference="Sundararajan et al. 2017, arXiv:1703.01365",
        signed=True,
        stochastic=False,
        needs_gradients=True,
        needs_layer=False,
        score="logit",
        scaling=("clip:0.3:99.7", "max", "abs"),
    ),
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
)

CATALOGUE = {method.name: method for method in _METHODS}
if len(CATALOGUE) != len(_METHODS):
    raise RuntimeError("two methods of the catalogue have one name")


def find_method(name: str) -> Method:
    """The catalogue's entry of a name.

    Raises
    ------
    SightlineError
        For an unknown name, with the nearest known one.
    """
    if name not in CATALOGUE:
        raise unknown("method", name, CATALOGUE)
    return CATALOGUE[name]
