"""A model that has lost the weights of its last layers: a stage of `evaluate.randomise`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from sightline.evaluate.alterations.seen import Alter, Seen
from sightline.evaluate.sanity.randomise import parametrised, randomised
from sightline.models.classifier import Classifier


def prepare(classifier: Classifier, settings: Mapping[str, Any], seed: int) -> Alter:
    """The model after ``stage`` of ``stages`` groups of layers were drawn anew.

    A model of fewer submodules than stages has lost the share of them that is nearest to the
    stage's, none at first if that is nearer. Each stage has also lost what the ones before it
    have, by the same draws.
    """
    stage, stages = settings["stage"], settings["stages"]
    groups = max(1, min(stages, len(parametrised(classifier.module))))
    lost = (2 * groups * stage + stages) // (2 * stages)
    # Each copy is the one before it, with more of its weights drawn.
    *_, other = classifier, *(one for _, one in islice(randomised(classifier, stages, seed), lost))

    def alter(seen: Seen) -> Seen:
        return replace(seen, classifier=other)

    return alter
