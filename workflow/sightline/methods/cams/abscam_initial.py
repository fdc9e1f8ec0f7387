"""Abs-CAM, initial map: channels weighted by the mean magnitude of their gradient.

    w_k = 1/Z sum_ij |dy/dA_kij|           (Zeng et al. 2022, first phase)
    M   = ReLU(sum_k w_k A_k)

with y the logit of the explained class and A_k channel k of the layer, Z its
number of positions. Where the layer is rectified no term is negative and the
ReLU changes nothing. The final map is `sightline.methods.cams.abscam_final`.

The magnitude does not tell evidence for the class from evidence against it.
Layers and branches are those of Grad-CAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from sightline.methods.cams.gradient_cam import gradient_cam, weighted
from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import CamSettings
    from sightline.models.classifier import Classifier


def abscam_initial(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: CamSettings,
) -> Explanation:
    """The initial map of Abs-CAM, see `sightline.methods.cams.gradient_cam.gradient_cam`."""
    return gradient_cam(classifier, images, targets, settings, _rule)


def _rule(activations: Tensor, gradients: Tensor) -> Tensor:
    return weighted(gradients.abs().mean(dim=(2, 3)), activations)
