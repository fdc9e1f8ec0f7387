"""GradientSHAP: the gradient at random points between baselines and noisy copies.

    M_ij = 1/n sum_s sum_c (x_s - b_s)_cij dy/dx_cij at b_s + a_s (x_s - b_s)
                                      (Lundberg and Lee 2017; Erion et al. 2021)
    x_s  = x + e_s,  e_s ~ N(0, sigma^2),  sigma = noise (max x - min x)

with y the logit of the explained class and a_s uniform in [0, 1]. Baselines b_s
are zero in the model's normalised space, or plain colours drawn uniformly from
all of RGB. With a zero baseline and no noise the expectation is integrated
gradients. Summed over the pixels it is the mean change of y from b_s to x_s.

The a_s of an image go up by the golden ratio, modulo 1, from a random start:
after any number of samples they lie evenly in [0, 1], for a smaller error than
independent draws have. `standard_error`, see
`sightline.methods.sampling.relative_error`, takes them for independent and so
overstates it.

captum has the method, with baselines that a person gives; it draws from the
global state and holds all samples of an image at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.explanation import Explanation
from sightline.methods.sampling import Batch, Moments, draw_samples, relative_error

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import GradientShapSettings
    from sightline.models.classifier import Classifier

GOLDEN = (5**0.5 - 1) / 2


def gradient_shap(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: GradientShapSettings,
) -> Explanation:
    """GradientSHAP.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution, with ``standard_error`` and
        ``passes``.
    """
    moments = Moments((len(images), images.shape[2], images.shape[3]), 2, classifier.device)
    sigma = settings.noise * (images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3)))
    mean, std = (
        torch.tensor(values)[:, None, None]
        for values in (classifier.preprocessing.mean, classifier.preprocessing.std)
    )

    def baselines(batch: Batch) -> Tensor:
        if settings.baselines == "zero":
            return torch.zeros(len(batch.image), 3, 1, 1)
        colours = np.stack(
            [_colour(seeds[i], s) for i, s in zip(batch.image, batch.sample, strict=True)]
        )
        return (torch.from_numpy(colours)[:, :, None, None] - mean) / std

    def run(batch: Batch) -> Tensor:
        ends = images[batch.image]
        if settings.noise:
            noise = batch.noise(seeds, images.shape[1:])
            ends = ends + noise * sigma[batch.image, None, None, None]
        start = baselines(batch)
        way = (ends - start).to(classifier.device)
        share = torch.from_numpy(places(seeds, batch)).to(classifier.device)
        points = start.to(classifier.device) + share[:, None, None, None] * way
        _, gradients = classifier.input_gradients(points, targets[batch.image])
        return (way * gradients).sum(dim=1)

    def add(batch: Batch, maps: Tensor) -> None:
        moments.add(batch.image, maps)

    def error(made: np.ndarray) -> np.ndarray:
        mean = moments.mean(1, made)
        return relative_error(moments.mean(2, made) - mean.square(), mean, made)

    made = draw_samples(
        classifier, len(images), settings.samples, settings.tolerance, run, add, error
    )
    figures = {"standard_error": error(made), "passes": made}
    return Explanation(moments.mean(1, made).float().cpu(), figures)


def places(seeds: Sequence[int], batch: Batch) -> np.ndarray:
    """The a_s of samples, float32 (n,) in [0, 1)."""
    # Another stream than that of any sample's noise or colour.
    starts = np.array([np.random.default_rng((seeds[i], 0, 2)).random() for i in batch.image])
    found: np.ndarray = ((starts + batch.sample * GOLDEN) % 1).astype(np.float32)
    return found


def _colour(seed: int, sample: int) -> np.ndarray:
    """Red, green and blue in [0, 1); another stream than the sample's noise."""
    return np.random.default_rng((seed, sample, 1)).random(3, dtype=np.float32)
