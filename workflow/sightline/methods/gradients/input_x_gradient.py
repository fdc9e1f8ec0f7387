"""Input times gradient: what each pixel adds, were the model linear.

    M_ij = sum_c x_cij dy/dx_cij                   (Shrikumar et al. 2016)

with y the logit of the explained class and x the image in the model's normalised
space, c counting its colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.entry import Settings
    from sightline.models.classifier import Classifier


def input_x_gradient(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: Settings,
) -> Explanation:
    """Input times gradient.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution.
    """

    def run(part: slice) -> Tensor:
        _, gradients = classifier.input_gradients(images[part], targets[part])
        return (gradients * images[part].to(gradients.device)).sum(dim=1).float()

    # Copied at the end: a copy each batch would let a GPU wait.
    return Explanation(torch.cat([maps for _, maps in classifier.batches(len(images), run)]).cpu())
