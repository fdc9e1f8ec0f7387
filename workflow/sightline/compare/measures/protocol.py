"""What a measure's module offers, and how it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np

from sightline.compare.catalogue import Measure, Settings, find_measure


class MeasureModule(Protocol):
    """Functions of a measure.

    Maps are scaled, on the study's grid and on the part of the image that the
    pair shares.
    """

    def prepare(self, maps: np.ndarray, settings: Any) -> Any:
        """What is computed once of each map, from float32 (images, a, height, width)."""

    def between(self, one: Any, other: Any, settings: Any) -> np.ndarray:
        """The statistic of all pairs of prepared maps, image by image.

        ``one is other`` where models are compared among themselves: half of the
        work may then be spared. Returns (images, a, b), a similarity unless
        the module has ``finish``; of a measure that counts, unsigned integers
        (images, a, b, cuts, cuts): pixels above cut k of the one and cut m of
        the other.
        """


class CountsModule(MeasureModule, Protocol):
    """Functions of a measure that counts."""

    def above(self, prepared: Any) -> np.ndarray:
        """Pixels of each map above each cut, unsigned integers (images, a, cuts)."""


@dataclass(frozen=True)
class ResolvedMeasure:
    """A measure with all its settings."""

    entry: Measure
    settings: Settings

    @property
    def functions(self) -> MeasureModule:
        """Its module."""
        return cast(MeasureModule, import_module(self.entry.module))

    @property
    def cuts(self) -> int:
        """Classes less one, of a measure that counts."""
        return len(getattr(self.settings, "cuts", ()))

    @property
    def spec(self) -> dict[str, Any]:
        """As in a configuration, nothing left open."""
        return {"measure": self.entry.name, **self.settings.model_dump(mode="json")}


def resolve(spec: Mapping[str, Any]) -> ResolvedMeasure:
    """A measure from its specification: its name under ``measure``, and its settings."""
    settings = dict(spec)
    entry = find_measure(str(settings.pop("measure")))
    return ResolvedMeasure(entry, entry.settings.model_validate(settings))
