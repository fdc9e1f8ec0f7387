"""Rank correlation of series of maps at a coarse resolution.

As the Grad-CAM paper compares with occlusion (Selvaraju et al. 2017, section
5.3, "Analyzing faithfulness"), by true ranks: equal values have their mean rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sightline.compare.consensus.models import shared_part
from sightline.compare.measures.ranks import standardised_ranks
from sightline.compare.ordering import pair_indices
from sightline.maps.align import resample
from sightline.maps.scaling import scale_maps
from sightline.maps.series import MapSeries
from sightline.maps.store import OK

# The resolution of that comparison.
GRID = 14
# Images at a time.
_BLOCK = 64


def rank_correlations(
    series: Mapping[str, MapSeries], scaling: Mapping[str, Sequence[str]], grid: int = GRID
) -> np.ndarray:
    """Spearman's correlation over positions of each pair of series, row by row.

    Parameters
    ----------
    series
        With the same rows, in one order.
    scaling
        Steps of `sightline.maps.scaling` of each.
    grid
        Positions along a side, on the part that all series show.

    Returns
    -------
    ndarray
        float64 (pairs, n), pairs as in `sightline.compare.ordering`; NaN where one of
        the two maps is not ok, or is constant.
    """
    box, meets = shared_part(list(series.values()))
    first, second = pair_indices(len(series)).T
    found = np.empty((len(first), len(box)))
    for start in range(0, len(box), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(box)))
        ranked = np.empty((len(series), part.stop - start, grid**2))
        for number, (name, one) in enumerate(series.items()):
            scaled = scale_maps(one.read(part.start, part.stop), scaling[name])
            maps = resample(scaled, one.box[part], box[part], grid)
            ranked[number] = standardised_ranks(maps.reshape(len(maps), -1))
            ranked[number][(one.status[part] != OK) | ~meets[part]] = np.nan
        found[:, part] = np.einsum("pij,pij->pi", ranked[first], ranked[second])
    return np.clip(found, -1, 1)
