"""Remove and debias: confidence without the pixels that a map ranks first, or last.

    morf_r = p(x without the r of the pixels ranked first)
    lerf_r = p(x without the r of the pixels ranked last)
    combined = mean over r of (lerf_r - morf_r) / 2

with p the probability of the explained class and x the image. Removed pixels follow
linearly from those around them (`sightline.evaluate.experiments.imputation`), plus normal noise:
where they hold one colour, the model may read the class from the shape of the hole (Rong et al.
2022, arXiv:2202.00449, sections 4 and 5; "most" and "least relevant first").

Noise is drawn in pixels of 0..1, by image, share and order: the same for all methods.

Deviations: a share is that of the pixels by rank, equal values in a random order, and not
of those at or above a percentile of the map, which takes all or none of a flat part. The
paper counts right answers; here the probability is kept, as in pytorch-grad-cam, whose
noise however is drawn in the normalised space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.evaluate.experiments.altered import probabilities
from sightline.evaluate.experiments.imputation import impute
from sightline.evaluate.experiments.ranked import ranks_of_pixels, values_of_pixels
from sightline.evaluate.experiments.usable import of_usable
from sightline.evaluate.pixels import from_pixels, to_pixels
from sightline.evaluate.protocol import Case, Curve, Values

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.removal import Road


def measure(case: Case, settings: Road) -> Values:
    """``combined`` (n,), and ``morf`` and ``lerf`` over the share removed.

    A map that is not ok, or zero, has none; one that is flat ranks pixels at random.
    """
    usable = np.abs(case.maps).max(axis=(1, 2)) > 0
    return of_usable(case, usable, lambda part: _measure(part, settings))


def _measure(case: Case, settings: Road) -> Values:
    ranks = ranks_of_pixels(values_of_pixels(case, settings), case.draws("ties"))
    device, preprocessing = case.classifier.device, case.classifier.preprocessing
    pixels = to_pixels(case.images.cpu(), preprocessing).numpy()
    seeds, each = case.draws("noise"), len(settings.removed)

    def without(image: int, number: int) -> np.ndarray:
        """A copy's pixels: first those without the first, then those without the last."""
        least, share = divmod(number, each)
        missing = hidden(ranks[image], settings.removed[share], last=bool(least))
        generator = np.random.default_rng((seeds[image], number))
        noise = generator.normal(0, settings.noise, (len(pixels[image]), int(missing.sum())))
        copy = impute(pixels[image], missing)
        copy[:, missing] += noise
        return copy

    def altered(image: int, numbers: Tensor) -> Tensor:
        made = [without(image, number) for number in numbers.tolist()]
        copies = torch.from_numpy(np.stack(made).astype(np.float32))
        return from_pixels(copies, preprocessing).to(device, memory_format=torch.channels_last)

    found = probabilities(case.classifier, case.targets, 2 * each, altered)
    morf, lerf = found[:, :each], found[:, each:]
    share = np.array(settings.removed)
    return {
        "combined": (lerf - morf).mean(axis=1) / 2,
        "morf": Curve(share, morf),
        "lerf": Curve(share, lerf),
    }


def hidden(ranks: np.ndarray, share: float, *, last: bool) -> np.ndarray:
    """Which pixels are removed, bool (H, W), of ranks (H, W): at least one, and not all."""
    count = int(np.clip(round(share * ranks.size), 1, ranks.size - 1))
    found: np.ndarray = ranks >= ranks.size - count if last else ranks < count
    return found
