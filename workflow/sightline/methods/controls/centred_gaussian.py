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

from sightline.images.controls import centred_gaussian as gaussian
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
    height, width = images.shape[2:]
    one = torch.from_numpy(gaussian((height, width), settings.sigma))
    return Explanation(one.expand(len(images), -1, -1).clone())
