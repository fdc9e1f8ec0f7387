"""How much of the class's probability is lost with the pixels that a map calls important.

    B_t  = {p: M(p) > 0 and M(p) >= the t-th percentile of M's positive values}
    drop = mean over t of  p(x) - p(x without B_t)

with M the map enlarged to the input, p(x) the probability of the explained class on the
image x, and removed pixels filled as `sightline.evaluate.experiments.fill` says (Pope et al. 2019,
CVPR, section 4, on graphs, where accuracy is what is lost and the cut a fixed 0.01).

The cut is relative to the map, so that maps which are positive in more places remove more,
and lose more: ``removed``, the share of the pixels in B_t, is to be read beside it, and
methods are not ranked by it. Deletion and ROAD remove as much for every method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.evaluate.experiments.altered import probabilities
from sightline.evaluate.experiments.fill import hiding
from sightline.evaluate.experiments.ranked import values_of_pixels
from sightline.evaluate.experiments.usable import of_usable
from sightline.evaluate.protocol import Case, Curve, Values

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.removal import Fidelity


def measure(case: Case, settings: Fidelity) -> Values:
    """``drop`` and ``removed`` (n,), and both over the percentile.

    A map without positive values has none.
    """
    values = values_of_pixels(case, settings)
    usable = values.max(axis=(1, 2)) > 0
    return of_usable(case, usable, lambda part: _measure(part, values[usable], settings))


def _measure(case: Case, values: np.ndarray, settings: Fidelity) -> Values:
    important = np.zeros((len(values), len(settings.percentiles) + 1, *values.shape[1:]), bool)
    for found, one in zip(important, values, strict=True):
        found[:-1] = _important(one, settings.percentiles)
    where = torch.from_numpy(important).to(case.classifier.device)
    hide = hiding(settings.fill, case.classifier, case.images)

    def altered(image: int, number: Tensor) -> Tensor:
        return hide(image, where[image, number])

    # Of the last copy nothing is removed.
    left = probabilities(case.classifier, case.targets, important.shape[1], altered)
    drop = left[:, -1:] - left[:, :-1]
    removed = important[:, :-1].mean(axis=(2, 3))
    percentiles = np.array(settings.percentiles, float)
    return {
        "drop": drop.mean(axis=1),
        "removed": removed.mean(axis=1),
        "drop_curve": Curve(percentiles, drop),
        "removed_curve": Curve(percentiles, removed),
    }


def _important(values: np.ndarray, percentiles: Sequence[float]) -> np.ndarray:
    """Which pixels (H, W) are, at each percentile, bool (t, H, W)."""
    cuts = np.percentile(values[values > 0], percentiles)
    found: np.ndarray = (values > 0) & (values >= cuts[:, None, None])
    return found
