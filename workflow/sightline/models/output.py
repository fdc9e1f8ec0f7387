"""What a classifier returns."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sightline.errors import SightlineError


def checked_scores(scores: Any, name: str) -> Tensor:
    """Scores (images, classes), or an error that says what came instead."""
    if not isinstance(scores, Tensor) or scores.ndim != 2:
        came = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise SightlineError(
            f"Model {name}: expected scores of shape (images, classes), got {came}. "
            "Only classifiers can be explained."
        )
    return scores
