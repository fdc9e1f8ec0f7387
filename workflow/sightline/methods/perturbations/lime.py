"""LIME: a linear model of what the segments of an image add, near that image.

The score f(z) is the probability of the explained class when only the segments
with z_i = 1 are shown, the others being zero in the model's normalised space. Of
`samples` coalitions z, the first has all segments, of the others each segment is
shown or not with equal chance. The map is what solves

    min over b, b_0 of  sum_z pi(z) (f(z) - b_0 - sum_i b_i z_i)^2 + ridge sum_i b_i^2
    pi(z) = sqrt(exp(-D(z)^2 / width^2)),    D(z) = 1 - sqrt(|z| / M)

with M segments, of which |z| are shown: D is the cosine distance from z to all of
them                                    (Ribeiro et al. 2016, equations 1 and 2)

Kernel, width, ridge and the chance of 1/2 are those of the authors' package; the
paper's kernel has no root. `fit` is the weighted share of the scores' variance
that the linear model explains: near 0 the map says little of the model.

Deviations: of the package, SLIC or a grid where it takes quickshift, and zero
where it takes a segment's mean colour. The segments are few: none is selected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.explanation import Explanation
from sightline.methods.perturbations.coalitions import coalition_values, image_segments

if TYPE_CHECKING:
    from sightline.methods.catalogue.perturbations import LimeSettings
    from sightline.models.classifier import Classifier


def lime(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: LimeSettings,
) -> Explanation:
    """LIME over segments.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution: each pixel holds its segment's
        coefficient. Figures ``segments``, ``passes`` and ``fit``, in [0, 1].
    """
    segments = image_segments(classifier, images, settings)
    shown = [
        draw_shown(int(found.max()) + 1, settings.samples, seed)
        for found, seed in zip(segments, seeds, strict=True)
    ]
    values = coalition_values(classifier, images, targets, segments, shown, "probability")
    maps = np.empty((len(images), *images.shape[2:]), np.float32)
    fits = np.empty(len(images))
    for i, (masks, value) in enumerate(zip(shown, values, strict=True)):
        weights = proximity(masks, settings.width)
        coefficients, fits[i] = weighted_ridge(masks, value, weights, settings.ridge)
        maps[i] = coefficients[segments[i]]
    figures = {
        "segments": np.array([masks.shape[1] for masks in shown]),
        "passes": np.array([len(value) for value in values]),
        "fit": fits,
    }
    return Explanation(torch.from_numpy(maps), figures)


def draw_shown(segments: int, samples: int, seed: int) -> np.ndarray:
    """Coalitions, bool (samples, segments); the first has all."""
    shown = np.random.default_rng(seed).integers(0, 2, (samples, segments), np.uint8).astype(bool)
    shown[0] = True
    return shown


def proximity(shown: np.ndarray, width: float) -> np.ndarray:
    """Weights of coalitions by their cosine distance from all segments, (samples,)."""
    distance = 1 - np.sqrt(shown.mean(axis=1))
    weights: np.ndarray = np.exp(-((distance / width) ** 2) / 2)
    return weights


def weighted_ridge(
    features: np.ndarray, values: np.ndarray, weights: np.ndarray, ridge: float
) -> tuple[np.ndarray, float]:
    """Coefficients of a ridge regression with a free intercept, and its weighted R squared."""
    x = features - np.average(features, axis=0, weights=weights)
    y = values - np.average(values, weights=weights)
    weighted = x.T * weights
    coefficients = np.linalg.solve(weighted @ x + ridge * np.eye(x.shape[1]), weighted @ y)
    left, total = weights @ (y - x @ coefficients) ** 2, weights @ y**2
    # Of values that are all the same nothing is explained.
    return coefficients, float(1 - left / total) if total > 0 else 0.0
