"""Integrated gradients: the gradient averaged along the way from a baseline.

    IG_i(x) = (x_i - b_i) * integral over a in [0, 1] of df(b + a (x - b)) / dx_i
                                         (Sundararajan et al. 2017, equation 1)

with f the logit of the explained class and b the baseline, zero in the model's
normalised space. The attributions of a pixel's three channels are summed. They
sum, over all pixels, to f(x) - f(b) up to the quadrature's error, which is
reported for each map as `completeness_gap`, relative to |f(x) - f(b)|. The gap
is of one number, the error of a map is usually larger.

The rule `adaptive` sees the gradient at seven places first, and puts the others
where it changed (`sightline.methods.gradients.quadrature`). With a
`tolerance` it starts with few places and halves all steps while they are no
more than `steps`: an image is done once its gap was at most the tolerance
twice in a row, as once may be an accident. The rule `secant` takes mean slopes
of rectifiers in the place of derivatives (`sightline.methods.gradients.secant`).

captum has the method; this one accumulates the integral batch by batch, over
images and steps alike, so that the number of steps never decides whether it
fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.copies import placed
from sightline.methods.explanation import Explanation
from sightline.methods.gradients.quadrature import Floats, apportioned, nested, pilot, quadrature
from sightline.methods.gradients.secant import secant

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import IntegratedGradientsSettings
    from sightline.models.classifier import Classifier

_PILOT = 6  # parts of the path; of 8 or 12 a small number of steps leaves none to place
_LEAST = 8  # steps to begin with where a tolerance is given


def integrated_gradients(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: IntegratedGradientsSettings,
) -> Explanation:
    """Integrated gradients from a zero baseline.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution. Figures ``completeness_gap`` (0
        is exact) and ``passes``, forward ones, with or without a backward one
        (of ``secant`` the places; batches repeat those next to theirs).
    """
    path = _Path(classifier, images, targets)
    if settings.rule == "adaptive":
        return _adaptive(path, settings.steps, settings.tolerance)
    passes = np.full(len(images), settings.steps + 2)
    if settings.rule == "secant":
        maps, change = secant(classifier, path.images, targets, settings.steps)
        return Explanation(maps.cpu(), {"completeness_gap": _gap(maps, change), "passes": passes})
    places, weights = quadrature(settings.rule, settings.steps)
    maps = path.zeros(len(images))
    which = np.repeat(np.arange(len(images)), settings.steps)
    everywhere = np.tile(places, len(images)), np.tile(weights, len(images))
    path.add(maps, which, which, *everywhere)
    at_image = classifier.scores(images).gather(1, targets[:, None]).squeeze(1)
    at_baseline = classifier.scores(torch.zeros_like(images[:1]))[0, targets]
    change = (at_image - at_baseline).double().numpy()
    return Explanation(maps.cpu(), {"completeness_gap": _gap(maps, change), "passes": passes})


class _Path:
    """Of some images, the straight lines to them from the baseline."""

    def __init__(self, classifier: Classifier, images: Tensor, targets: Tensor) -> None:
        self.classifier, self.targets = classifier, targets
        self.images = placed(classifier, images)

    def zeros(self, count: int) -> Tensor:
        """Maps to add to, where the model runs: copies in between would let a GPU wait."""
        return torch.zeros(count, *self.images.shape[2:], device=self.images.device)

    def add(
        self, maps: Tensor, to: np.ndarray, which: np.ndarray, places: Floats, weights: Floats
    ) -> Floats:
        """Add a weighted gradient times image to ``maps[to]`` for each of some places.

        Parameters
        ----------
        maps
            As `zeros` gives them, added to in place.
        to, which, places, weights
            One entry a pass: the map, the image, where on its path, and what
            it counts for.

        Returns
        -------
        ndarray
            The logit of the explained class at each place.
        """
        index, into, at, share = (
            torch.from_numpy(one).to(maps.device)
            for one in (which, to, places.astype(np.float32), weights.astype(np.float32))
        )

        def run(part: slice) -> tuple[Tensor, Tensor]:
            images = self.images[index[part]]
            points = images * at[part, None, None, None]
            logits, gradients = self.classifier.input_gradients(points, self.targets[which[part]])
            return logits, (gradients * images).sum(dim=1)

        logits = [torch.empty(0, device=maps.device)]
        for part, (found, products) in self.classifier.batches(len(which), run):
            maps.index_add_(0, into[part], products * share[part, None, None])
            logits.append(found)
        return torch.cat(logits).double().cpu().numpy()


def _adaptive(path: _Path, steps: int, tolerance: float | None) -> Explanation:
    """The rule `adaptive`, in one stage or as many as the tolerance takes."""
    count, seen, change = len(path.images), *_pilot(path, min(_PILOT + 1, steps))
    changes = seen.diff(dim=1).flatten(2).norm(dim=2).cpu().numpy()
    halvings = 0 if tolerance is None else max(0, int(np.log2((steps - 1) / _LEAST)))
    parts = [apportioned(one, (steps - 1) // 2**halvings) for one in changes]
    # Divided by the sum of weights in the end: those of earlier places stay what they are.
    sums = path.zeros(count)
    for total, one, products in zip(sums, parts, seen, strict=True):
        known = nested(one)[1][np.cumsum([0, *one])]
        total += torch.tensordot(torch.from_numpy(known).to(products), products, 1)
    maps, gap, passes = torch.zeros_like(sums), np.full(count, np.inf), np.zeros(count, np.int64)
    active = np.arange(count)
    for level in range(halvings + 1):
        rules = {i: nested(parts[i], level) for i in active}
        to = np.concatenate([np.full(new.sum(), i) for i, (_, _, new) in rules.items()])
        places = np.concatenate([places[new] for places, _, new in rules.values()])
        weights = np.concatenate([weights[new] for _, weights, new in rules.values()])
        path.add(sums, to, to, places, weights)
        for i, (places, weights, _) in rules.items():
            maps[i], passes[i] = sums[i] / weights.sum(), len(places)
        before, gap[active] = gap[active], _gap(maps[active], change[active])
        active = active[np.maximum(before, gap[active]) > (tolerance or 0.0)]
        if not len(active):
            break
    return Explanation(maps.cpu(), {"completeness_gap": gap, "passes": passes})


def _pilot(path: _Path, places: int) -> tuple[Tensor, Floats]:
    """Gradients times images (N, places, H, W) at the first places, and the logit's change."""
    count, ends = len(path.images), pilot(places - 1)
    found = path.zeros(count * places)
    each = np.arange(len(found))
    logits = path.add(found, each, each // places, np.tile(ends, count), np.ones(len(each)))
    logits = logits.reshape(count, places)
    return found.unflatten(0, (count, places)), logits[:, -1] - logits[:, 0]


def _gap(maps: Tensor, change: Floats) -> Floats:
    """How far attributions are from summing to the change of the logit, relative to it."""
    gap = np.abs(maps.sum(dim=(1, 2), dtype=torch.float64).cpu().numpy() - change)
    return gap / np.maximum(np.abs(change), 1e-12)
