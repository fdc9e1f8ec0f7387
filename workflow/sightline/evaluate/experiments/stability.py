"""What a change of the images or the weights does to answers and maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sightline.evaluate.alike import cosine_of_scaled, rank_correlation
from sightline.evaluate.experiments.answers import flipped
from sightline.maps.align import intersect, resample
from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.entry import Settings

# Where both maps show the same part of the image, as their models see it: positions a side.
_GRID = 56


def compare(
    before: MapSet, after: MapSet, scaling: Sequence[str], settings: Settings
) -> dict[str, np.ndarray]:
    """What became of each row, both maps being of the class that was explained first.

    Returns
    -------
    dict
        ``flipped`` (1 where the answer is another, else 0, see
        `sightline.evaluate.experiments.answers`), ``correct`` (1 where the answer is the label, NaN
        where that is not known), ``confidence`` (probability of the explained class), and the
        similarity of the maps: ``cosine``, ``spearman``; NaN where either is constant or not
        finite. Maps of other geometries are compared where both show the image.
    """
    one, other = _overlapping(before, after)
    return {
        "flipped": flipped(before, after).astype(float),
        **answered(after),
        "cosine": cosine_of_scaled(one, other, scaling, _GRID),
        "spearman": rank_correlation(one, other),
    }


def answered(maps: MapSet) -> dict[str, np.ndarray]:
    """``correct`` and ``confidence`` of each row."""
    return {
        "correct": np.where(maps.correct < 0, np.nan, maps.correct),
        "confidence": maps.confidence.astype(float),
    }


def _overlapping(before: MapSet, after: MapSet) -> tuple[np.ndarray, np.ndarray]:
    """Both maps where both show the image; as they are where they show the same part."""
    if np.array_equal(before.box, after.box) and before.maps.shape == after.maps.shape:
        return before.maps, after.maps
    shared = intersect(before.box.astype(np.float64), after.box.astype(np.float64))
    one, other = (resample(maps.maps, maps.box, shared, _GRID) for maps in (before, after))
    return one, other
