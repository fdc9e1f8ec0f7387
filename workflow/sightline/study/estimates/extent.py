"""How much a job that runs no model reads and holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightline.study.ranges import parse_range

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

MEASURED_GRID = 56
# Values of a map that an experiment gives by a measure that is a curve: more than most.
CURVE = 20
# Of one model; of all methods of the study.
_OF_ONE_MODEL = ("compare_methods", "evaluate")
_OF_ALL_METHODS = ("compare_methods", "variance", "architecture")


@dataclass(frozen=True)
class Extent:
    """How much a job reads.

    Attributes
    ----------
    models
        Whose maps.
    methods
        By how many methods; controls too where there are some.
    images
        Of the range, of the study, or those that an experiment takes.
    roles
        Maps of an image.
    measures
        Of similarity.
    draws
        Subsets of each size for how many images are enough.
    pixels
        Of the common grid, as a multiple of those of `MEASURED_GRID`.
    values
        That an experiment gives of each map, all variants together.
    """

    models: int
    methods: int
    images: int
    roles: int
    measures: int
    draws: int
    pixels: float
    values: int = 0

    @property
    def rows(self) -> int:
        """Maps of a model by one method."""
        return self.images * self.roles

    @property
    def pairs(self) -> int:
        """Of models."""
        return self.models * (self.models - 1) // 2

    @property
    def method_pairs(self) -> int:
        """Of methods."""
        return self.methods * (self.methods - 1) // 2


def extent_of(study: ResolvedStudy, rule: str, wildcards: Mapping[str, str]) -> Extent:
    """How much a rule's job reads.

    Parameters
    ----------
    study
        As resolved; its images are listed where the job reads them all.
    rule, wildcards
        Of the job.
    """
    experiment = wildcards.get("light") or wildcards.get("experiment")
    methods, values = 1, 0
    if experiment is not None:
        methods, values = len(study.evaluation.methods(experiment)), _values(study, experiment)
    elif rule in _OF_ALL_METHODS:
        methods = len(study.methods)
    return Extent(
        models=1 if rule in _OF_ONE_MODEL else len(study.models),
        methods=methods,
        images=_images(study, wildcards.get("range"), experiment),
        roles=len(study.config.roles),
        measures=len(study.measures),
        draws=study.config.compare.draws,
        pixels=max(1.0, (study.config.compare.grid / MEASURED_GRID) ** 2),
        values=values,
    )


def _images(study: ResolvedStudy, name: str | None, experiment: str | None) -> int:
    if name is not None:
        return len(parse_range(name))
    return len(study.images) if experiment is None else study.evaluation.count(experiment)


def _values(study: ResolvedStudy, experiment: str) -> int:
    """Values that an experiment gives of a map, all variants together."""
    found = study.evaluation.experiments[experiment]
    each = sum(CURVE if one.over else 1 for one in found.experiment.measures)
    # Curves over variants begin with the original.
    return each * (len(found.points) + 1 if found.points else 1)
