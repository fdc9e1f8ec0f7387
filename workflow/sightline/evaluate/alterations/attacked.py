"""Images changed a little so that the model loses the class that is explained.

With x the pixels, in [0, 1], e the largest change of any, L as in
`sightline.evaluate.alterations.margin`, whose gradient has the signs of the cross-entropy's, and P
the nearest point that has both |x' - x| <= e and 0 <= x' <= 1:

    fgsm:  x' = P(x + e sign grad L(x))
    pgd:   x_0 = P(x + u),  u uniform in [-e, e];    x_{i+1} = P(x_i + a sign grad L(x_i))

(fgsm: Goodfellow et al. 2015, arXiv:1412.6572, equation in section 4; pgd: Madry et al. 2018,
arXiv:1706.06083, section 2.1.) A pixel of which the loss does not depend keeps its value. Of
pgd's points, the start left out, the one is taken at which L is largest, where the paper takes
the last. The change is made in pixels, before they are normalised, and not rounded to 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sightline.evaluate.alterations.margin import lost_margin
from sightline.evaluate.alterations.seen import Alter, Seen
from sightline.evaluate.pixels import from_pixels, to_pixels
from sightline.models.classifier import Classifier

# From pixels of one batch and their rows to how far the class is behind, and the gradient's signs.
_Uphill = Callable[[Tensor], tuple[Tensor, Tensor]]


def prepare(classifier: Classifier, settings: Mapping[str, Any], seed: int) -> Alter:
    """An attack, ``kind`` fgsm or pgd, by at most ``epsilon``; of pgd ``steps`` of ``step``."""

    def alter(seen: Seen) -> Seen:
        def run(part: slice) -> Tensor:
            return _attack(seen, part, settings)

        found = seen.classifier.batches(len(seen.images), run)
        return replace(seen, images=torch.cat([images for _, images in found]))

    return alter


def _attack(seen: Seen, part: slice, settings: Mapping[str, Any]) -> Tensor:
    classifier, preprocessing = seen.classifier, seen.classifier.preprocessing
    # Normalising and back leaves values beyond 0 and 1 by rounding.
    pixels = to_pixels(seen.images[part], preprocessing).clamp(0, 1)

    def uphill(at: Tensor) -> tuple[Tensor, Tensor]:
        # Standard deviations are positive: the signs are those at the pixels.
        images = from_pixels(at, preprocessing)
        behind, gradient = lost_margin(classifier, images, seen.targets[part])
        return behind, gradient.sign()

    epsilon = settings["epsilon"]
    if settings["kind"] == "fgsm":
        found = within(pixels + epsilon * uphill(pixels)[1], pixels, epsilon)
    else:
        seeded = zip(pixels, seen.seeds[part], strict=True)
        start = torch.stack([_start(one, epsilon, seed) for one, seed in seeded])
        found = climb(pixels, start, epsilon, settings["steps"], settings["step"], uphill)
    return from_pixels(found, preprocessing)


def _start(pixels: Tensor, epsilon: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    change = (2 * torch.rand(pixels.shape, generator=generator) - 1) * epsilon
    return within(pixels + change, pixels, epsilon)


def climb(
    pixels: Tensor, start: Tensor, epsilon: float, steps: int, step: float, uphill: _Uphill
) -> Tensor:
    """The best of the points that steps along the signs lead to, (n, 3, H, W)."""
    found, best = start, torch.full((len(start),), -torch.inf)
    at, (_, signs) = start, uphill(start)
    for _ in range(steps):
        at = within(at + step * signs, pixels, epsilon)
        behind, signs = uphill(at)
        better = behind > best
        found = torch.where(better[:, None, None, None], at, found)
        best = torch.where(better, behind, best)
    return found


def within(changed: Tensor, pixels: Tensor, epsilon: float) -> Tensor:
    """The nearest pixels in [0, 1] of which none is changed by more than ``epsilon``."""
    return changed.clamp(pixels - epsilon, pixels + epsilon).clamp(0, 1)
