"""Guided Grad-CAM: guided backpropagation where Grad-CAM is positive.

    M = G * Up(ReLU(sum_k a_k A_k))            (Selvaraju et al. 2017, section 3.2)

with G the map of `sightline.methods.gradients.guided_backprop`, the second factor that of
`sightline.methods.cams.gradcam`, and Up bilinear resampling to the image's size. What
guided backpropagation refuses is refused here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sightline.methods.cams.gradcam import mean_gradient_rule
from sightline.methods.cams.gradient_cam import layer_maps
from sightline.methods.explanation import Explanation
from sightline.methods.gradients.colours import over_colours
from sightline.methods.gradients.guided_backprop import guided_gradients

if TYPE_CHECKING:
    from sightline.methods.catalogue.entry import LayerSettings
    from sightline.models.classifier import Classifier


def guided_gradcam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: LayerSettings,
) -> Explanation:
    """Guided Grad-CAM at the layer nearest to ``settings.depth``.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution, 0 where Grad-CAM is.
    """

    def run(part: slice) -> Tensor:
        gradients = guided_gradients(classifier, images[part], targets[part])
        return over_colours(gradients, "sum").float()

    fine = torch.cat([maps for _, maps in classifier.batches(len(images), run)]).cpu()
    coarse = layer_maps(classifier, images, targets, settings.depth, mean_gradient_rule).relu()
    size = (fine.shape[1], fine.shape[2])
    large = nn.functional.interpolate(coarse[:, None], size, mode="bilinear")[:, 0]
    return Explanation(fine * large)
