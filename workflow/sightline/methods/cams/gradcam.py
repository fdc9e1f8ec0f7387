"""Grad-CAM: activations of a layer, weighted by the mean gradient of their channel.

    a_k = 1/Z sum_ij dy/dA_kij            (Selvaraju et al. 2017, equation 1)
    M   = ReLU(sum_k a_k A_k)             (equation 2)

with y the logit of the explained class and A_k channel k of the layer, Z its
number of positions. For transformers the positions are the patch tokens; class
and register tokens are left out of both equations. Where a layer has several
branches, M is the sum over them, see `sightline.models.layers.Layer.join`.

Deviation: the layer need not be the last convolution, see
`sightline.models.layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from sightline.methods.cams.gradient_cam import gradient_cam, weighted
from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import GradCamSettings
    from sightline.models.classifier import Classifier


def gradcam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: GradCamSettings,
) -> Explanation:
    """Grad-CAM, see `sightline.methods.cams.gradient_cam.gradient_cam`."""
    return gradient_cam(classifier, images, targets, settings, mean_gradient_rule)


def mean_gradient_rule(activations: Tensor, gradients: Tensor) -> Tensor:
    """The sum over channels of a_k A_k."""
    return weighted(gradients.mean(dim=(2, 3)), activations)
