"""Integrated gradients: the gradient averaged along the way from a baseline.

    IG_i(x) = (x_i - b_i) * integral over a in [0, 1] of df(b + a (x - b)) / dx_i
                                         (Sundararajan et al. 2017, equation 1)

with f the logit of the explained class and b the baseline, zero in the model's
normalised space. The attributions of a pixel's three channels are summed. They
sum, over all pixels, to f(x) - f(b) up to the quadrature's error, which is
reported for each map as `completeness_gap`, relative to |f(x) - f(b)|.

captum has the method; this one accumulates the integral batch by batch, over
images and steps alike, so that the number of steps never decides whether it
fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import IntegratedGradientsSettings
    from sightline.models.classifier import Classifier


def integrated_gradients(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: IntegratedGradientsSettings,
) -> Explanation:
    """Integrated gradients from a zero baseline.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution, with ``completeness_gap`` (0 is
        exact).
    """
    places, weights = quadrature(settings.rule, settings.steps)
    integral = torch.zeros(images.shape, dtype=torch.float32)

    def run(part: slice) -> tuple[Tensor, Tensor]:
        # Item i is step i % steps of image i // steps.
        items = torch.arange(part.start, part.stop)
        which, step = items // settings.steps, items % settings.steps
        points = images[which] * places[step, None, None, None]
        _, gradients = classifier.input_gradients(points, targets[which])
        return which, gradients.cpu() * weights[step, None, None, None]

    for _, (which, weighted) in classifier.batches(len(images) * settings.steps, run):
        integral.index_add_(0, which, weighted)
    attributions = (integral * images).sum(dim=1)
    at_image = classifier.scores(images).gather(1, targets[:, None]).squeeze(1)
    at_baseline = classifier.scores(torch.zeros_like(images[:1]))[0, targets]
    change = (at_image - at_baseline).double().numpy()
    gap = np.abs(attributions.sum(dim=(1, 2), dtype=torch.float64).numpy() - change)
    return Explanation(attributions, {"completeness_gap": gap / np.maximum(np.abs(change), 1e-12)})


def quadrature(rule: str, steps: int) -> tuple[Tensor, Tensor]:
    """Places in [0, 1] and weights, summing to 1, of a rule with ``steps`` points."""
    if rule == "gauss-legendre":
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        places, weights = (nodes + 1) / 2, weights / 2
    else:
        places = (np.arange(steps) + 0.5) / steps
        weights = np.full(steps, 1 / steps)
    return torch.tensor(places, dtype=torch.float32), torch.tensor(weights, dtype=torch.float32)
