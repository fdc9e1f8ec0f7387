"""The pointing game: does the maximum of a map lie on an object of the class?

    p = argmax M,     hit = 1 if distance(p, object) <= tolerance, else 0

(Zhang et al. 2016, arXiv:1608.00507, section 4.2), over the objects of the explained class
where the image has any. A deviation: of images of which the model sees less than 224 pixels the
usual tolerance of 15 pixels shrinks with them. M is the map made comparable, but not clipped:
clipping makes ties of the largest values. The maximum is the centre of the map's own position: a
bilinear upsampling has its maximum there. Ties are broken by a draw.

With refusal (Selvaraju et al. 2017, arXiv:1610.02391, section 4.3), an explanation is
refused when the largest activation of its raw map is below t, and

    recall(t)    = mean of [hit and accepted, or class absent and refused]
    precision(t) = mean of [hit] over the accepted

with t the q-th quantile of the method's largest activations of the model, so that q of them
are refused: methods whose maps have other units can be read side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sightline.evaluate.alike import finite_or_zero
from sightline.evaluate.experiments.boxes import distance
from sightline.evaluate.protocol import Curve, Findings, Values
from sightline.maps.scaling import scale_maps
from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.localisation import Pointing
    from sightline.evaluate.experiments.truth import Truth

# Rows whose positions are held at a time.
_BLOCK = 256
# The paper's tolerance, in pixels, and the shorter side of what is seen from which on it is so.
_TOLERANCE, _SIDE = 15, 224


def look(
    maps: MapSet, scaling: Sequence[str], settings: Pointing, seeds: Sequence[int]
) -> Findings:
    """``point`` (n, 2), x and y of the maximum; ``peak`` (n,), the largest activation.

    NaN where a map has no positive value.
    """
    raw = finite_or_zero(maps.maps)
    scaled = scale_maps(raw, [step for step in scaling if not step.startswith("clip")])
    largest = scaled.max(axis=(1, 2))
    places = np.array([_place(one, seed) for one, seed in zip(scaled, seeds, strict=True)])
    height, width = scaled.shape[1:]
    share = (places[:, ::-1] + 0.5) / (width, height)
    box = maps.box.astype(np.float64)
    points = box[:, :2] + share * (box[:, 2:] - box[:, :2])
    # Before rescaling, but of the sign that the method's maps are read by.
    signs = [step for step in scaling if step in ("abs", "positive")]
    peaks = scale_maps(raw, signs).max(axis=(1, 2))
    shows = largest > 0
    return {
        "point": np.where(shows[:, None], points, np.nan),
        "peak": np.where(shows, peaks, np.nan),
    }


def _place(one: np.ndarray, seed: int) -> tuple[int, int]:
    """Row and column of the maximum; of several, one drawn."""
    tied = np.flatnonzero(one == one.max())
    chosen = tied[0] if len(tied) == 1 else np.random.default_rng(seed).choice(tied)
    row, column = np.unravel_index(chosen, one.shape)
    return int(row), int(column)


def score(findings: Findings, truth: Truth, settings: Pointing) -> Values:
    """``hit`` (n,), and ``recall`` and ``precision`` over the share refused.

    A map that shows nothing has no ``hit``, and is refused at any threshold.
    """
    peak, known = findings["peak"], np.isfinite(findings["peak"])
    away = _distance(findings["point"], truth, settings)
    # Of an object without a mask, where masks are asked for, nothing is known.
    judged = truth.located & ~np.isnan(away)
    hit = judged & known & (away <= tolerance(settings.tolerance, truth.seen))
    refused = np.linspace(0, 1, settings.thresholds, endpoint=False)
    quantiles = np.quantile(peak[known], refused) if known.any() else np.zeros(len(refused))
    accepted = known[:, None] & (np.where(known, peak, 0)[:, None] >= quantiles)
    right = (hit[:, None] & accepted) | (truth.absent[:, None] & ~accepted)
    answered = (judged | truth.absent)[:, None]
    return {
        "hit": np.where(judged & known, hit, np.nan),
        "recall": Curve(refused, np.where(answered, right, np.nan)),
        "precision": Curve(refused, np.where(answered & accepted, hit[:, None], np.nan)),
    }


def tolerance(given: float | None, seen: np.ndarray) -> np.ndarray | float:
    """By how many pixels of the original a maximum may miss.

    Parameters
    ----------
    given
        By the study; None for the usual.
    seen
        Boxes (n, 4) of the part of each original that the model sees.

    Returns
    -------
    ndarray or float
        15 (n,), or 15/224 of the shorter side where that is less than 224 pixels; or as given.
    """
    if given is not None:
        return given
    shorter = (seen[:, 2:] - seen[:, :2]).min(axis=1)
    share: np.ndarray = _TOLERANCE * np.minimum(shorter / _SIDE, 1)
    return share


def _distance(points: np.ndarray, truth: Truth, settings: Pointing) -> np.ndarray:
    """From points to the objects, (n,), in pixels of the original; NaN where that is not known."""
    if settings.inside == "box":
        return distance(np.nan_to_num(points), truth.boxes)
    found = np.full(len(points), np.nan)
    for start in range(0, len(points), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = _to_mask(points[part], truth.masks[truth.mask_of[part]], truth.seen[part])
    return found


def _to_mask(points: np.ndarray, masks: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """From points to the nearest position that a mask covers, (n,); NaN where it covers none.

    Covered is what has at least half of the mask's largest share: of an object smaller than two
    positions no share need reach one half.
    """
    rows, columns = masks.shape[1:]
    step = (seen[:, 2:] - seen[:, :2]) / (columns, rows)
    x = points[:, None, 0] - (seen[:, None, 0] + (np.arange(columns) + 0.5) * step[:, 0, None])
    y = points[:, None, 1] - (seen[:, None, 1] + (np.arange(rows) + 0.5) * step[:, 1, None])
    across, down = (
        (np.abs(np.nan_to_num(one)) - step[:, axis, None] / 2).clip(0)
        for axis, one in enumerate((x, y))
    )
    away = np.hypot(down[:, :, None], across[:, None])
    most = masks.max(axis=(1, 2), keepdims=True)
    nearest = np.where(masks >= 0.5 * most, away, np.inf).min(axis=(1, 2))
    # NaN where there is no mask, 0 where the object is out of sight.
    return np.where(most[:, 0, 0] > 0, nearest, np.nan)
