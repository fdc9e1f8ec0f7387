"""LayerCAM: each activation weighted by its own gradient, where that is positive.

    M_ij = ReLU(sum_k ReLU(dy/dA_kij) A_kij)       (Jiang et al. 2021)

with y the logit of the explained class and A_k channel k of the layer. Because
weights differ between positions, early layers (``depth``) give usable maps.

Deviation: the paper rescales the maps of early layers by tanh for display;
maps are raw here. Layers and branches are those of Grad-CAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from sightline.methods.cams.gradient_cam import gradient_cam
from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import CamSettings
    from sightline.models.classifier import Classifier


def layercam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: CamSettings,
) -> Explanation:
    """LayerCAM, see `sightline.methods.cams.gradient_cam.gradient_cam`."""
    return gradient_cam(classifier, images, targets, settings, _rule)


def _rule(activations: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.relu() * activations).sum(dim=1)
