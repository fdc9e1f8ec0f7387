"""SmoothGrad: the gradient averaged over noisy copies of the image.

    M_ij = 1/n sum_s sum_c dy(x + e_s)/dx_cij,    e_s ~ N(0, sigma^2)
                                                  (Smilkov et al. 2017)
    sigma = noise (max x - min x)

with y the logit of the explained class, x the image in the model's normalised
space, c counting its colours and s its n noisy copies.

`standard_error` says how far the mean of n copies is from that of infinitely
many: the root mean square over the pixels of each one's standard error, relative
to that of the map. At 1 the map is as much noise as signal.

Deviation: gradients are averaged with their sign, and colours summed; where the
paper shows magnitudes, they are of the mean. A copy's noise depends on the seed
of the image and its number alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import SmoothGradSettings
    from sightline.models.classifier import Classifier


def smoothgrad(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: SmoothGradSettings,
) -> Explanation:
    """SmoothGrad.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution, with ``standard_error``.
    """
    count = settings.samples
    size = (len(images), *images.shape[2:])
    total, squares = (torch.zeros(size, dtype=torch.float64) for _ in range(2))
    sigma = settings.noise * (images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3)))

    def run(part: slice) -> tuple[Tensor, Tensor]:
        # Item i is copy i % count of image i // count.
        items = torch.arange(part.start, part.stop)
        which = items // count
        noise = torch.stack(
            [draw(seeds[int(i) // count], int(i) % count, images.shape[1:]) for i in items]
        )
        points = images[which] + noise * sigma[which, None, None, None]
        _, gradients = classifier.input_gradients(points, targets[which])
        return which, gradients.sum(dim=1).double().cpu()

    for _, (which, gradients) in classifier.batches(len(images) * count, run):
        total.index_add_(0, which, gradients)
        squares.index_add_(0, which, gradients.square())
    mean = total / count
    variance = (squares / count - mean.square()).clamp_min(0) * count / (count - 1)
    error = (variance / count).mean(dim=(1, 2)).sqrt()
    size_of_map = mean.square().mean(dim=(1, 2)).sqrt()
    relative = error / size_of_map.clamp_min(torch.finfo(torch.float64).tiny)
    return Explanation(mean.float(), {"standard_error": relative.numpy()})


def draw(seed: int, copy: int, shape: Sequence[int]) -> Tensor:
    """Standard normal noise of one copy of an image, float32, the same on any machine."""
    generator = np.random.default_rng((seed, copy))
    return torch.from_numpy(generator.standard_normal(tuple(shape), dtype=np.float32))
