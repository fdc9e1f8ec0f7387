"""Whether a class survives without its object, and where the model looks then.

Of the images that a model answers rightly, their object is taken out
(`sightline.evaluate.alterations.taken_out`). Whether the maps then move elsewhere is asked of each
image; which classes are known by something else, of all images of each
(`sightline.evaluate.experiments.biased_classes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sightline.evaluate.alike import cosine_of_scaled, finite_or_zero, on_grid
from sightline.evaluate.experiments.biased_classes import COLUMNS, classes_of
from sightline.evaluate.protocol import Regions, Values
from sightline.maps.scaling import scale_maps
from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.bias import Bias

_GRID = 56
_ONE = ["model", "method", "variant", "role"]


def compare(before: MapSet, after: MapSet, scaling: Sequence[str], settings: Bias) -> Values:
    """What became of each row.

    Returns
    -------
    dict
        ``survives`` (1 where the answer is as before, else 0; NaN where that was wrong, or it is
        not known whether it was right),
        ``confidence`` (of the explained class), ``inside_before`` and ``inside`` (share of the
        map inside what is taken out), ``area`` (of that, as a share of the image), ``cosine`` of
        the maps; all NaN where nothing is taken out.
    """
    if after.region is None:
        raise ValueError("the maps do not say what is taken out")
    known = after.region.any(axis=(1, 2))
    right = known & (before.correct == 1)
    found = {
        "survives": np.where(right, before.predicted == after.predicted, np.nan),
        "confidence": after.confidence.astype(float),
        "inside_before": share_inside(before.maps, after.region, scaling),
        "inside": share_inside(after.maps, after.region, scaling),
        "area": after.region.mean(axis=(1, 2)),
        "cosine": cosine_of_scaled(before.maps, after.maps, scaling, _GRID),
    }
    return {name: np.where(known, values, np.nan) for name, values in found.items()}


def by_chance(
    before: MapSet, after: MapSet, scaling: Sequence[str], regions: Regions
) -> dict[str, np.ndarray]:
    """``inside_before`` and ``inside`` of the same maps, of what is taken out of other images.

    The mean over each other image, which is what `sightline.evaluate.experiments.chance` draws
    from. NaN where nothing is taken out.
    """
    if after.region is None:
        raise ValueError("the maps do not say what is taken out")
    known = after.region.any(axis=(1, 2))
    others = regions.others(after.region)
    return {
        name: np.where(known, share_inside(maps.maps, others, scaling), np.nan)
        for name, maps in (("inside_before", before), ("inside", after))
    }


def share_inside(maps: np.ndarray, region: np.ndarray, scaling: Sequence[str]) -> np.ndarray:
    """Share of each map (n, h, w), scaled and without negative values, inside a region.

    The region is bool (n, H, W), or the share of each position that belongs to it. NaN for a
    map without positive values.
    """
    size = (region.shape[1], region.shape[2])
    scaled = on_grid(scale_maps(finite_or_zero(maps), scaling), size).clip(0).astype(np.float64)
    total = scaled.sum(axis=(1, 2))
    inside = (scaled * region).sum(axis=(1, 2))
    return np.divide(inside, total, out=np.full(len(maps), np.nan), where=total > 0)


def by_class(rows: pd.DataFrame) -> pd.DataFrame:
    """What is said of each class.

    Parameters
    ----------
    rows
        Of one model: as `sightline.evaluate.long.long_table`, with ``before`` and ``after``, the
        classes that the model answered.

    Returns
    -------
    DataFrame
        A row a (model, method, variant, role, class): images (answered rightly before, with an
        object), survival, others (the largest share of another class's images that become it),
        p_answers, smallest_p (p_answers if all its images had kept their answer, and none of
        the others' become it); inside_before, inside, area (means); preference and that of the
        other classes (medians), p_maps (where the answers say it); answers_say, maps_say, and
        biased, where both do: missing where that cannot be decided.
    """
    wide = rows.pivot(
        index=[*_ONE, "image_id", "before", "after"], columns="measure", values="value"
    ).reset_index()
    wide = wide[wide["survives"].notna()]
    tables = [
        classes_of(group).assign(**dict(zip(_ONE, key, strict=True)))
        for key, group in wide.groupby(_ONE, sort=False)
    ]
    table = (
        pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*_ONE, *COLUMNS])
    )
    return table[[*_ONE, *COLUMNS]]
