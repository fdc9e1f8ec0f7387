"""The experiments of a study: their settings, ranges and variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sightline.errors import SightlineError, unknown
from sightline.evaluate.alterations import Altering, find_alteration
from sightline.evaluate.catalogue import find_experiment
from sightline.evaluate.catalogue.entry import Experiment, Settings
from sightline.methods.catalogue import CATALOGUE
from sightline.study.config import validate_settings
from sightline.study.ids import check_id
from sightline.study.methods import ResolvedMethod, resolve_method
from sightline.study.ranges import Range, cut, parse_range, range_length

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

# Methods that read no model: shown beside the study's own in every experiment.
CONTROLS = tuple(name for name, one in CATALOGUE.items() if one.control)
# Altered images that a map file keeps for pictures: however many of them figures show.
_SHOWN = 16
# Folders below maps/ that are no variants of experiments.
_TAKEN = ("original", "redrawn")


@dataclass(frozen=True)
class ResolvedExperiment:
    """An experiment with all its settings."""

    id: str
    experiment: Experiment
    settings: Settings

    @property
    def spec(self) -> dict[str, Any]:
        """What decides its results, besides maps and code."""
        given = self.settings.model_dump(mode="json")
        return {"experiment": self.experiment.name, "settings": given}

    @property
    def range_length(self) -> int:
        """Images a job takes that runs the model."""
        return range_length(self.experiment.cost(self.settings).passes)

    @property
    def variants(self) -> dict[str, dict[str, Any]]:
        """Specification of each variant by its full name."""
        return {f"{self.id}.{ending}": one.spec for ending, one in self.settings.variants.items()}

    @property
    def points(self) -> dict[str, dict[str, Any]]:
        """Of each variant its name in tables, and where on a curve it lies."""
        return {
            f"{self.id}.{ending}": {"group": one.group or ending, "x": one.x}
            for ending, one in self.settings.variants.items()
        }


class Evaluation:
    """The experiments of a study.

    Parameters
    ----------
    study
        With its models and methods resolved.

    Raises
    ------
    SightlineError
        For unknown experiments or settings, or what they need and the study has not.
    """

    def __init__(self, study: ResolvedStudy) -> None:
        self._study = study
        self.experiments = {
            name: resolve_experiment(name, given) for name, given in study.config.evaluate.items()
        }
        self.variants = {
            name: variant
            for one in self.experiments.values()
            for name, variant in one.variants.items()
        }
        for one in self.experiments.values():
            self._check(one)

    def _check(self, one: ResolvedExperiment) -> None:
        where = f"evaluate.{one.id}"
        for method in one.settings.needs_methods:
            if method not in self._study.methods:
                raise SightlineError(
                    f"{where}: {unknown('method', method, self._study.methods)} "
                    "It reads that method's maps: add it to methods."
                )
        missing = sorted(set(one.settings.needs_roles) - set(self._study.config.roles))
        if missing:
            raise SightlineError(
                f"{where}: it needs the roles {', '.join(one.settings.needs_roles)}, and the study "
                f"explains no {missing[0]}: add it to roles."
            )
        if len(self._study.config.roles) < one.settings.fewest_roles:
            raise SightlineError(
                f"{where}: it compares the maps of {one.settings.fewest_roles} classes at least: "
                "add roles, such as roles: [predicted, top2]."
            )
        for name in one.variants:
            check_id(f"variant of {where}", name)
        odd = [name for name in one.variants if name.partition(".")[0] in _TAKEN]
        if odd:
            raise SightlineError(f"{where}: {one.id} is a name of the study's own maps.")
        if one.experiment.reads != "variants":
            for name in CONTROLS:
                own = self._study.methods.get(name)
                if own is not None and own.method.name != name:
                    raise SightlineError(
                        f"methods.{name}: that is the name of a control, which is shown beside "
                        "all methods. Give the method another id."
                    )

    def reading(self, *reads: str) -> dict[str, ResolvedExperiment]:
        """The experiments that read one of these."""
        return {
            name: one for name, one in self.experiments.items() if one.experiment.reads in reads
        }

    @property
    def rankings(self) -> dict[str, dict[str, Any]]:
        """By which measures of each experiment which methods are ranked and held to controls."""
        return {
            name: {
                "measures": [one.name for one in found.experiment.measures if one.ranked],
                "references": list(found.settings.needs_methods),
                "uncontrolled": [one.name for one in found.experiment.measures if not one.controls],
            }
            for name, found in self.experiments.items()
        }

    def drawn(self, experiment: str) -> dict[str, Any]:
        """What the figure of an experiment is told."""
        entry = self.experiments[experiment].experiment
        return {
            "question": entry.question,
            "over": {one.name: one.over for one in entry.measures},
            "role": self._study.config.roles[0],
            "palette": self._study.config.figures.palette,
        }

    @property
    def by_class(self) -> list[str]:
        """The experiments that say something of each class."""
        return [name for name, one in self.experiments.items() if one.experiment.by_class]

    @property
    def told(self) -> dict[str, Any]:
        """What the page of answers is told: of which maps, what each asks, what it takes out."""
        return {
            "role": self._study.config.roles[0],
            "kinds": {name: one.experiment.kind for name, one in self.experiments.items()},
            "classes": {name: self.taken_out(name) for name in self.by_class},
        }

    def taken_out(self, experiment: str) -> str:
        """The label of what an experiment on classes takes out; empty for the image's class."""
        return self.experiments[experiment].settings.needs_objects or ""

    def drawn_by_class(self, experiment: str) -> dict[str, Any]:
        """What the figure of an experiment on classes is told."""
        return {
            "role": self._study.config.roles[0],
            "what": self.taken_out(experiment),
            "palette": self._study.config.figures.palette,
        }

    def pictured(self, experiment: str) -> list[str]:
        """Variants that a figure shows: of those that make a curve, the last."""
        points = self.experiments[experiment].points
        return list({one["group"]: variant for variant, one in points.items()}.values())

    @property
    def controls(self) -> list[str]:
        """Controls that the study has not among its own methods."""
        return [name for name in CONTROLS if name not in self._study.methods]

    def methods(self, experiment: str) -> list[str]:
        """Ids of the methods that an experiment's results are of, controls last."""
        own = list(self._study.methods)
        altered = self.experiments[experiment].experiment.reads == "variants"
        return own if altered else own + self.controls

    def count(self, experiment: str) -> int:
        """How many images an experiment takes, the first ones."""
        wanted = self.experiments[experiment].settings.images
        return min(wanted or len(self._study.images), len(self._study.images))

    def ranges(self, experiment: str) -> list[str]:
        """Names of the ranges of an experiment that runs the model."""
        return self._names(self.count(experiment), self.experiments[experiment].range_length)

    def variant_ranges(self, variant: str, method: str) -> list[str]:
        """Names of a method's ranges of altered images."""
        owner = next(one for one in self.experiments.values() if variant in one.variants)
        return self._names(self.count(owner.id), self._study.methods[method].range_length)

    def _names(self, count: int, length: int) -> list[str]:
        return [one.name for one in cut(count, length, self._study.earlier)]

    def overlapping(self, range_name: str, names: list[str]) -> list[str]:
        """Those of some ranges that share images with one."""
        wanted = parse_range(range_name)

        def meets(other: Range) -> bool:
            return other.start < wanted.stop and wanted.start < other.stop

        return [name for name in names if meets(parse_range(name))]

    def method(self, name: str) -> ResolvedMethod:
        """A method of the study, or a control with its default settings."""
        return self._study.methods.get(name) or resolve_method(name, {})

    def scaling(self, name: str) -> list[str]:
        """Steps before a method's maps, or a control's, are compared."""
        if name in self._study.methods:
            return self._study.scaling(name)
        return list(CATALOGUE[name].scaling)

    def alteration(self, variant: str) -> Altering:
        """The catalogue's entry of what a variant does."""
        return find_alteration(self.variants[variant]["alteration"])

    def variant(self, name: str) -> dict[str, Any]:
        """What the job of a variant is told."""
        return {"name": name, **self.variants[name], "shown": _SHOWN}


def resolve_experiment(experiment_id: str, given: Mapping[str, Any]) -> ResolvedExperiment:
    """Fill in an experiment's settings."""
    where = f"evaluate.{experiment_id}"
    settings = dict(given)
    try:
        entry = find_experiment(str(settings.pop("experiment", experiment_id)))
    except SightlineError as error:
        raise SightlineError(f"{where}: {error}") from error
    return ResolvedExperiment(
        experiment_id, entry, validate_settings(where, entry.settings, settings)
    )
