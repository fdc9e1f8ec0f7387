"""RISE: the score averaged over random masks, at each pixel over those that show it.

    M_ij = sum_m p(x * H_m) H_mij / sum_m H_mij         ``coverage``
    M_ij = sum_m p(x * H_m) H_mij / (n keep)            ``expected``, Petsiuk et al.
                                                        2018, arXiv:1806.07421, eq. 6

with p the probability of the explained class, x the image in the model's
normalised space, and H_m one of n masks: a grid of cells x cells points, each 1
with probability ``keep`` and otherwise 0, enlarged bilinearly to cells + 1 cells
of ceil(side / cells) pixels, and cropped at a random place within a cell.

The paper's divisor is what a pixel's coverage is expected to be. Dividing by what
it was leaves out the noise of the coverage itself, which is shared by all pixels
nearby: a model that always answers alike gets a flat map. A pixel that no mask
showed gets 0.

`standard_error` says how far the map of n masks is from that of infinitely many:
the root mean square over the pixels of each one's standard error, over the
standard deviation of the map. A map of nothing but noise has about 1. The error
of ``coverage`` is that of a ratio. With ``tolerance`` an image gets no more masks
than it takes to reach it.

Masks are made where the model runs, from a few random bits each, and none is
kept: 60,000 take the memory of 600.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.copies import by_image, copies_of, placed
from sightline.methods.explanation import Explanation
from sightline.methods.sampling import Batch, draw_samples, relative_error
from sightline.models.state import frozen

if TYPE_CHECKING:
    from sightline.methods.catalogue.perturbations import RiseSettings
    from sightline.models.classifier import Classifier

# Masks drawn by one generator: making a generator takes as long as drawing many masks.
_BLOCK = 64


def rise(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: RiseSettings,
) -> Explanation:
    """RISE.

    Returns
    -------
    Explanation
        Maps at the input's resolution, in [0, 1] for ``coverage``, with
        ``standard_error`` and ``passes``.
    """
    size = (images.shape[2], images.shape[3])
    sums = _Sums(len(images), size, settings, classifier.device)
    masks = Masks(size, settings.cells, settings.keep, classifier.device)
    images, targets = placed(classifier, images), targets.to(classifier.device)

    def run(batch: Batch) -> tuple[Tensor, Tensor]:
        shown = masks([seeds[image] for image in batch.image], batch.sample)
        copies = copies_of(images, batch.image, lambda image, part: image * shown[part, None])
        scores = classifier.probabilities(classifier.forward(copies).float())
        which = torch.from_numpy(batch.image).to(classifier.device)
        return shown, scores.gather(1, targets[which][:, None])[:, 0]

    def error(made: np.ndarray) -> np.ndarray:
        maps, variance = sums.estimate(made)
        return relative_error(variance, maps - maps.mean(dim=(1, 2), keepdim=True), made)

    with frozen(classifier.module), torch.inference_mode():
        made = draw_samples(
            classifier, len(images), settings.masks, settings.tolerance, run, sums.add, error
        )
        maps = sums.estimate(made)[0].float().cpu()
        figures = {"standard_error": error(made), "passes": made}
    return Explanation(maps.clone(), figures)


class Masks:
    """Random masks by the seed of an image and their number.

    Parameters
    ----------
    size
        Height and width.
    cells
        Points of the grid along each side.
    keep
        Share of points that are shown.
    device
        Where masks are made.
    """

    def __init__(
        self, size: tuple[int, int], cells: int, keep: float, device: torch.device
    ) -> None:
        self.cells, self.keep = cells, keep
        self.steps = tuple(math.ceil(side / cells) for side in size)
        self.sides = [torch.arange(side, device=device) for side in size]
        # Enlarging is linear along each side: one matrix from points to pixels.
        self.enlarge = [_enlarging(cells, (cells + 1) * step).to(device) for step in self.steps]

    def __call__(self, seeds: Sequence[int], numbers: np.ndarray) -> Tensor:
        """Masks (n, height, width) in [0, 1]."""
        drawn = [self._draw(seed, int(number)) for seed, number in zip(seeds, numbers, strict=True)]
        grids = torch.from_numpy(np.stack([grid for grid, _ in drawn])).to(self.enlarge[0])
        shifts = torch.from_numpy(np.stack([shift for _, shift in drawn])).to(self.sides[0])
        rows, columns = (
            enlarge[shift[:, None] + side]
            for enlarge, shift, side in zip(self.enlarge, shifts.T, self.sides, strict=True)
        )
        return rows @ grids @ columns.mT

    def _draw(self, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        grids, shifts = _block(seed, number // _BLOCK, self.cells, self.keep, self.steps)
        return grids[number % _BLOCK], shifts[number % _BLOCK]


@lru_cache(maxsize=8)
def _block(
    seed: int, block: int, cells: int, keep: float, steps: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng((seed, block))
    grids = generator.random((_BLOCK, cells, cells)) < keep
    return grids, generator.integers(0, steps, (_BLOCK, 2))


def _enlarging(points: int, pixels: int) -> Tensor:
    """The matrix (pixels, points) of bilinear enlargement, pixels and points being areas."""
    one = torch.eye(points)[None]
    return torch.nn.functional.interpolate(one, pixels, mode="linear")[0].T.contiguous()


class _Sums:
    """What is kept of masks H and scores p: sums over masks, of each image and pixel."""

    def __init__(
        self, images: int, size: tuple[int, int], settings: RiseSettings, device: torch.device
    ) -> None:
        self.settings = settings
        # Of H, H p, H^2, H^2 p and H^2 p^2.
        self.sums = torch.zeros((5, images, *size), dtype=torch.float64, device=device)

    def add(self, batch: Batch, found: tuple[Tensor, Tensor]) -> None:
        """Count masks and scores."""
        for image, part in by_image(batch.image):
            masks, scores = (one[part] for one in found)
            powers = torch.stack([torch.ones_like(scores), scores, scores.square()])
            self.sums[:2, image] += torch.einsum("pn,nij->pij", powers[:2], masks)
            self.sums[2:, image] += torch.einsum("pn,nij->pij", powers, masks.square())

    def estimate(self, made: np.ndarray) -> tuple[Tensor, Tensor]:
        """The maps (N, H, W), and the variance of what one mask adds to them."""
        count = torch.from_numpy(made).to(self.sums)[:, None, None]
        shown, scored, square, square_scored, square_both = self.sums / count.clamp_min(1)
        if self.settings.divide_by == "expected":
            maps = scored / self.settings.keep
            return maps, square_both / self.settings.keep**2 - maps.square()
        tiny = torch.finfo(torch.float64).tiny
        maps = scored / shown.clamp_min(tiny)
        # Of a ratio: the variance of H (p - M), over the square of the mean of H.
        residual = square_both - 2 * maps * square_scored + maps.square() * square
        return maps, residual / shown.square().clamp_min(tiny)
