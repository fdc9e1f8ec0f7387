"""How much a map changes at most where the image hardly does.

    max over k of |M(x_k) - M(x)| / |M(x)|,    x_k = clamp(x + u_k, 0, 1)

with M the raw map of the explained class, | | Euclidean over its positions, x the image as
pixels in [0, 1], and u_k uniform in [-radius, radius] at each pixel and channel (Yeh et al.
2019, arXiv:1901.09392, definition 4.1, by samples as there and divided by |M(x)| as
captum's ``sensitivity_max`` does, with its defaults).

Deviations: the radius is of pixels and not of a model's normalised space, so that it is the
same for all models, and pixels stay in [0, 1]. The class stays the one explained of x.

M(x_k) is drawn from the same seeds as M(x): a method's own noise is not counted. M(x) is
made again, too, as stored maps are rounded to 11 bits. The perturbations depend on the
model, the image and the role: all methods are tried with the same ones.

A map that never changes has 0, whatever it shows: the controls say how little that proves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sightline.evaluate.pixels import from_pixels, to_pixels
from sightline.evaluate.protocol import Case, Values

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.sensitivity import MaxSensitivity


def measure(case: Case, settings: MaxSensitivity) -> Values:
    """``max_sensitivity`` (n,), 0 or above; NaN where a map is zero or not finite."""
    seeds = case.draws()
    pixels = to_pixels(case.images, case.classifier.preprocessing)
    before = case.explain(case.classifier, case.images, case.targets, case.seeds)
    largest = np.zeros(len(before))
    for sample in range(settings.samples):
        drawn = [_change(seed, sample, pixels.shape[1:], settings.radius) for seed in seeds]
        changed = (pixels + torch.from_numpy(np.stack(drawn))).clamp(0, 1)
        images = from_pixels(changed, case.classifier.preprocessing)
        after = case.explain(case.classifier, images, case.targets, case.seeds)
        # A map that is not finite makes the maximum NaN, as it should.
        largest = np.maximum(largest, _norm(after - before))
    size = _norm(before)
    return {
        "max_sensitivity": np.divide(
            largest, size, out=np.full(len(size), np.nan), where=np.isfinite(size) & (size > 0)
        )
    }


def _change(seed: int, sample: int, shape: tuple[int, ...], radius: float) -> np.ndarray:
    """What is added to one image's pixels, float32."""
    generator = np.random.default_rng((seed, sample))
    return ((2 * generator.random(shape, dtype=np.float32) - 1) * radius).astype(np.float32)


def _norm(maps: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.linalg.norm(maps.reshape(len(maps), -1).astype(np.float64), axis=1)
    return found
