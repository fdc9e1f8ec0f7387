"""What sharing a preprocessing does to answers and maps, beside what they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sightline.evaluate.experiments import stability
from sightline.evaluate.protocol import Values
from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.entry import Settings


def compare(before: MapSet, after: MapSet, scaling: Sequence[str], settings: Settings) -> Values:
    """As that of `stability`, and ``correct`` and ``confidence`` before."""
    found = stability.compare(before, after, scaling, settings)
    return {**{f"{name}_before": stability.answered(before)[name] for name in _KEPT}, **found}


_KEPT = ("correct", "confidence")
