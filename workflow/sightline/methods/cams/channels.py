"""What class activation maps share that run the model once for each channel of a layer.

One image at a time, its channels in batches: memory holds the activations of
one image and one batch of altered copies of it, however many channels there
are. Channels of all branches of the layer are taken together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.cams.gradient_cam import weighted
from sightline.methods.explanation import Explanation
from sightline.models.layers import Layer
from sightline.models.state import frozen

if TYPE_CHECKING:
    from sightline.methods.catalogue.cams import ChannelSettings
    from sightline.models.classifier import Classifier

# A channel whose range is less than this share of its largest magnitude is the same everywhere:
# what differs is rounding, which scaling to [0, 1] would make a mask of.
CONSTANT = 1e-6


def channel_cam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    settings: ChannelSettings,
    one: Callable[[Layer, Tensor, Tensor], tuple[Tensor, int]],
) -> Explanation:
    """Maps of images taken one by one.

    Parameters
    ----------
    one
        From the layer, an image (1, 3, H, W) and its target (1,) to a map
        (height, width) and the passes that it took.

    Returns
    -------
    Explanation
        Maps at the layer's resolution, 0 or above unless ``relu`` is off, with
        ``passes``.
    """
    layer = classifier.layer(settings.depth)
    with frozen(classifier.module):
        found = [one(layer, images[i : i + 1], targets[i : i + 1]) for i in range(len(images))]
    maps = torch.stack([found_map.float().cpu() for found_map, _ in found])
    passes = np.array([count for _, count in found])
    return Explanation(maps.relu() if settings.relu else maps, {"passes": passes})


def read_layer(classifier: Classifier, layer: Layer, image: Tensor) -> tuple[list[Tensor], Tensor]:
    """Activations of one image, (channels, height, width) of each branch, and its logits."""
    ((_, (found, scores)),) = classifier.batches(
        1, lambda _: classifier.activations_at(layer, image)
    )
    return [one[0] for one in found], scores[0]


def most_varied(activations: Sequence[Tensor], most: int | None) -> list[Tensor]:
    """Which channels to take of each branch, in their order.

    Parameters
    ----------
    activations
        (channels, height, width) of each branch.
    most
        At most so many in all, those of the largest standard deviation over
        the positions; all if none.

    Returns
    -------
    list of Tensor
        int64, of each branch.
    """
    spread = torch.cat([one.float().flatten(1).std(dim=1, correction=0) for one in activations])
    # Stable: of equal channels, as those that are off, the first are taken on any machine.
    taken = torch.zeros_like(spread, dtype=torch.bool)
    taken[spread.argsort(descending=True, stable=True)[:most]] = True
    return [one.nonzero()[:, 0] for one in taken.split([len(one) for one in activations])]


def masked_scores(classifier: Classifier, image: Tensor, channels: Sequence[Tensor]) -> Tensor:
    """Logits of an image of which one channel each decides what is seen.

    The channel, resampled bilinearly to the image's size and scaled to [0, 1],
    multiplies the image in the model's normalised space. One that is the same
    at all positions shows nothing.

    Parameters
    ----------
    image
        (1, 3, H, W).
    channels
        (n, height, width) of each branch.

    Returns
    -------
    Tensor
        float32 (channels of all branches, classes) on the device.
    """
    # Masked copies then come in the layout that the model takes.
    image = image.to(classifier.device, memory_format=torch.channels_last)
    size = (image.shape[2], image.shape[3])
    starts = np.cumsum([0, *(len(one) for one in channels)])

    def run(part: slice) -> Tensor:
        pieces = [
            one[max(part.start - start, 0) : max(part.stop - start, 0)]
            for one, start in zip(channels, starts, strict=False)
        ]
        masks = torch.cat([mask_of(piece, size) for piece in pieces if len(piece)])
        return classifier.forward(image * masks[:, None]).float()

    with torch.inference_mode():
        return torch.cat([scores for _, scores in classifier.batches(int(starts[-1]), run)])


def mask_of(channels: Tensor, size: tuple[int, int]) -> Tensor:
    """Channels (n, h, w) resampled to a size and scaled to [0, 1], each by itself."""
    resampled = torch.nn.functional.interpolate(channels[:, None].float(), size, mode="bilinear")
    resampled = resampled[:, 0]
    low = resampled.amin(dim=(1, 2), keepdim=True)
    extent = resampled.amax(dim=(1, 2), keepdim=True) - low
    varies = extent > CONSTANT * resampled.abs().amax(dim=(1, 2), keepdim=True)
    return torch.where(varies, (resampled - low) / extent, 0)


def combined(layer: Layer, channels: Sequence[Tensor], weights: Tensor) -> Tensor:
    """The weighted sum of channels, branches joined.

    Parameters
    ----------
    channels
        (n, height, width) of each branch.
    weights
        Of the channels of all branches.

    Returns
    -------
    Tensor
        (height, width) of the layer.
    """
    shares = weights.split([len(one) for one in channels])
    maps = [weighted(w[None], one[None]) for w, one in zip(shares, channels, strict=True)]
    return layer.join(maps)[0]
