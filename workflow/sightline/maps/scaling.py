"""Steps that make raw maps of one method comparable, map by map.

A scaling is a sequence of steps, each a name or ``name:argument``. No step
looks beyond one map, so no map depends on those beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sightline.maps.steps import parse_steps


def scale_maps(maps: np.ndarray, steps: Sequence[str]) -> np.ndarray:
    """Apply a scaling.

    Parameters
    ----------
    maps
        float32 (n, h, w), raw.
    steps
        ``raw``, alone: nothing. ``positive``: negative values become 0.
        ``abs``: magnitudes. ``max``: divided by the largest magnitude, so that 0
        stays 0. ``minmax``: to [0, 1]; a constant map becomes 0.
        ``clip:low:high``: values beyond these percentiles become them.

    Returns
    -------
    ndarray
        float32 (n, h, w).

    Raises
    ------
    SightlineError
        For an unknown step or wrong arguments (`sightline.maps.steps`).
    """
    for step in parse_steps(steps):
        maps = _STEPS[step.name](maps, *step.arguments)
    return maps


def _raw(maps: np.ndarray) -> np.ndarray:
    return maps


def _positive(maps: np.ndarray) -> np.ndarray:
    return np.maximum(maps, 0)


def _largest(maps: np.ndarray) -> np.ndarray:
    return _divide(maps, np.abs(maps).max(axis=(1, 2), keepdims=True))


def _minmax(maps: np.ndarray) -> np.ndarray:
    low = maps.min(axis=(1, 2), keepdims=True)
    return _divide(maps - low, maps.max(axis=(1, 2), keepdims=True) - low)


def _clip(maps: np.ndarray, low: float, high: float) -> np.ndarray:
    bounds = np.percentile(maps, [low, high], axis=(1, 2)).astype(maps.dtype)
    return np.clip(maps, bounds[0][:, None, None], bounds[1][:, None, None])


def _divide(maps: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.divide(maps, by, out=np.zeros_like(maps), where=by > 0)


_STEPS: dict[str, Callable[..., np.ndarray]] = {
    "raw": _raw,
    "positive": _positive,
    "abs": np.abs,
    "max": _largest,
    "minmax": _minmax,
    "clip": _clip,
}
