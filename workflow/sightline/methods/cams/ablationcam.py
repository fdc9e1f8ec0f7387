"""Ablation-CAM: channels weighted by what the score loses without them.

    w_k = (y - y_k) / |y|              (Desai and Ramaswamy 2020)
    M   = ReLU(sum_k w_k A_k)

with y the logit of the explained class, y_k the same when channel k of the layer
is 0 at all positions, and A_k that channel. No gradient is asked for.

Deviations: the paper divides by y and not by its magnitude, which for a
negative logit would turn evidence against the class into evidence for it; a
logit of 0 divides by 1. Tokens that are no part of the image (class and
register tokens) are left as they are. With ``channels`` only those that vary
most are run and weighted. Layers and branches are those of Grad-CAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.cams.channels import channel_cam, combined, most_varied, read_layer
from sightline.methods.copies import placed
from sightline.methods.explanation import Explanation
from sightline.models.layers import FeatureMap, Layer
from sightline.models.state import replaced

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import ChannelSettings
    from sightline.models.classifier import Classifier


def ablationcam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: ChannelSettings,
) -> Explanation:
    """Ablation-CAM, see `sightline.methods.cams.channels.channel_cam`."""

    def one(layer: Layer, image: Tensor, target: Tensor) -> tuple[Tensor, int]:
        activations, logits = read_layer(classifier, layer, image)
        chosen = most_varied(activations, settings.channels)
        score = logits[int(target)].float()
        without = ablated_scores(classifier, layer, image, chosen)[:, int(target)]
        weights = (score - without) / torch.where(score == 0, 1, score.abs())
        channels = [one[which] for one, which in zip(activations, chosen, strict=True)]
        return combined(layer, channels, weights), 1 + len(without)

    return channel_cam(classifier, images, targets, settings, one)


def ablated_scores(
    classifier: Classifier, layer: Layer, image: Tensor, chosen: Sequence[Tensor]
) -> Tensor:
    """Logits of an image (1, 3, H, W) without one channel of the layer each.

    Parameters
    ----------
    chosen
        int64, the channels of each branch.

    Returns
    -------
    Tensor
        float32 (chosen channels of all branches, classes) on the device.
    """
    branches = torch.cat([torch.full_like(one, i) for i, one in enumerate(chosen)])
    channels = torch.cat(list(chosen))
    image = placed(classifier, image)

    def run(part: slice) -> Tensor:
        def ablate(one: FeatureMap, output: Tensor) -> Tensor:
            items = (branches[part] == layer.maps.index(one)).nonzero()[:, 0]
            return one.without_channels(output, items, channels[part][items])

        with replaced(classifier.module, layer.maps, ablate):
            copies = image.expand(len(channels[part]), -1, -1, -1)
            return classifier.forward(copies).float()

    with torch.inference_mode():
        return torch.cat([scores for _, scores in classifier.batches(len(channels), run)])
