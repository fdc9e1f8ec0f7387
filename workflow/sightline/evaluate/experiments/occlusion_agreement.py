"""Whether maps rank the regions of an image as occluding each of them does.

    rho = Pearson(rank(M), rank(O))      over the positions of a coarse grid

with M a map and O the map of an occlusion method on the same class of the same
image, ties having their mean rank (Selvaraju et al. 2017, arXiv:1610.02391, section
4.2 measures faithfulness so). Maps are raw: both say what speaks against the class, if
they say it at all.

Where a map is what it is held against, its agreement would be 1 and say nothing: the
reference method has no value of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sightline.evaluate.alike import on_grid, rank_correlation
from sightline.evaluate.protocol import Evidence, Values

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.faithfulness import OcclusionAgreement


def measure(evidence: Evidence, settings: OcclusionAgreement) -> Values:
    """``spearman`` (n,): of raw maps, both at the same coarse grid.

    NaN where either is constant or was not finite, and of the reference itself.
    """
    maps, reference = evidence.maps.maps, evidence.of(settings.reference).maps
    if np.array_equal(maps, reference):
        return {"spearman": np.full(len(maps), np.nan)}
    # One model: both maps cover the same part of the image.
    own, other = (on_grid(one, settings.grid) for one in (maps, reference))
    return {"spearman": rank_correlation(own, other)}
