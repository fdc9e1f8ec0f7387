"""Perturbations of infidelity, and what a map foretells of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.evaluate.alike import on_grid
from sightline.methods.sampling import Batch

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.sensitivity import Infidelity

# From samples to: what images are multiplied by and what is then taken from them, so that x
# becomes x - I, float32 (k, 1, H, W) each, and I.M, float64 (k,).
Perturb = Callable[[Batch], tuple[Tensor, Tensor, np.ndarray]]


def perturbing(
    maps: np.ndarray, size: Sequence[int], seeds: Sequence[int], settings: Infidelity
) -> Perturb:
    """The perturbations of some images.

    Parameters
    ----------
    maps
        Raw, float32 (n, h, w).
    size
        Height and width of the images.
    seeds
        One an image: a sample is drawn from it and its number alone.
    settings
        Which perturbations.
    """
    height, width = size
    # As many times more positions, each with so much less: the sum stays.
    share = maps.shape[1] * maps.shape[2] / (height * width)
    spread = on_grid(maps, (height, width)).astype(np.float64) * share
    if settings.perturbation == "noise":
        return _noise(spread, seeds, settings.sigma)
    return _squares(spread, seeds, max(1, round(settings.side * min(height, width))))


def _noise(maps: np.ndarray, seeds: Sequence[int], sigma: float) -> Perturb:
    def perturb(batch: Batch) -> tuple[Tensor, Tensor, np.ndarray]:
        noise = sigma * batch.noise(seeds, (1, *maps.shape[1:]))
        foretold = np.einsum("khw,khw->k", noise[:, 0].double().numpy(), maps[batch.image])
        return torch.ones(len(noise), 1, 1, 1), noise, foretold

    return perturb


def _squares(maps: np.ndarray, seeds: Sequence[int], side: int) -> Perturb:
    height, width = maps.shape[1:]

    def perturb(batch: Batch) -> tuple[Tensor, Tensor, np.ndarray]:
        count = len(batch.image)
        keep, foretold = torch.ones(count, 1, height, width), np.empty(count)
        for k, (image, sample) in enumerate(zip(batch.image, batch.sample, strict=True)):
            generator = np.random.default_rng((seeds[image], sample))
            top, left = generator.integers(0, (height - side + 1, width - side + 1))
            keep[k, 0, top : top + side, left : left + side] = 0
            foretold[k] = maps[image, top : top + side, left : left + side].sum()
        return keep, torch.zeros(count, 1, 1, 1), foretold

    return perturb
