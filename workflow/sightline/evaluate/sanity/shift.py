"""Whether maps follow what the image shows when that is moved.

An image is rolled by whole strides of the model, so that a convolution computes
the same at other positions and a transformer sees the same patches, and the map
of the rolled image is held against the rolled map, and against the map as it was:

    value = cos(roll(M(x)), M(roll(x))) - cos(M(x), M(roll(x)))

It is above 0 where the map went along, and 1 at most for maps without negative
values. What leaves the image on one side enters it on the other, which may cut
the object: of the four directions the one is taken in which the explained logit
changes least.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sightline.errors import SightlineError
from sightline.evaluate.alike import cosine_of_scaled, finite_or_zero, on_grid
from sightline.evaluate.explain import Explain
from sightline.maps.scaling import scale_maps
from sightline.models.classifier import Classifier

# Where no layer tells a model's stride.
USUAL_STRIDE = 32


def follows_shift(
    explain: Explain,
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    maps: np.ndarray,
    scaling: Sequence[str],
) -> np.ndarray:
    """How much more the maps of rolled images are like rolled maps than like those before.

    Parameters
    ----------
    maps
        Raw maps of the images, by the same seeds.
    scaling
        Steps of `sightline.maps.scaling`.

    Returns
    -------
    ndarray
        float64 (n,), in [-2, 2].
    """
    moves = least_cutting(classifier, images, targets)
    rolled = torch.stack([one.roll(move, (1, 2)) for one, move in zip(images, moves, strict=True)])
    found = explain(classifier, rolled, targets, seeds)
    height, width = images.shape[2:]
    side = max(height, width)
    # Rolled at the image's resolution, where a move is whole whatever the map's own is.
    before = on_grid(scale_maps(finite_or_zero(maps), scaling), (height, width))
    moved = np.stack([np.roll(one, move, (0, 1)) for one, move in zip(before, moves, strict=True)])
    after = on_grid(scale_maps(finite_or_zero(found), scaling), (height, width))
    return cosine_of_scaled(moved, after, (), side) - cosine_of_scaled(before, after, (), side)


def least_cutting(classifier: Classifier, images: Tensor, targets: Tensor) -> list[tuple[int, int]]:
    """Moves down and across, in pixels, by which each image's explained logit changes least."""
    down, across = steps(classifier, (images.shape[2], images.shape[3]))
    moves = [(down, 0), (-down, 0), (0, across), (0, -across)]
    chosen = targets[:, None]
    usual = classifier.scores(images).gather(1, chosen)
    scores = [classifier.scores(images.roll(move, (2, 3))).gather(1, chosen) for move in moves]
    best = (torch.cat(scores, dim=1) - usual).abs().argmin(dim=1)
    return [moves[number] for number in best]


def steps(classifier: Classifier, size: tuple[int, int]) -> tuple[int, int]:
    """About a third of the image's height and width, in whole strides of its last layer."""
    try:
        last = classifier.layer(1.0).maps[-1]
        strides = (max(1, size[0] // last.height), max(1, size[1] // last.width))
    except SightlineError:
        strides = (USUAL_STRIDE, USUAL_STRIDE)
    down, across = (
        max(1, round(side / 3 / stride)) * stride
        for side, stride in zip(size, strides, strict=True)
    )
    return down, across
