"""KernelSHAP: Shapley values of an image's segments, by weighted least squares.

The segments of an image are players of a game whose value v(S) is the logit of
the explained class when only the segments S are shown and the others are zero
in the model's normalised space. KernelSHAP fits

    v(S) ~ v({}) + sum_{i in S} phi_i,   weights (M-1) / (C(M,|S|) |S| (M-|S|)),

subject to sum_i phi_i = v(all) - v({})     (Lundberg and Lee 2017, theorem 2).

Deviations: coalitions are drawn in complementary pairs and the system is solved
in closed form (Covert and Lee 2021), see `sightline.methods.perturbations.shapley`, for far
less variance per forward pass than independent draws.

`standard_error` says how far the values are from those of all coalitions: the
root mean square over the segments of the values' standard errors, relative to
that of the values (`sightline.methods.perturbations.shapley_error`). At 1 a map is nothing but
noise; fewer than 2 M + 2 passes do not determine the values, and are
given a 1. With a `tolerance` coalitions are evaluated in growing stages, which
keep those before, until the error of an image is at most the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.explanation import Explanation
from sightline.methods.perturbations.coalitions import coalition_values, image_segments
from sightline.methods.perturbations.shapley import (
    draw_coalitions,
    extend_coalitions,
    shapley_values,
)
from sightline.methods.perturbations.shapley_error import standard_error

if TYPE_CHECKING:
    from sightline.methods.catalogue.perturbations import KernelShapSettings
    from sightline.models.classifier import Classifier

_FIRST_STAGE = 3  # passes a segment, with a tolerance: from 2 on the values are determined
_GROWTH = 1.25


def kernelshap(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: KernelShapSettings,
) -> Explanation:
    """KernelSHAP over segments.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution: each pixel holds its segment's
        value. Figures ``segments``, ``passes`` and ``standard_error``.
    """
    segments = image_segments(classifier, images, settings)
    games = [
        _Game(int(found.max()) + 1, settings.samples, settings.tolerance, seed)
        for found, seed in zip(segments, seeds, strict=True)
    ]
    active = list(range(len(games)))
    while active:
        shown = [games[i].next_masks() for i in active]
        cut = [segments[i] for i in active]
        values = coalition_values(classifier, images[active], targets[active], cut, shown)
        for i, found in zip(active, values, strict=True):
            games[i].take(found)
        active = [i for i in active if not games[i].done]
    maps = np.empty((len(images), *images.shape[2:]), np.float32)
    for i, game in enumerate(games):
        maps[i] = game.phi[segments[i]]
    figures = {
        "segments": np.array([len(game.phi) for game in games]),
        "passes": np.array([game.passes for game in games]),
        "standard_error": np.array([game.error for game in games]),
    }
    return Explanation(torch.from_numpy(maps), figures)


class _Game:
    """The segments of one image as players, evaluated in one stage or several."""

    def __init__(self, players: int, samples: int, tolerance: float | None, seed: int) -> None:
        self.samples, self.tolerance = samples, tolerance
        self.generator = np.random.default_rng(seed)
        first = samples if tolerance is None else min(samples, max(4, _FIRST_STAGE * players))
        self.coalitions = draw_coalitions(players, first, self.generator)
        self.passes, self.ends = 0, np.empty(2)
        self.values = np.empty((2, 0))  # of the halves of each pair
        self.phi, self.error = np.zeros(players), 1.0

    def next_masks(self) -> np.ndarray:
        """What to evaluate next: at first the empty and the full coalition come before others."""
        if self.passes:
            budget = min(self.samples, max(self.passes + 2, int(_GROWTH * self.passes)))
            self.coalitions = extend_coalitions(self.coalitions, budget, self.generator)
        masks = self.coalitions.masks
        new = masks.reshape(2, -1, masks.shape[1])[:, self.values.shape[1] :]
        new = new.reshape(-1, masks.shape[1])
        if self.passes:
            return new
        shown = np.pad(new, ((2, 0), (0, 0)))
        shown[1] = True
        return shown

    def take(self, values: np.ndarray) -> None:
        """Take what was found for them."""
        if not self.passes:
            self.ends, values = values[:2], values[2:]
            self.passes = 2
        self.passes += len(values)
        self.values = np.concatenate([self.values, values.reshape(2, -1)], axis=1)
        drawn, found = self.coalitions, self.values.ravel()
        self.phi = shapley_values(drawn, found, *self.ends)
        error = standard_error(drawn, found, *self.ends)
        size = math.sqrt(np.mean(self.phi**2))
        self.error = 1.0 if error is None else error / max(size, np.finfo(float).tiny)

    @property
    def done(self) -> bool:
        """Whether the samples are used up, or the error is small enough."""
        # Another pair would be more than the samples, or there is none.
        if self.passes + 2 > min(self.samples, 2 ** len(self.phi)):
            return True
        return self.tolerance is None or self.error <= self.tolerance
