"""What an attack does to answers and maps, of classes that the model answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sightline.evaluate.experiments import stability
from sightline.evaluate.experiments.answers import answers
from sightline.evaluate.protocol import Values
from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.entry import Settings


def compare(before: MapSet, after: MapSet, scaling: Sequence[str], settings: Settings) -> Values:
    """As that of `stability`; NaN where the class was not answered before.

    The attack takes the explained class from the model: there is nothing to take where the
    model answers another.
    """
    asked = answers(before)
    found = stability.compare(before, after, scaling, settings)
    return {name: np.where(asked, values, np.nan) for name, values in found.items()}
