"""What class activation maps by gradients share: one pass, a rule, joined branches.

A rule makes the map of one branch of the layer from its activations A_k and the
gradient g_k = dy/dA_k of the explained class's logit y, k counting channels.
Each method's module holds its own rule, so that an edit of one reruns no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import CamSettings
    from sightline.models.classifier import Classifier

# From activations and gradients, both float (n, channels, height, width), to maps (n, height,
# width). Not in place: they may be views of what the model goes on with.
Rule = Callable[[Tensor, Tensor], Tensor]


def gradient_cam(
    classifier: Classifier, images: Tensor, targets: Tensor, settings: CamSettings, rule: Rule
) -> Explanation:
    """Maps by a rule at the layer nearest to ``settings.depth``.

    Returns
    -------
    Explanation
        Maps at the layer's resolution, 0 or above unless ``relu`` is off.
    """
    maps = layer_maps(classifier, images, targets, settings.depth, rule)
    return Explanation(maps.relu() if settings.relu else maps)


def layer_maps(
    classifier: Classifier, images: Tensor, targets: Tensor, depth: float, rule: Rule
) -> Tensor:
    """Maps by a rule, float32 (N, height, width) on the CPU, before any ReLU."""
    layer = classifier.layer(depth)

    def run(part: slice) -> Tensor:
        found = classifier.gradients_at(layer, images[part], targets[part])
        return layer.join([rule(*one) for one in found]).float()

    # Copied at the end: copies in between would let a GPU wait.
    return torch.cat([found for _, found in classifier.batches(len(images), run)]).cpu()


def weighted(weights: Tensor, activations: Tensor) -> Tensor:
    """The sum over channels k of w_k A_k.

    Parameters
    ----------
    weights
        (n, channels).
    activations
        (n, channels, height, width).

    Returns
    -------
    Tensor
        (n, height, width).
    """
    return torch.einsum("nk,nkij->nij", weights, activations)
