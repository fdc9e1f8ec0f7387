"""Saliency: the gradient of the score at the image.

    M_ij = sum_c dy/dx_cij                 (signed, ``colours: sum``)
    M_ij = max_c |dy/dx_cij|               (Simonyan et al. 2014, ``colours: largest``)

with y the logit of the explained class and x the image in the model's normalised
space, c counting its colours.

Deviation: the sum over colours is the default, because it keeps the sign; its
magnitude is taken when maps are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.explanation import Explanation
from sightline.methods.gradients.colours import over_colours

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import SaliencySettings
    from sightline.models.classifier import Classifier


def saliency(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: SaliencySettings,
) -> Explanation:
    """The gradient at the image.

    Returns
    -------
    Explanation
        Maps at the input's resolution; signed for ``sum``, 0 or above for
        ``largest``.
    """

    def run(part: slice) -> Tensor:
        _, gradients = classifier.input_gradients(images[part], targets[part])
        return over_colours(gradients, settings.colours).float()

    return Explanation(torch.cat([maps for _, maps in classifier.batches(len(images), run)]).cpu())
