"""Control: the edges of the image, whatever the model.

    M = sqrt(((S_x * l)^2 + (S_y * l)^2) / 2)      (Sobel and Feldman 1968, by scikit-image)

with l the luminance in [0, 1] of what the model sees. Maps that look like edges
look right to people (Adebayo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.images.controls import edges
from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.entry import Settings
    from sightline.models.classifier import Classifier


def sobel(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: Settings,
) -> Explanation:
    """Edge strength, 0 or above, at the input's resolution."""
    seen = classifier.preprocessing.pixels(images)
    return Explanation(torch.from_numpy(np.stack([edges(one) for one in seen])))
