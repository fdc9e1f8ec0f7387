"""Whether maps rank the regions of an image as occluding each of them does.

    rho = Pearson(rank(M), rank(O))      over the positions of a coarse grid

with M a map and O the map of an occlusion method on the same class of the same
image, ties having their mean rank (Selvaraju et al. 2017, arXiv:1610.02391, section
4.2 measures faithfulness so).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightline.evaluate.alike import on_grid, rank_correlation
from sightline.evaluate.protocol import Evidence, Values

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.faithfulness import OcclusionAgreement


def measure(evidence: Evidence, settings: OcclusionAgreement) -> Values:
    """``spearman`` (n,): of raw maps, both at the same coarse grid."""
    reference = evidence.of(settings.reference)
    own, other = (on_grid(one.maps, settings.grid) for one in (evidence.maps, reference))
    return {"spearman": rank_correlation(own, other)}
