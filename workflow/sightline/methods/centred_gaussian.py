"""Control: a Gaussian at the centre, whatever the image, as photographers aim.

    M_ij = exp(-(u^2 + v^2) / (2 sigma^2)),    u, v in [-1, 1] across the image

Objects lie near the centre of most pictures: what does not do better than this
has not been shown to look at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.controls import CentredGaussianSettings
    from sightline.models.classifier import Classifier


def centred_gaussian(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: CentredGaussianSettings,
) -> Explanation:
    """The same map in (0, 1] for all images, at the input's resolution."""
    rows, columns = (
        torch.exp(-((2 * (torch.arange(side) + 0.5) / side - 1) ** 2) / (2 * settings.sigma**2))
        for side in images.shape[2:]
    )
    return Explanation((rows[:, None] * columns).expand(len(images), -1, -1).clone())
