"""KernelSHAP: Shapley values of an image's segments, by weighted least squares.

The segments of an image are players of a game whose value v(S) is the logit of
the explained class when only the segments S are shown and the others are zero
in the model's normalised space. KernelSHAP fits

    v(S) ~ v({}) + sum_{i in S} phi_i,   weights (M-1) / (C(M,|S|) |S| (M-|S|)),

subject to sum_i phi_i = v(all) - v({})     (Lundberg and Lee 2017, theorem 2).

Deviations: coalitions are drawn in complementary pairs and the system is solved
in closed form (Covert and Lee 2021), see `sightline.methods.shapley`, for far
less variance per forward pass than independent draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.coalitions import coalition_values, image_segments
from sightline.methods.explanation import Explanation
from sightline.methods.shapley import draw_coalitions, shapley_values

if TYPE_CHECKING:
    from sightline.methods.catalogue.perturbations import KernelShapSettings
    from sightline.models.classifier import Classifier


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
        value. Figures ``segments`` and ``passes``.
    """
    segments = image_segments(classifier, images, settings)
    coalitions = [
        draw_coalitions(int(found.max()) + 1, settings.samples, np.random.default_rng(seed))
        for found, seed in zip(segments, seeds, strict=True)
    ]
    # The empty and the full coalition come first, then the drawn ones.
    shown = [np.pad(drawn.masks, ((2, 0), (0, 0))) for drawn in coalitions]
    for masks in shown:
        masks[1] = True
    values = coalition_values(classifier, images, targets, segments, shown)
    maps = np.empty((len(images), *images.shape[2:]), np.float32)
    for i, (drawn, value) in enumerate(zip(coalitions, values, strict=True)):
        maps[i] = shapley_values(drawn, value[2:], value[0], value[1])[segments[i]]
    figures = {
        "segments": np.array([mask.shape[1] for mask in shown]),
        "passes": np.array([len(value) for value in values]),
    }
    return Explanation(torch.from_numpy(maps), figures)
