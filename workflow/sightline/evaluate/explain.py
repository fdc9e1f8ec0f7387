"""What a check explains with: a method and its settings, already put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from sightline.methods.explanation import MethodFunction
from sightline.models.classifier import Classifier

# From a classifier, images, targets and seeds to raw maps, float32 (n, h, w).
Explain = Callable[[Classifier, Tensor, Tensor, Sequence[int]], np.ndarray]


def explainer(function: MethodFunction, settings: Any) -> Explain:
    """A method with its settings, as checks call it."""

    def explain(
        classifier: Classifier, images: Tensor, targets: Tensor, seeds: Sequence[int]
    ) -> np.ndarray:
        maps: np.ndarray = function(classifier, images, targets, seeds, settings).maps.numpy()
        return maps

    return explain
