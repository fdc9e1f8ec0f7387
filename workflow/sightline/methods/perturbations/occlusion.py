"""Occlusion: what the score loses when a window is hidden.

    d_w  = y(x) - y(x without w)             (Zeiler and Fergus 2014, section 4.2)
    M_ij = mean of d_w over the windows w that cover pixel ij

with y the logit of the explained class, x the image in the model's normalised
space, and windows of window x window pixels every ``stride`` pixels from the top
left; the last of a row or column is cut off by the border, so that every pixel is
covered. Hidden pixels are 0 in that space (``mean``, the mean colour), black,
white, or those of the image blurred by a Gaussian of half the window's side.

Deviations: y is the logit and not the probability, which saturates. The paper
shows y(x without w) itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from sightline.methods.copies import copies_of, placed
from sightline.methods.explanation import Explanation
from sightline.models.state import frozen

if TYPE_CHECKING:
    from sightline.methods.catalogue.perturbations import OcclusionSettings
    from sightline.models.classifier import Classifier
    from sightline.models.preprocessing import Preprocessing


def occlusion(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: OcclusionSettings,
) -> Explanation:
    """Occlusion.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution, with ``passes``.
    """
    device = classifier.device
    rows, columns = (
        _windows(side, settings.window, settings.stride).to(device) for side in images.shape[2:]
    )
    fill = placed(classifier, _fill(images, settings, classifier.preprocessing))
    images, targets = placed(classifier, images), targets.to(device)
    each = len(rows) * len(columns)

    def run(part: slice) -> Tensor:
        # Item i is window i % each of image i // each.
        items = np.arange(part.start, part.stop)
        which, window = items // each, torch.from_numpy(items % each).to(device)
        hidden = rows[window // len(columns)][:, :, None] & columns[window % len(columns)][:, None]

        def hide(image: Tensor, here: slice) -> Tensor:
            return torch.where(hidden[here, None], fill[which[here.start], None], image)

        scores = classifier.forward(copies_of(images, which, hide)).float()
        return scores.gather(1, targets[torch.from_numpy(which).to(device)][:, None])[:, 0]

    with frozen(classifier.module), torch.inference_mode():
        found = [scores for _, scores in classifier.batches(len(images) * each, run)]
    whole = classifier.scores(images).gather(1, targets.cpu()[:, None])
    lost = whole - torch.cat(found).cpu().unflatten(0, (len(images), each))
    grid = lost.double().unflatten(1, (len(rows), len(columns)))
    over, along = (sides.double().cpu() for sides in (rows, columns))
    maps = over.T @ grid @ along / (over.sum(0)[:, None] * along.sum(0))
    passes = np.full(len(images), each + 1)
    return Explanation(maps.float(), {"passes": passes})


def _windows(side: int, window: int, stride: int) -> Tensor:
    """Which pixels of a side each window covers, bool (windows, side)."""
    count = max(1, math.ceil((side - window) / stride) + 1)
    starts = torch.arange(count)[:, None] * stride
    pixels = torch.arange(side)
    return (pixels >= starts) & (pixels < starts + window)


def _fill(images: Tensor, settings: OcclusionSettings, preprocessing: Preprocessing) -> Tensor:
    """What hidden pixels hold, (N, 3, H, W) or of fewer pixels that broadcast to it."""
    if settings.fill == "blur":
        sigma = settings.window / 2
        # The kernel reaches three sigma, as far as the border can be reflected.
        reach = min(math.ceil(3 * sigma), *(side - 1 for side in images.shape[2:]))
        return gaussian_blur(images, [2 * reach + 1] * 2, [sigma] * 2)
    if settings.fill == "mean":
        return torch.zeros(len(images), 3, 1, 1)
    mean, std = (torch.tensor(one) for one in (preprocessing.mean, preprocessing.std))
    colour = (float(settings.fill == "white") - mean) / std
    return colour[None, :, None, None].expand(len(images), -1, -1, -1)
