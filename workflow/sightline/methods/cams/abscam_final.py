"""Abs-CAM, final map: the channels of the initial map, weighted by what each shows.

    w_k = 1/Z sum_ij |dy/dA_kij|               (Zeng et al. 2022, first phase)
    H_k = s(Up(w_k A_k))                       (second phase)
    M   = ReLU(sum_k p(x * H_k) w_k A_k)

with y the logit and p the probability of the explained class, A_k channel k of
the layer, Z its number of positions, Up bilinear resampling to the size of the
image x, and s scaling to [0, 1]. Without p this is
`sightline.methods.cams.abscam_initial`.

How this reads the paper: what p weights is the channel of the initial map,
w_k A_k. s takes the factor w_k out of H_k, so that with A_k in its place the
first phase would not matter at all. A channel without gradient counts nothing
and a channel that is the same everywhere shows nothing. The image is multiplied
in the model's normalised space, where 0 is the mean colour. With ``channels``
only those whose w_k A_k vary most are run and summed. Layers and branches are
those of Grad-CAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from sightline.methods.cams.channels import channel_cam, combined, masked_scores, most_varied
from sightline.methods.explanation import Explanation
from sightline.models.layers import Layer

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import ChannelSettings
    from sightline.models.classifier import Classifier


def abscam_final(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: ChannelSettings,
) -> Explanation:
    """The final map of Abs-CAM, see `sightline.methods.cams.channels.channel_cam`."""

    def one(layer: Layer, image: Tensor, target: Tensor) -> tuple[Tensor, int]:
        ((_, found),) = classifier.batches(
            1, lambda _: classifier.gradients_at(layer, image, target)
        )
        parts = [
            gradient[0].abs().mean(dim=(1, 2), keepdim=True) * activations[0]
            for activations, gradient in found
        ]
        chosen = most_varied(parts, settings.channels)
        channels = [one[which] for one, which in zip(parts, chosen, strict=True)]
        logits = masked_scores(classifier, image, channels)
        scores = classifier.probabilities(logits)[:, int(target)]
        return combined(layer, channels, scores), 1 + len(scores)

    return channel_cam(classifier, images, targets, settings, one)
