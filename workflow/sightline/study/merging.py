"""The time and the memory of jobs that compare and merge: they run no model.

Fitted from above to docs/scale.csv, in which grids are of 56 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightline.study.demand import asked_megabytes, asked_minutes
from sightline.study.ranges import parse_range

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

MEASURED_GRID = 56
# No such job asks for less time: disks that many nodes share are slow.
LEAST_SECONDS = 27.5 * 60


@dataclass(frozen=True)
class Extent:
    """How much a job compares.

    Attributes
    ----------
    models, pairs
        Of the study.
    images
        Of the range, or of the study.
    rows
        Maps of an image: roles; of all methods where a job reads them all.
    measures
        Of similarity.
    pixels
        Of the common grid, as a multiple of those of `MEASURED_GRID`.
    """

    models: int
    pairs: int
    images: int
    rows: int
    measures: int
    pixels: float


def _compare(one: Extent) -> tuple[float, float]:
    maps, pairs = one.models * one.images * one.rows, one.pairs * one.images * one.rows
    each = 3e-4 * one.pixels * maps + 5e-7 * one.pixels * pairs
    return 10 + one.measures * each, 700 + 0.5 * one.models


def _merge(one: Extent) -> tuple[float, float]:
    seconds = 10 + 2e-3 * one.images + one.pairs * (5e-4 + 3e-6 * one.images)
    return one.measures * seconds, 700 + 6e-3 * one.pairs + 0.025 * one.images


def _maps(one: Extent) -> tuple[float, float]:
    return 10 + 0.02 * one.models * one.images * one.rows, 1_000 + one.models


# By rule, seconds and MB.
_OF: dict[str, Callable[[Extent], tuple[float, float]]] = {
    "compare": _compare,
    "consensus": _maps,
    "merge": _merge,
    "ceiling": _merge,
    "merge_consensus": _merge,
    "images_needed": _merge,
    "structure": _merge,
    "architecture": _merge,
    "variance": _maps,
    "artefacts": _maps,
    "compare_methods": _maps,
    "evaluate": _maps,
    "experiment_table": _maps,
}
# Proofs of the best communities are cut short (`compare.exact_seconds`), one a measure and
# resolution: a job may take so much longer than expected.
_MORE_SECONDS = {"structure": 3600.0}
# Of one model: all methods' maps; of all models: all methods' tables.
_OF_ONE_MODEL = ("compare_methods", "evaluate")
_OF_ALL_METHODS = (*_OF_ONE_MODEL, "variance", "experiment_table", "architecture")


class Merging:
    """What each of these jobs of a study takes.

    Parameters
    ----------
    study
        As resolved; its images are listed when a job is asked for that reads them all.
    """

    RULES = frozenset(_OF)

    def __init__(self, study: ResolvedStudy) -> None:
        self._study = study

    def extent(self, rule: str, wildcards: Mapping[str, str]) -> Extent:
        """How much a rule's job compares."""
        name = wildcards.get("range")
        images = len(self._study.images) if name is None else len(parse_range(name))
        models = 1 if rule in _OF_ONE_MODEL else len(self._study.models)
        rows = len(self._study.config.roles)
        if rule in _OF_ALL_METHODS:
            rows *= len(self._study.methods) + len(self._study.evaluation.controls)
        return Extent(
            models=models,
            pairs=models * (models - 1) // 2,
            images=images,
            rows=rows,
            measures=len(self._study.measures),
            pixels=max(1.0, (self._study.config.compare.grid / MEASURED_GRID) ** 2),
        )

    def seconds(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """What a job is expected to take."""
        return _OF[rule](self.extent(rule, wildcards))[0]

    def minutes(self, rule: str, wildcards: Mapping[str, str], attempt: int) -> int:
        """The time that a job asks for."""
        expected = self.seconds(rule, wildcards) + _MORE_SECONDS.get(rule, 0)
        return asked_minutes(max(LEAST_SECONDS, expected), attempt)

    def memory(self, rule: str, wildcards: Mapping[str, str], attempt: int) -> int:
        """The memory that a job asks for, MB."""
        return asked_megabytes(_OF[rule](self.extent(rule, wildcards))[1], attempt)
