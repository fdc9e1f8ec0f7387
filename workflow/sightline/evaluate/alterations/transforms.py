"""A model with another's way to fit and normalise images, at its own size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sightline.evaluate.alterations.seen import Alter, Seen
from sightline.models.classifier import Classifier


def prepare(classifier: Classifier, settings: Mapping[str, Any], seed: int) -> Alter:
    """What `sightline.images.geometry.fit` takes, and the mean and standard deviation."""
    given = {**settings, "mean": tuple(settings["mean"]), "std": tuple(settings["std"])}
    shared = replace(classifier.preprocessing, crop_mode="center", **given)

    def alter(seen: Seen) -> Seen:
        images, boxes = shared(seen.pictures())
        other = replace(seen.classifier, preprocessing=shared)
        return replace(seen, classifier=other, images=images, boxes=boxes)

    return alter
