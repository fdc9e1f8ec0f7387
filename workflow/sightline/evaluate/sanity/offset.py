"""Whether maps change with a constant that the model takes back.

The image x becomes x + c in all its channels, and the model f becomes f(. - c),
as a bias of its first layer would make it: what it computes is the same. The
gradient and all that it reads of inner layers cannot differ; a method that
multiplies by the image, or puts zeros in its place, does (Kindermans et al.
2017, arXiv:1711.00867).

The constant is taken from the preprocessing's mean too, so that the pixels that
a person sees, and their segments, are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from sightline.evaluate.explain import Explain
from sightline.models.classifier import Classifier
from sightline.models.state import hooks

# Of the normalised space, where images reach from about -2 to 2.
OFFSET = 1.0
# Multiples of this and a whole number add up exactly in float32: with x + 1 - 1 = x to the last
# bit no ReLU's input changes its sign by rounding, and with it the gradient.
_STEP = 2.0**-16


def rounded(images: Tensor) -> Tensor:
    """Images to whose values an offset can be added and taken back exactly."""
    return (images / _STEP).round() * _STEP


def offset_change(
    explain: Explain,
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    maps: np.ndarray,
) -> np.ndarray:
    """How much maps change by the offset, relative to what they were.

    Parameters
    ----------
    images
        As `rounded` gives them.
    maps
        Raw maps of the images, by the same seeds.

    Returns
    -------
    ndarray
        float64 (n,): |M' - M| / |M|, Euclidean; 0 where they are the same.
    """
    with taken_back(classifier, OFFSET) as other:
        found = explain(other, images + OFFSET, targets, seeds)
    change = np.linalg.norm((found - maps).reshape(len(maps), -1).astype(np.float64), axis=1)
    size = np.linalg.norm(maps.reshape(len(maps), -1).astype(np.float64), axis=1)
    return np.divide(change, size, out=np.full_like(change, np.nan), where=size > 0)


@contextmanager
def taken_back(classifier: Classifier, offset: float) -> Iterator[Classifier]:
    """A classifier that takes images with an offset and computes what the given one does."""
    own = classifier.preprocessing
    red, green, blue = (m - offset * s for m, s in zip(own.mean, own.std, strict=True))
    other = replace(classifier, preprocessing=replace(own, mean=(red, green, blue)))

    def subtract(_module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0] - offset, *arguments[1:])

    with hooks([classifier.module.register_forward_pre_hook(subtract)]):
        yield other
