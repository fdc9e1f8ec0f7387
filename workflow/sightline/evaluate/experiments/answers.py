"""Whether a model answers the class that is explained.

A model of one class an image answers the one with the highest score; one of several
(`task: multilabel`) answers each class whose probability is above 1/2.
"""

from __future__ import annotations

import json

import numpy as np

from sightline.maps.store import MapSet


def answers(maps: MapSet) -> np.ndarray:
    """Whether the class explained is answered, bool (n,)."""
    found: np.ndarray = maps.confidence > 0.5 if _several(maps) else _first(maps)
    return found


def flipped(before: MapSet, after: MapSet) -> np.ndarray:
    """Whether the answer is another, bool (n,): of several classes an image, that on the explained.

    Parameters
    ----------
    before, after
        The same rows.
    """
    if _several(before):
        return answers(before) != answers(after)
    found: np.ndarray = before.predicted != after.predicted
    return found


def _first(maps: MapSet) -> np.ndarray:
    found: np.ndarray = maps.explained == maps.predicted
    return found


def _several(maps: MapSet) -> bool:
    spec = json.loads(maps.attributes.get("model_spec", "{}"))
    return bool(spec.get("task", "single") == "multilabel")
