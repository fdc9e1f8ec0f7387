"""XGrad-CAM: gradients averaged with the activations as weights.

    w_k = sum_ij A_kij dy/dA_kij / sum_lm A_klm       (Fu et al. 2020)
    M   = ReLU(sum_k w_k A_k)

with y the logit of the explained class and A_k channel k of the layer. Thus
each channel's part of the map sums to what its gradient says that it adds to y
(the paper's axioms of sensitivity and conservation, to first order).

Deviations: a channel that sums to 0 counts nothing. Where a layer is not
rectified, activations may nearly cancel in the sum, and their channel then
outweighs all others: the weights are the paper's, but it assumes rectified
layers. Layers and branches are those of Grad-CAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.cams.gradient_cam import gradient_cam, weighted
from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import CamSettings
    from sightline.models.classifier import Classifier


def xgradcam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: CamSettings,
) -> Explanation:
    """XGrad-CAM, see `sightline.methods.cams.gradient_cam.gradient_cam`."""
    return gradient_cam(classifier, images, targets, settings, _rule)


def _rule(activations: Tensor, gradients: Tensor) -> Tensor:
    total = activations.sum(dim=(2, 3))
    adds = (activations * gradients).sum(dim=(2, 3))
    return weighted(torch.where(total == 0, 0, adds / total), activations)
