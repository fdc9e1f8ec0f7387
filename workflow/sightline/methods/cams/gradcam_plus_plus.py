"""Grad-CAM++: positive gradients count, weighted so that every occurrence counts alike.

    a_kij = g_kij^2 / (2 g_kij^2 + g_kij^3 sum_lm A_klm)
                                     (Chattopadhyay et al. 2018, equation 19)
    w_k   = sum_ij a_kij ReLU(g_kij)
    M     = ReLU(sum_k w_k A_k)

with g = dy/dA, y the logit of the explained class and A_k channel k of the
layer. Only positive gradients count, so a = 1 / (2 + g sum A) is computed.

Deviations: the paper's score is exp(y), whose higher derivatives are powers of
g; the factor exp(y), the same for all channels and positions, is left out of
the weights. The paper's layers are rectified; elsewhere sum A may be negative
and a have a pole at -2/g, so a negative sum counts as 0, which bounds a to
[0, 1/2] as in the paper. Layers and branches are those of Grad-CAM.
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


def gradcam_plus_plus(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: CamSettings,
) -> Explanation:
    """Grad-CAM++, see `sightline.methods.cams.gradient_cam.gradient_cam`."""
    return gradient_cam(classifier, images, targets, settings, _rule)


def _rule(activations: Tensor, gradients: Tensor) -> Tensor:
    positive = gradients.relu()
    total = activations.sum(dim=(2, 3), keepdim=True).relu()
    return weighted((positive / (2 + positive * total)).sum(dim=(2, 3)), activations)
