"""SmoothGrad: the gradient averaged over noisy copies of the image.

    g_sij = sum_c dy(x + e_s)/dx_cij,       e_s ~ N(0, sigma^2)
    sigma = noise (max x - min x)

    M_ij  = 1/n sum_s g_sij                 ``smoothgrad``, Smilkov et al. 2017
    M_ij  = 1/n sum_s g_sij^2               ``squared``, Hooker et al. 2019
    M_ij  = 1/n sum_s (g_sij - mean)^2      ``vargrad``, Adebayo et al. 2018

with y the logit of the explained class, x the image in the model's normalised
space, c counting its colours and s its n noisy copies.

`standard_error` says how far the map of n copies is from that of infinitely
many, see `sightline.methods.sampling.relative_error`. With ``tolerance`` an image
has no more copies than it takes to reach it.

Deviation: gradients are averaged with their sign, and colours summed before; where
the papers show magnitudes, they are of the mean, and powers those of each colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from sightline.methods.explanation import Explanation
from sightline.methods.sampling import Batch, Moments, draw_samples, relative_error

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import NoiseSettings
    from sightline.models.classifier import Classifier


def smoothgrad(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: NoiseSettings,
) -> Explanation:
    """SmoothGrad.

    Returns
    -------
    Explanation
        Maps at the input's resolution, signed for ``smoothgrad``, with
        ``standard_error`` and ``passes``.
    """

    def gradient(points: Tensor, image: np.ndarray) -> Tensor:
        _, gradients = classifier.input_gradients(points, targets[image])
        return gradients.sum(dim=1)

    return over_noisy_copies(classifier, images, seeds, settings, gradient)


def over_noisy_copies(
    classifier: Classifier,
    images: Tensor,
    seeds: Sequence[int],
    settings: NoiseSettings,
    explain: Callable[[Tensor, np.ndarray], Tensor],
    passes: int = 1,
) -> Explanation:
    """Maps of noisy copies, averaged.

    Parameters
    ----------
    explain
        From a batch of copies (n, 3, H, W), on the device, and the number of
        each one's image to maps (n, H, W).
    passes
        Those of one copy.
    """
    highest = 2 if settings.kind == "smoothgrad" else 4
    size = (len(images), images.shape[2], images.shape[3])
    moments = Moments(size, highest, classifier.device)
    sigma = settings.noise * (images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3)))

    def run(batch: Batch) -> Tensor:
        noise = batch.noise(seeds, images.shape[1:]) * sigma[batch.image, None, None, None]
        return explain((images[batch.image] + noise).to(classifier.device), batch.image)

    def add(batch: Batch, maps: Tensor) -> None:
        moments.add(batch.image, maps)

    def error(made: np.ndarray) -> np.ndarray:
        maps, variance = _map(moments, settings.kind, made)
        return relative_error(variance, maps, made)

    made = draw_samples(
        classifier, len(images), settings.samples, settings.tolerance, run, add, error
    )
    figures = {"standard_error": error(made), "passes": made * passes}
    return Explanation(_map(moments, settings.kind, made)[0].float().cpu(), figures)


def _map(moments: Moments, kind: str, made: np.ndarray) -> tuple[Tensor, Tensor]:
    """The maps, and the variance of what one sample adds to them."""
    mean, square = moments.mean(1, made), moments.mean(2, made)
    variance = (square - mean.square()).clamp_min(0)
    if kind == "smoothgrad":
        return mean, variance
    cube, fourth = moments.mean(3, made), moments.mean(4, made)
    if kind == "squared":
        return square, fourth - square.square()
    # The fourth central moment: the variance of a variance is what it exceeds the square by.
    central = fourth - 4 * mean * cube + 6 * mean.square() * square - 3 * mean.square().square()
    return variance, central - variance.square()
