"""All experiments: what each asks, takes, gives and needs.

To add an experiment, write its functions in a module of `sightline.evaluate`, in
the terms of `sightline.evaluate.protocol`, and an `Experiment` in the module here
that holds its kind. The workflow reads this table each time it parses, so nothing
here imports numpy or torch.
"""

from __future__ import annotations

from sightline.errors import unknown
from sightline.evaluate.catalogue import (
    bias,
    dependence,
    faithfulness,
    localisation,
    removal,
    robustness,
    sensitivity,
)
from sightline.evaluate.catalogue.entry import Experiment

_EXPERIMENTS = (
    *faithfulness.EXPERIMENTS,
    *removal.EXPERIMENTS,
    *sensitivity.EXPERIMENTS,
    *localisation.EXPERIMENTS,
    *robustness.EXPERIMENTS,
    *bias.EXPERIMENTS,
    *dependence.EXPERIMENTS,
)

EXPERIMENTS = {one.name: one for one in _EXPERIMENTS}
if len(EXPERIMENTS) != len(_EXPERIMENTS):
    raise RuntimeError("two experiments of the catalogue have one name")


def find_experiment(name: str) -> Experiment:
    """The catalogue's entry of a name.

    Raises
    ------
    SightlineError
        For an unknown name, with the nearest known one.
    """
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]
