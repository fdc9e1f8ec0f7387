"""How fast confidence goes when pixels are deleted in a map's order, and comes when inserted.

    D_k = p(x with the first k/K of the pixels filled)           deletion
    I_k = p(x with all but the first k/K of the pixels filled)   insertion
    area = (D_0 / 2 + D_1 + ... + D_{K-1} + D_K / 2) / K         and likewise of I

with p the probability of the explained class, x the image, pixels taken by decreasing
value of the map (`sightline.evaluate.experiments.ranked`), and filled as
`sightline.evaluate.experiments.fill` says: deleted ones by 0 of the model's normalised space, those
not yet inserted by the blurred image (Petsiuk et al. 2018, arXiv:1806.07421, section 4.2, and their
code).

Deviations: there a step is a number of pixels, 224, and the last one may be shorter; here
all pixels go in a number of steps whose sizes differ by at most one pixel. Where the step
divides the image, as 224 do 224 x 224, both are the same. Their order of equal values is
the library's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.evaluate.experiments.altered import probabilities
from sightline.evaluate.experiments.fill import hiding
from sightline.evaluate.experiments.ranked import ranks_of_pixels, values_of_pixels
from sightline.evaluate.experiments.usable import of_usable
from sightline.evaluate.protocol import Case, Curve, Values

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.removal import Fill, InsertionDeletion


def measure(case: Case, settings: InsertionDeletion) -> Values:
    """``deletion`` and ``insertion`` (n,), and their curves.

    A map that is not ok, or zero, has none; one that is flat ranks pixels at random.
    """
    usable = np.abs(case.maps).max(axis=(1, 2)) > 0
    return of_usable(case, usable, lambda part: _measure(part, settings))


def _measure(case: Case, settings: InsertionDeletion) -> Values:
    ranks = ranks_of_pixels(values_of_pixels(case, settings), case.draws("ties"))
    count = ranks[0].size if len(ranks) else 0
    changed = np.round(np.arange(settings.steps + 1) * count / settings.steps).astype(np.int32)
    place = torch.from_numpy(ranks).to(case.classifier.device)
    ends = torch.from_numpy(changed).to(case.classifier.device)

    def without(fill: Fill, ends: Tensor, *, first: bool) -> np.ndarray:
        """Probabilities (n, len(ends)), the first or all the others being filled."""
        hide = hiding(
            fill, case.classifier, case.images, kernel=settings.kernel, sigma=settings.sigma
        )

        def altered(image: int, number: Tensor) -> Tensor:
            before = place[image] < ends[number][:, None, None]
            return hide(image, before if first else ~before)

        return probabilities(case.classifier, case.targets, len(ends), altered)

    deletion = without(settings.deletion, ends, first=True)
    # The last of insertion is the first of deletion: the image as it is.
    partly = without(settings.insertion, ends[:-1], first=False)
    insertion = np.concatenate([partly, deletion[:, :1]], axis=1)
    return {
        "deletion": np.trapezoid(deletion, axis=1) / settings.steps,
        "insertion": np.trapezoid(insertion, axis=1) / settings.steps,
        "deletion_curve": _curve(deletion, settings.points),
        "insertion_curve": _curve(insertion, settings.points),
    }


def _curve(values: np.ndarray, points: int) -> Curve:
    """Values at equal steps (n, K + 1), at so many shares of the pixels."""
    share, steps = np.linspace(0, 1, points), np.linspace(0, 1, values.shape[1])
    along = [np.interp(share, steps, one) for one in values]
    return Curve(share, np.reshape(along, (len(values), points)))
