"""The time and the memory of jobs that compare and merge: they run no model.

From above to what was measured: docs/scale.csv has comparing and merging of up to 1,000 models and
50,000 images, docs/merging.csv every rule of smaller studies. What grows, grows as the arrays that
jobs hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sightline.study.estimates.demand import asked_megabytes, asked_minutes
from sightline.study.estimates.extent import Extent, extent_of

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

# No such job asks for less time: disks that many nodes share are slow.
LEAST_SECONDS = 27.5 * 60
# Libraries, the bootstrap's resamples, blocks of maps, MB.
HELD = 700


def _read(one: Extent) -> float:
    """MB of what is known of all maps that are read, ids and numbers."""
    return 4e-4 * one.models * one.methods * one.rows


def _compare(one: Extent) -> tuple[float, float]:
    maps, pairs = one.models * one.rows, one.pairs * one.rows
    each = 3e-4 * one.pixels * maps + 5e-7 * one.pixels * pairs
    return 10 + one.measures * each, HELD + 0.5 * one.models + _read(one)


def _consensus(one: Extent) -> tuple[float, float]:
    maps = one.models * one.rows
    # Mean maps, and each model's coarse ones, with what is put together of them.
    return 10 + 2e-3 * maps, HELD + 300 + 0.03 * one.rows + 1e-3 * maps + _read(one)


def _ceiling(one: Extent) -> tuple[float, float]:
    seconds, megabytes = _merge(one)
    return seconds, megabytes + _read(one)


def _merge(one: Extent) -> tuple[float, float]:
    seconds = 10 + 2e-3 * one.rows + one.pairs * (5e-4 + 3e-6 * one.rows)
    known = 3e-5 * one.models * one.rows
    return one.measures * seconds, HELD + 6e-3 * one.pairs + 0.025 * one.rows + known


def _merge_consensus(one: Extent) -> tuple[float, float]:
    maps = one.models * one.rows
    return 10 + 2e-3 * one.rows + 1e-4 * maps, HELD + 0.01 * one.rows + 1e-4 * maps


def _images_needed(one: Extent) -> tuple[float, float]:
    seconds, megabytes = _merge(one)
    # Ten sizes of subsets.
    return seconds, megabytes + 2.5e-4 * one.draws * one.images + 2e-4 * one.draws * one.pairs


def _structure(one: Extent) -> tuple[float, float]:
    return one.measures * (20 + 0.02 * one.pairs), HELD + 6e-3 * one.pairs


def _architecture(one: Extent) -> tuple[float, float]:
    tables = one.methods * one.measures
    return 10 + tables * (2 + 5e-3 * one.pairs), HELD + one.measures * 2e-3 * one.pairs


def _variance(one: Extent) -> tuple[float, float]:
    cells = one.methods * one.images
    seconds = 10 + 1e-4 * one.models * one.methods * one.rows
    return seconds, HELD + 600 + 7e-3 * cells + 2e-3 * one.rows


def _artefacts(one: Extent) -> tuple[float, float]:
    # 999 shifts of each image, the same for all models.
    return 10 + 4e-3 * one.models * one.rows, HELD + 0.045 * one.images + 1e-3 * one.rows


def _compare_methods(one: Extent) -> tuple[float, float]:
    each = one.rows * one.measures * one.pixels
    seconds = 10 + 5e-4 * one.methods * each + 1e-5 * one.method_pairs * each
    values = 8e-6 * (one.measures + 4) * one.method_pairs * one.rows
    return seconds, HELD + values + _read(one)


def _evaluate(one: Extent) -> tuple[float, float]:
    maps = one.methods * one.rows
    # Rows of tables, with their copies; masks of objects.
    tables = 5e-4 * one.values * maps + 0.02 * one.rows
    return 10 + 0.05 * maps, HELD + tables + _read(one)


def _experiment_table(one: Extent) -> tuple[float, float]:
    values = one.values * one.models * one.methods * one.rows
    return 20 + 2e-5 * values, HELD + 6e-4 * values


# By rule, seconds and MB.
_OF: dict[str, Callable[[Extent], tuple[float, float]]] = {
    "compare": _compare,
    "consensus": _consensus,
    "merge": _merge,
    "ceiling": _ceiling,
    "merge_consensus": _merge_consensus,
    "images_needed": _images_needed,
    "structure": _structure,
    "architecture": _architecture,
    "variance": _variance,
    "artefacts": _artefacts,
    "compare_methods": _compare_methods,
    "evaluate": _evaluate,
    "experiment_table": _experiment_table,
}
# Proofs of the best communities are cut short (`compare.exact_seconds`), one a measure and
# resolution: a job may take so much longer than expected.
_MORE_SECONDS = {"structure": 3600.0}


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

    def takes(self, rule: str, wildcards: Mapping[str, str]) -> tuple[float, float]:
        """Seconds and MB that a job is expected to take."""
        return _OF[rule](extent_of(self._study, rule, wildcards))

    def seconds(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """What a job is expected to take."""
        return self.takes(rule, wildcards)[0]

    def minutes(self, rule: str, wildcards: Mapping[str, str], attempt: int) -> int:
        """The time that a job asks for."""
        expected = self.seconds(rule, wildcards) + _MORE_SECONDS.get(rule, 0)
        return asked_minutes(max(LEAST_SECONDS, expected), attempt)

    def memory(self, rule: str, wildcards: Mapping[str, str], attempt: int) -> int:
        """The memory that a job asks for, MB."""
        return asked_megabytes(self.takes(rule, wildcards)[1], attempt)
