"""Score-CAM: channels weighted by the score of the image that each of them shows.

    H_k = s(Up(A_k))                            (Wang et al. 2020)
    C_k = y(x * H_k) - y(0)
    a_k = exp(C_k) / sum_l exp(C_l)
    M   = ReLU(sum_k a_k A_k)

with y the logit of the explained class, A_k channel k of the layer, Up bilinear
resampling to the size of the image x, and s scaling to [0, 1]. y(0), the same
for all channels, does not change a_k and is not computed. No gradient is asked
for.

Deviations: the image is multiplied in the model's normalised space, where 0 is
the mean colour. A channel that is the same everywhere shows nothing, y(0). Up
takes positions as areas of the image, not as points on its border as
pytorch-grad-cam does. With ``channels`` only those that vary most are run and
weighted. Layers and branches are those of Grad-CAM; the softmax is over the
channels of all branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from sightline.methods.cams.channels import (
    channel_cam,
    combined,
    masked_scores,
    most_varied,
    read_layer,
)
from sightline.methods.explanation import Explanation
from sightline.models.layers import Layer

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import ChannelSettings
    from sightline.models.classifier import Classifier


def scorecam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: ChannelSettings,
) -> Explanation:
    """Score-CAM, see `sightline.methods.cams.channels.channel_cam`."""

    def one(layer: Layer, image: Tensor, target: Tensor) -> tuple[Tensor, int]:
        activations, _ = read_layer(classifier, layer, image)
        chosen = most_varied(activations, settings.channels)
        channels = [one[which] for one, which in zip(activations, chosen, strict=True)]
        scores = masked_scores(classifier, image, channels)[:, int(target)]
        return combined(layer, channels, scores.softmax(dim=0)), 1 + len(scores)

    return channel_cam(classifier, images, targets, settings, one)
