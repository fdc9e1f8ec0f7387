"""How much of a map's peak lies inside the box (the chest X-ray study).

    share = #{p: M(p) > level, p in box} / #{p: M(p) > level}

with M the raw map without its negative values, upsampled bilinearly and divided by its
maximum, and p the pixels of a grid over what the map covers. A pixel that the box cuts counts
by the part of it that is inside. Several boxes of the class are one region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sightline.evaluate.alike import finite_or_zero, on_grid
from sightline.evaluate.experiments.boxes import share_inside
from sightline.evaluate.protocol import Findings, Values
from sightline.maps.scaling import scale_maps
from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.localisation import PeakInside
    from sightline.evaluate.experiments.truth import Truth

# Rows whose pixels are held at a time.
_BLOCK = 256


def look(
    maps: MapSet, scaling: Sequence[str], settings: PeakInside, seeds: Sequence[int]
) -> Findings:
    """``peak`` (n, bytes): the pixels above the level, a bit each; none of a map of zeros.

    Maps are scaled as the study did, whatever the method's own scaling.
    """
    upsampled = on_grid(scale_maps(finite_or_zero(maps.maps), ["positive"]), settings.grid)
    above = scale_maps(upsampled, ["max"]) > settings.level
    return {"peak": np.packbits(above.reshape(len(above), -1), axis=1)}


def score(findings: Findings, truth: Truth, settings: PeakInside) -> Values:
    """``share`` (n,); NaN of a map without positive values, or where no box is in sight."""
    peak, side = findings["peak"], settings.grid
    share = np.full(len(peak), np.nan)
    for start in range(0, len(peak), _BLOCK):
        part = slice(start, start + _BLOCK)
        above = np.unpackbits(peak[part], axis=1, count=side**2).reshape(-1, side, side)
        share[part] = share_inside(above, truth.seen[part], truth.boxes[part])
    return {"share": share}
