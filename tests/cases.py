"""Cases for experiments that run the model."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from torch import Tensor

from sightline.evaluate.catalogue import find_experiment
from sightline.evaluate.protocol import Case, Curve, Values
from sightline.models.classifier import Classifier
from sightline.study.ids import seed_of


def case_of(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    maps: np.ndarray,
    *,
    scaling: tuple[str, ...] = ("positive", "max"),
    first: int = 0,
) -> Case:
    """Maps of some images, whose draws are of their numbers from ``first`` on."""

    def explain(*_: Any) -> np.ndarray:
        raise AssertionError("the experiment explains again")

    def draws(*words: str | int) -> list[int]:
        return [seed_of(*words, first + row) for row in range(len(images))]

    return Case(
        classifier=classifier,
        images=images,
        targets=targets,
        maps=maps.astype(np.float32),
        scaling=scaling,
        draws=draws,
        explain=explain,
        seeds=draws("maps"),
    )


def measured(name: str, case: Case, **settings: Any) -> Values:
    """What an experiment of the catalogue gives."""
    experiment = find_experiment(name)
    values: Values = import_module(experiment.path).measure(case, experiment.settings(**settings))
    assert set(values) == {measure.name for measure in experiment.measures}
    for measure in experiment.measures:
        found = values[measure.name]
        assert isinstance(found, Curve) == bool(measure.over)
        rows = found.values if isinstance(found, Curve) else found
        assert len(rows) == len(case.images)
    return values


def numbers(values: Values) -> np.ndarray:
    """All values of each row side by side, (n, k)."""
    found = [one.values if isinstance(one, Curve) else one[:, None] for one in values.values()]
    return np.concatenate(found, axis=1)
