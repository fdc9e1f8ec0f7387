"""Whether a map shows the pixel by which the model is swayed most.

One pixel of the image is given another colour, such that the answer flips: the attack of
Su et al. 2019 (arXiv:1710.08864, section III) by differential evolution, here scipy's. A
candidate is (row, column, red, green, blue), with colours in [0, 1], and what is
minimised is the margin of the answer,

    f_t(x') - max over j != t of f_j(x')

with f the logits, t the explained class, and x' the image with that pixel. It is below 0
where the answer flips; then the attack ends. Rows whose explained class is not what the
model answers are not attacked. A model of several classes an image answers each by itself:
there the margin is f_t(x'), the logit alone.

Deviations: the paper minimises the probability of t, which saturates; it starts from a
normal distribution of colours, here a Latin hypercube; and it combines candidates by
``rand/1``, here ``best/1``, which takes more off the margin in as many generations. The
seed documents' setting is 150 iterations of a population of 175.

Of the map M, made comparable, in magnitude, and upsampled to the pixels, with m its value
at the pixel p that was found:

    percentile = (#{q: M_q < m} + #{q != p: M_q = m} / 2) / (pixels - 1)
    at_pixel   = M_p > 0,    nonzero = share of q with M_q > 0
    ratio      = m / mean of M_q over q != p

A map of nothing but values above 0 has ``at_pixel`` 1 wherever the pixel lies, which is
what ``nonzero`` tells; ``percentile`` is 0.5 by chance.

An attack depends on the model, the image and the role, not on the method. As methods are
evaluated by jobs of their own, it is made again for each, with the same draws: it finds
the same pixel unless the scores' rounding differs between the jobs' machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.optimize import differential_evolution
from torch import Tensor

from sightline.evaluate.alike import on_grid
from sightline.evaluate.pixels import from_pixels
from sightline.evaluate.protocol import Case, Values
from sightline.maps.scaling import scale_maps
from sightline.models.classifier import Classifier, Task
from sightline.models.state import frozen

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.sensitivity import OnePixel

# Row, column and three colours.
_PARAMETERS = 5


@dataclass(frozen=True)
class Attack:
    """The best candidate for an image.

    Attributes
    ----------
    row, column
        Of its pixel.
    image
        With it, float32 (3, H, W), normalised.
    flipped
        Whether the model no longer answers the class.
    """

    row: int
    column: int
    image: Tensor
    flipped: bool


def measure(case: Case, settings: OnePixel) -> Values:
    """All that the module says, (n,) each; NaN of images that were not attacked.

    What a map shows is NaN also where it shows nothing.
    """
    height, width = case.images.shape[2:]
    before = case.classifier.scores(case.images)
    attacked = np.flatnonzero(_answered(case, before))
    names = ("success", "confidence_drop", "percentile", "at_pixel", "nonzero", "ratio")
    found = {name: np.full(len(case.images), np.nan) for name in names}
    maps = on_grid(np.abs(scale_maps(case.maps, case.scaling)), (height, width))
    seeds = case.draws()
    for i in attacked:
        target = int(case.targets[i])
        attack = find_pixel(case.classifier, case.images[i], target, settings, seeds[i])
        after = case.classifier.scores(attack.image[None])[0]
        whole, left = case.classifier.probabilities(torch.stack([before[i], after]))
        found["success"][i] = attack.flipped
        found["confidence_drop"][i] = float(whole[target] - left[target])
        if maps[i].any():
            for name, value in at(maps[i], attack.row, attack.column).items():
                found[name][i] = value
    return found


def find_pixel(
    classifier: Classifier, image: Tensor, target: int, settings: OnePixel, seed: int
) -> Attack:
    """The pixel and its colour that flip the model's answer, or come nearest to it.

    Parameters
    ----------
    image
        float32 (3, H, W), normalised.
    target
        The class that the model answers.
    settings
        How long is searched.
    seed
        Of the search.
    """
    size = (image.shape[1], image.shape[2])

    def margins(transposed: np.ndarray) -> np.ndarray:
        candidates = transposed.T  # scipy has a candidate a column

        def run(part: slice) -> Tensor:
            return classifier.forward(with_pixel(classifier, image, candidates[part])).float()

        with frozen(classifier.module), torch.inference_mode():
            parts = [scores for _, scores in classifier.batches(len(candidates), run)]
        return margin(torch.cat(parts).cpu(), target, classifier.task)

    def flips(intermediate_result: Any) -> bool:
        return bool(intermediate_result.fun < 0)

    best = differential_evolution(
        margins,
        bounds=[(0, size[0]), (0, size[1]), (0, 1), (0, 1), (0, 1)],
        maxiter=settings.iterations,
        popsize=settings.population // _PARAMETERS,
        # Only candidates that are all alike end the search: margins may differ little at first.
        tol=0,
        polish=False,
        updating="deferred",
        vectorized=True,
        callback=flips,
        rng=np.random.default_rng(seed),
    )
    row, column = places(best.x[None], size)[0]
    found = with_pixel(classifier, image, best.x[None])[0]
    return Attack(int(row), int(column), found, bool(best.fun < 0))


def with_pixel(classifier: Classifier, image: Tensor, candidates: np.ndarray) -> Tensor:
    """An image with one pixel of another colour, float32 (n, 3, H, W), for (n, 5) candidates."""
    rows, columns = places(candidates, (image.shape[1], image.shape[2])).T
    colours = torch.from_numpy(candidates[:, 2:, None, None].astype(np.float32))
    copies = image.repeat(len(candidates), 1, 1, 1)
    copies[torch.arange(len(copies)), :, rows, columns] = from_pixels(
        colours, classifier.preprocessing
    )[:, :, 0, 0]
    return copies


def places(candidates: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Rows and columns of pixels, int64 (n, 2)."""
    found: np.ndarray = np.minimum(candidates[:, :2].astype(np.int64), np.array(size) - 1)
    return found


def _answered(case: Case, scores: Tensor) -> np.ndarray:
    """Whether the model answers the class that is explained, bool (n,)."""
    if case.classifier.task == "multilabel":
        return (scores.gather(1, case.targets[:, None])[:, 0] > 0).numpy()
    return (scores.argmax(dim=1) == case.targets).numpy()


def margin(scores: Tensor, target: int, task: Task = "single") -> np.ndarray:
    """Logits (n, classes) of a class less the highest of the others, float64 (n,).

    Of several classes an image, the logits themselves.
    """
    others = scores.double()
    own = others[:, target].clone()
    if task == "multilabel":
        return own.numpy()
    others[:, target] = -torch.inf
    return (own - others.amax(dim=1)).numpy()


def at(shown: np.ndarray, row: int, column: int) -> dict[str, float]:
    """What a map (H, W), 0 or above, shows at a pixel, against the rest."""
    own, others = shown[row, column], np.delete(shown.ravel(), row * shown.shape[1] + column)
    elsewhere = others.mean(dtype=np.float64)
    return {
        "percentile": ((others < own).sum() + (others == own).sum() / 2) / len(others),
        "at_pixel": float(own > 0),
        "nonzero": float((shown > 0).mean()),
        "ratio": own / elsewhere if elsewhere > 0 else np.nan,
    }
