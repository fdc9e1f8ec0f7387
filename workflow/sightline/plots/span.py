"""Axes that do not blow up values which hardly vary."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

# Of the largest magnitude that is drawn.
_LEAST = 0.5
_MARGIN = 0.05


def widen(axes: Axes, along: str) -> None:
    """Give an axis a span of half of the largest magnitude at least, within 0..1 where values are.

    Parameters
    ----------
    axes
        With all that is drawn by data.
    along
        The axis of values: x or y.
    """
    low, high = axes.dataLim.intervalx if along == "x" else axes.dataLim.intervaly
    if not np.isfinite([low, high]).all():
        return
    least = _LEAST * max(abs(low), abs(high)) or 1.0
    if high - low >= least:
        return
    start, stop = (low + high - least) / 2, (low + high + least) / 2
    if low >= 0 and high <= 1:
        beyond = max(stop - 1, 0) + min(start, 0)
        start, stop = start - beyond, stop - beyond
    margin = _MARGIN * (stop - start)
    (axes.set_xlim if along == "x" else axes.set_ylim)(start - margin, stop + margin)
