"""Whether the part of an image that a map shows keeps the model's confidence.

    drop = max(0, Y - O) / Y,    increase = 1 if O > Y else 0

with Y the probability of the explained class on the image x and O that on x * M, M the
map made comparable, without negative values, divided by its maximum and upsampled to the
input (Chattopadhay et al. 2018, arXiv:1710.11063, section 4.1; "average drop %" is 100 times
the mean of ``drop``). What a signed map says against the class is not shown: the paper's
maps are positive.

The product is taken with pixels, where 0 is black, as in the paper, and not in the model's
normalised space, where 0 is a grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sightline.evaluate.alike import on_grid
from sightline.evaluate.pixels import from_pixels, to_pixels
from sightline.evaluate.protocol import Case, Values
from sightline.maps.scaling import scale_maps

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.faithfulness import ConfidenceChange


def measure(case: Case, settings: ConfidenceChange) -> Values:
    """``drop`` and ``increase`` (n,); NaN where a map shows nothing: has no positive value."""
    height, width = case.images.shape[2:]
    scaled = scale_maps(scale_maps(case.maps, case.scaling), ("positive", "max"))
    shown = torch.from_numpy(on_grid(scaled, (height, width)).clip(0, 1))[:, None]
    pixels = to_pixels(case.images, case.classifier.preprocessing)
    masked = from_pixels(pixels * shown, case.classifier.preprocessing)
    whole, part = (
        case.classifier.scores(images, "probability").gather(1, case.targets[:, None])[:, 0]
        for images in (case.images, masked)
    )
    before, after = whole.double().numpy(), part.double().numpy()
    usable = scaled.any(axis=(1, 2))
    lost = np.full(len(before), np.nan)
    # Of a class without any probability nothing can be lost.
    np.divide(np.maximum(before - after, 0), before, out=lost, where=usable & (before > 0))
    return {
        "drop": lost,
        "increase": np.where(usable, after > before, np.nan),
    }
