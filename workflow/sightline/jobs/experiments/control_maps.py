"""Maps of the controls, made without a model: they read none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from sightline.errors import SightlineError
from sightline.images.controls import centred_gaussian, edges, random_positions, seen
from sightline.images.geometry import Box
from sightline.jobs.experiments.scenes import Scenes
from sightline.methods.catalogue import find_method

# Positions along a side, where a control has no size of its own: a model's input is not known.
# Odd, so that one position is the centre.
_SIDE = 225


def control_maps(
    name: str, image_ids: Iterable[str], boxes: np.ndarray, seeds: Sequence[int], scenes: Scenes
) -> np.ndarray:
    """Maps of a control with its default settings.

    Parameters
    ----------
    name
        Of the control.
    image_ids
        Of each row.
    boxes
        (n, 4): the part of each original that its map covers.
    seeds
        One a row.
    scenes
        The images.

    Returns
    -------
    ndarray
        float32 (n, h, w).

    Raises
    ------
    SightlineError
        For a control that cannot be made without a model.
    """
    if name not in _MAKERS:
        raise SightlineError(
            f"The control {name!r} cannot be made without a model: add it to the study's methods."
        )
    settings = find_method(name).settings()
    made = []
    for one, (x0, y0, x1, y1), seed in zip(image_ids, boxes.tolist(), seeds, strict=True):
        pixels = partial(_seen, scenes, one, (x0, y0, x1, y1))
        made.append(_MAKERS[name](settings, seed, pixels))
    return np.stack(made)


def _seen(scenes: Scenes, image_id: str, box: Box) -> np.ndarray:
    return seen(scenes.picture(image_id), box, _SIDE)


def _random(settings: Any, seed: int, pixels: Callable[[], np.ndarray]) -> np.ndarray:
    return random_positions(seed, settings.cells)


def _centre(settings: Any, seed: int, pixels: Callable[[], np.ndarray]) -> np.ndarray:
    return centred_gaussian((_SIDE, _SIDE), settings.sigma)


def _edges(settings: Any, seed: int, pixels: Callable[[], np.ndarray]) -> np.ndarray:
    return edges(pixels())


_MAKERS = {"random": _random, "centred_gaussian": _centre, "sobel": _edges}
