"""HiResCAM: each activation times its own gradient, summed over channels.

    M_ij = ReLU(sum_k dy/dA_kij A_kij)       (Draelos and Carin 2020)

with y the logit of the explained class and A_k channel k of the layer. Where y
is linear in A, as with a single fully connected layer after it, the sum of the
map before the ReLU is y without its bias; where A is pooled by its mean, the
map is that of Grad-CAM.

Where all that the score gets of a position goes through a layer normalisation,
the map is 0 by construction: scaling A there changes nothing, so that
sum_k dy/dA_kij A_kij = 0. It is so at the last layer of most vision
transformers, and between the stages of ConvNeXt; another ``depth`` is not.
What is left of the sum is rounding, and set to 0.

Deviation: the paper's map has no ReLU, which is Grad-CAM's; ``relu: false`` is
the paper's. Layers and branches are those of Grad-CAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.cams.gradient_cam import gradient_cam
from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import CamSettings
    from sightline.models.classifier import Classifier

# Of the sum of magnitudes; a map whose values are all smaller is rounding. Normalised layers of
# timm's models, and their epsilon, leave 1e-8 to 1e-5, others 1e-2 and more.
CANCELLED = 1e-4


def hirescam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: CamSettings,
) -> Explanation:
    """HiResCAM, see `sightline.methods.cams.gradient_cam.gradient_cam`."""
    return gradient_cam(classifier, images, targets, settings, _rule)


def _rule(activations: Tensor, gradients: Tensor) -> Tensor:
    parts = gradients * activations
    found = parts.sum(dim=1)
    most = parts.abs().sum(dim=1).amax(dim=(1, 2), keepdim=True)
    return torch.where(found.abs().amax(dim=(1, 2), keepdim=True) > CANCELLED * most, found, 0)
