"""Whether a map foretells what perturbations do to the score.

    infidelity = E (b I.M - (f(x) - f(x - I)))^2
    b          = E [I.M (f(x) - f(x - I))] / E (I.M)^2,   or 1 unless ``normalise``

with f the explained class's score, x the image in the model's normalised space and I a
random perturbation (Yeh et al. 2019, arXiv:1901.09392, definition 2.1 and, for b, the
optimal scaling of its section 5, which captum calls ``normalize``). Beside it

    unexplained = min over c >= 0 of E (c I.M - (f(x) - f(x - I)))^2 / E (f(x) - f(x - I))^2

which has no unit, so that images and models can be compared: 0 is exact, 1 is no better
than a map of zeros. One that foretells the opposite is not turned round, as b would.

``square``
    I is x inside a square at a random place and 0 elsewhere: the square is removed. A map
    is read as what each pixel adds to the score, so that I.M is its sum inside the square
    (captum's ``multiply_by_inputs``).
``noise``
    I is normal, of standard deviation ``sigma``. A map is read as the slope of the score at
    each pixel: I.M is the sum over pixels of I times M.

A map is the sum over the image's channels. Both perturbations treat the channels of a pixel
alike, so that I.M needs no more than this sum. A map of a coarser resolution is upsampled
and divided by how many pixels there are to each of its positions, which keeps its sum.

Perturbations depend on the model, the image and the role: all methods are tried with the
same ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.evaluate.experiments.perturbed import perturbing
from sightline.evaluate.protocol import Case, Values
from sightline.methods.copies import copies_of, placed
from sightline.methods.sampling import Batch, draw_samples
from sightline.models.state import frozen

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.sensitivity import Infidelity


def measure(case: Case, settings: Infidelity) -> Values:
    """``infidelity`` and ``unexplained`` (n,); NaN where a map shows nothing.

    ``unexplained`` is NaN also where no perturbation changes the score.
    """
    own, cross, change = moments(case, settings)
    usable = case.maps.any(axis=(1, 2))
    best = np.divide(cross, own, out=np.zeros_like(own), where=own > 0)
    factor = best if settings.normalise else np.ones_like(best)
    error = factor**2 * own - 2 * factor * cross + change
    share = np.divide(
        change - np.maximum(best, 0) * cross,
        change,
        out=np.full_like(own, np.nan),
        where=change > 0,
    )
    # Where a map is exact the differences may come out below 0, by rounding.
    return {
        "infidelity": np.where(usable, error.clip(0), np.nan),
        "unexplained": np.where(usable, share.clip(0, 1), np.nan),
    }


def moments(case: Case, settings: Infidelity) -> np.ndarray:
    """Means of (I.M)^2, of I.M times the score's change, and of that change's square.

    Returns
    -------
    ndarray
        float64 (3, n).
    """
    classifier, targets = case.classifier, case.targets
    images = placed(classifier, case.images)
    before = of_targets(classifier.scores(case.images, settings.score), targets)
    perturb = perturbing(case.maps, images.shape[2:], case.draws(), settings)
    sums = np.zeros((3, len(images)))

    def run(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        keep, less, foretold = perturb(batch)
        kept, lost = keep.to(classifier.device), less.to(classifier.device)
        copies = copies_of(images, batch.image, lambda one, part: one * kept[part] - lost[part])
        scores = classifier.forward(copies).float().cpu()
        if settings.score == "probability":
            scores = classifier.probabilities(scores)
        after = of_targets(scores, targets[torch.from_numpy(batch.image)])
        return foretold, before[batch.image] - after

    def add(batch: Batch, found: tuple[np.ndarray, np.ndarray]) -> None:
        foretold, change = found
        np.add.at(sums.T, batch.image, np.stack([foretold**2, foretold * change, change**2], 1))

    with frozen(classifier.module), torch.inference_mode():
        # Without a tolerance no error is asked for.
        draw_samples(classifier, len(images), settings.samples, None, run, add, np.zeros_like)
    return sums / settings.samples


def of_targets(scores: Tensor, targets: Tensor) -> np.ndarray:
    """The score of each row's target, float64 (n,)."""
    return scores.gather(1, targets[:, None])[:, 0].double().numpy()
