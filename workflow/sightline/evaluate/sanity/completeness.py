"""Whether attributions sum to what they explain.

    gap = |sum_ij M_ij - (f(x) - f(0))| / |f(x) - f(0)|

with f the logit of the explained class and 0 the image of zeros in the model's
normalised space (completeness: Sundararajan et al. 2017, arXiv:1703.01365).

It is defined where each position of a map holds a share of its own. A map of
segments holds a segment's value at each of its pixels: its sum counts large
segments more often, and no gap is defined of it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sightline.models.classifier import Classifier


def completeness_gap(
    classifier: Classifier, images: Tensor, targets: Tensor, maps: np.ndarray
) -> np.ndarray:
    """The gap of each map, float64 (n,), 0 or above; 0 is exact."""
    at_image = classifier.scores(images).gather(1, targets[:, None]).squeeze(1)
    at_zero = classifier.scores(torch.zeros_like(images[:1]))[0, targets]
    change = (at_image - at_zero).double().numpy()
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(total - change) / np.abs(change)
