"""Whether the layer that was found for a model does what Grad-CAM needs of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sightline.methods.cams.gradcam import gradcam
from sightline.methods.catalogue.cams import GradCamSettings
from sightline.models.classifier import Classifier
from sightline.models.examine import (
    answering_regions,
    answering_step_by_step,
    gradient_share,
    spread_share,
)

# A map counts as constant when it differs by less than this share of its magnitude: rounding.
VARIED = 1e-3
LOCAL = 0.75


@dataclass(frozen=True)
class Coverage:
    """What holds of a model's deepest layer.

    Attributes
    ----------
    layer, layout, map
        The submodules, how their tensors are laid out (with the number of
        prefix tokens), and the positions of each, joined by ``+``.
    layers
        How many layers there are to choose from by depth.
    depths
        The depths of those nearest to 0.25, 0.5 and 0.75.
    reach
        Share of the model's operations that the layer comes after.
    finite
        Whether Grad-CAM, before its ReLU, is finite.
    varied
        Its standard deviation over its largest magnitude.
    spread
        Share of positions with more than a hundredth of the largest gradient.
    share
        Share of the score's gradient that goes through the positions.
    locality, stepwise
        Share of 16 regions of the image to which the layer's own positions
        answer: at once; and where those are not all, step by step through the
        layers before (untrained layers in a row mix all positions).
    """

    layer: str
    layout: str
    map: str
    layers: int
    depths: str
    reach: float
    finite: bool
    varied: float
    spread: float
    share: float
    locality: float
    stepwise: float | None

    @property
    def holds(self) -> bool:
        """Whether a map of this layer shows where the model looks."""
        located = max(self.locality, self.stepwise or 0)
        return self.finite and self.varied > VARIED and located >= LOCAL


def cover(classifier: Classifier) -> Coverage:
    """Examine the deepest layer of a model, on an image of noise."""
    module, size = classifier.module, classifier.preprocessing.size
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    image = image.to(classifier.device)
    target = classifier.scores(image).argmax(dim=1)
    layer = classifier.layer()
    raw = gradcam(classifier, image, target, [0], GradCamSettings(relu=False)).maps
    gradients = [gradient for _, gradient in classifier.gradients_at(layer, image, target)]
    direct = answering_regions(module, image, layer.maps)
    return Coverage(
        layer=layer.name,
        layout=layer.layout,
        map="+".join(f"{one.height}x{one.width}" for one in layer.maps),
        layers=len(classifier.layers),
        depths="/".join(f"{classifier.layer(depth).depth:.2f}" for depth in (0.25, 0.5, 0.75)),
        reach=layer.reach,
        finite=bool(raw.isfinite().all()),
        varied=float(raw.std() / raw.abs().max()) if raw.any() else 0.0,
        spread=max(spread_share(gradient) for gradient in gradients),
        share=gradient_share(module, image, layer.maps),
        locality=direct,
        stepwise=None if direct == 1 else answering_step_by_step(module, image, classifier.layers),
    )
