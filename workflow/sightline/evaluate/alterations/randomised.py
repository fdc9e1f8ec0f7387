"""A model that has lost the weights of its last layers: a stage of `evaluate.randomise`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from sightline.evaluate.alterations.seen import Alter, Seen
from sightline.evaluate.randomise import randomised
from sightline.models.classifier import Classifier


def prepare(classifier: Classifier, settings: Mapping[str, Any], seed: int) -> Alter:
    """The model after ``stage`` of ``stages`` groups of layers were drawn anew.

    A model with fewer groups has lost all of its weights from its last stage on. Each stage
    has also lost what the ones before it have, by the same draws.
    """
    # Each copy is the one before it, with more of its weights drawn.
    stages = islice(randomised(classifier, settings["stages"], seed), settings["stage"])
    *_, (_, other) = stages

    def alter(seen: Seen) -> Seen:
        return replace(seen, classifier=other)

    return alter
