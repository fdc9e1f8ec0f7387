"""What a method returns, and what it is called with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from sightline.models.classifier import Classifier


@dataclass(frozen=True)
class Explanation:
    """Saliency maps of some images.

    Attributes
    ----------
    maps
        float32 (N, height, width) on the CPU, raw: neither scaled nor, for a
        signed method, made positive. Height and width are the method's own; a
        map covers the whole of its model's input whatever they are.
    figures
        Figures of each map by name, (N,): passes used, completeness gap, ...
    """

    maps: Tensor
    figures: dict[str, np.ndarray] = field(default_factory=dict)


class MethodFunction(Protocol):
    """A method.

    It is called with the classifier; images, float32 (N, 3, H, W) in the
    model's normalised space; targets, int64 (N,), the outputs to explain;
    seeds, one an image, from which alone a stochastic method draws; and its
    settings as the catalogue declares them. It runs the model in batches that
    fit, keeps memory independent of its number of samples, and treats each
    image by itself: no map depends on the others.

    What it is called with lies on the CPU, and so does what it returns. One
    that runs an image many times copies it to the classifier's device once,
    makes its masks and keeps its sums there, and copies back at the end: a
    copy each batch would let a GPU wait.
    """

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        seeds: Sequence[int],
        settings: Any,
    ) -> Explanation:
        """Explain the images."""
        ...
