"""Control: random maps, which show nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.images.controls import random_positions
from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.controls import RandomMapSettings
    from sightline.models.classifier import Classifier


def random_map(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: RandomMapSettings,
) -> Explanation:
    """Values uniform in [0, 1), independent at ``cells`` x ``cells`` positions."""
    drawn = [random_positions(seed, settings.cells) for seed in seeds]
    return Explanation(torch.from_numpy(np.stack(drawn)))
