"""Noise tunnel: integrated gradients of noisy copies of the image, averaged.

    a_s  = IG(x + e_s),     e_s ~ N(0, sigma^2),     sigma = noise (max x - min x)

with IG as `sightline.methods.gradients.integrated_gradients` has it, from a zero baseline
(Sundararajan et al. 2017), and the mean over copies, the mean square
(``squared``) or the variance (``vargrad``) as `sightline.methods.gradients.smoothgrad` has
them (Smilkov et al. 2017; captum's NoiseTunnel). The integral of a copy is by
Gauss-Legendre's rule.

Deviation: colours are summed before squares are taken, where captum takes those
of each colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.explanation import Explanation
from sightline.methods.gradients.quadrature import quadrature
from sightline.methods.gradients.smoothgrad import over_noisy_copies

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import NoiseTunnelSettings
    from sightline.models.classifier import Classifier


def noise_tunnel(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: NoiseTunnelSettings,
) -> Explanation:
    """Integrated gradients over noisy copies.

    Returns
    -------
    Explanation
        Maps at the input's resolution, signed for ``smoothgrad``, with
        ``standard_error`` and ``passes``.
    """
    places, weights = quadrature("gauss-legendre", settings.steps)

    def integrate(copies: Tensor, image: np.ndarray) -> Tensor:
        integral = torch.zeros_like(copies)
        for place, weight in zip(places.tolist(), weights.tolist(), strict=True):
            _, gradients = classifier.input_gradients(copies * place, targets[image])
            integral += weight * gradients
        return (integral * copies).sum(dim=1)

    return over_noisy_copies(classifier, images, seeds, settings, integrate, settings.steps)
