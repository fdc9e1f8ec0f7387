"""A configuration resolved: every default filled in, every range named."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

from sightline.compare.catalogue import find_measure
from sightline.errors import SightlineError, unknown
from sightline.images.archive import archive_listing
from sightline.images.labels import labels_of
from sightline.images.listed import Listed
from sightline.images.roles import EXPECTED, RANKED, parse_role
from sightline.images.sources import list_source
from sightline.study.config import Study, read_study, validate_settings
from sightline.study.evaluation import Evaluation
from sightline.study.experiment_images import check_experiment_images
from sightline.study.factors import check_factors
from sightline.study.fits import known_misfit
from sightline.study.ids import canonical_json
from sightline.study.methods import resolve_method
from sightline.study.models import FETCHED, digest_file, resolve_model
from sightline.study.ranges import Range, cut, earlier_counts, parse_range, range_length

# Pairs of models above which tables of them are no longer for people.
LARGEST_CSV = 10_000


class ResolvedStudy:
    """A study, checked as far as it can be without loading a model.

    Parameters
    ----------
    config
        As Snakemake or a YAML reader gives it.

    Raises
    ------
    SightlineError
        For whatever is wrong, before any job runs.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config: Study = read_study(config)
        self._cut: dict[int, list[str]] = {}
        self.models = {name: resolve_model(name, one) for name, one in self.config.models.items()}
        self.methods = {
            name: resolve_method(name, settings) for name, settings in self.config.methods.items()
        }
        self.measures = {
            name: resolve_measure(name, given, self.config.compare.grid)
            for name, given in self.config.compare.measures.items()
        }
        self._check_comparison()
        self._check_fits()
        check_factors(self.config)
        for role in self.config.roles:
            if parse_role(role) is None:
                raise SightlineError(f"roles: {role!r} is none of {EXPECTED}.")
        ranked = [role for role in self.config.roles if role in RANKED[1:]]
        several = [name for name, one in self.models.items() if "task" in one.spec]
        if ranked and several:
            raise SightlineError(
                f"roles: {ranked[0]} means nothing of {several[0]}, which is multilabel: no output "
                "is the next best answer. Use predicted, label, or class:<number>."
            )
        if "label" in self.config.roles:
            silent = [name for name, one in self.models.items() if one.spec["classes"] is None]
            if silent:
                raise SightlineError(
                    f"roles: label needs to know the outputs of {silent[0]}: give it classes."
                )
        self.evaluation = Evaluation(self)

    def _check_comparison(self) -> None:
        shown = self.config.figures.measure
        if shown is not None and shown not in self.measures:
            raise SightlineError(f"figures.measure: {unknown('measure', shown, self.measures)}")
        scaling = self.config.compare.scaling
        if isinstance(scaling, dict):
            for name in scaling:
                if name not in self.methods:
                    raise SightlineError(
                        f"compare.scaling: {unknown('method', name, self.methods)}"
                    )

    @property
    def shown_measure(self) -> str:
        """The measure that figures show."""
        return self.config.figures.measure or next(iter(self.measures))

    def scaling(self, method: str) -> list[str]:
        """Steps before a method's maps are compared."""
        given = self.config.compare.scaling
        thesis = list(self.methods[method].method.scaling)
        if isinstance(given, dict):
            return given.get(method, thesis)
        return thesis if given == "thesis" else list(given)

    @property
    def intervals(self) -> dict[str, Any]:
        """How intervals are made (`sightline.compare.bootstrap.Bootstrap`)."""
        compare = self.config.compare
        return {
            "replicates": compare.bootstrap,
            "kind": compare.interval,
            "level": compare.confidence,
            "seed": compare.seed,
        }

    @property
    def pair_tables(self) -> str:
        """The format of tables with a row a pair of models."""
        pairs = len(self.models) * (len(self.models) - 1) // 2
        return "csv" if pairs <= LARGEST_CSV else "parquet"

    def redrawn(self, method: str) -> bool:
        """Whether a method's first images are explained again with another seed."""
        return self.methods[method].method.stochastic and self.config.compare.second_seed > 0

    @property
    def redrawn_range(self) -> str:
        """The images that are explained again."""
        return Range(0, min(self.config.compare.second_seed, len(self.images))).name

    def _check_fits(self) -> None:
        """Refuse methods that are known not to explain a model of the study."""
        faults = [
            f"models.{model_id} and methods.{method_id}: {reason}"
            for model_id, model in self.models.items()
            for method_id, one in self.methods.items()
            if (reason := known_misfit(model.spec, one.method)) is not None
        ]
        if faults:
            raise SightlineError(
                "\n".join(faults)
                + "\nLeave out the model or the method, or give the method a study "
                "of its own, with models that it fits: `sightline methods --model NAME` says which "
                "methods fit a model."
            )

    @property
    def described(self) -> dict[str, dict[str, Any]]:
        """Of each model, what the study says that decides no map: family and attributes."""
        return {
            name: {"family": self.models[name].family} | dict(model.attributes)
            for name, model in self.config.models.items()
        }

    @property
    def results(self) -> Path:
        """Where everything of the study goes."""
        return Path("results") / self.config.study

    @property
    def source(self) -> dict[str, Any]:
        """The configuration's images, with every default."""
        return self.config.images.model_dump(mode="json")

    @property
    def source_spec(self) -> dict[str, Any]:
        """What decides a range's images: the source without its count."""
        return {key: value for key, value in self.source.items() if key != "count"}

    @cached_property
    def images(self) -> list[Listed]:
        """The study's images in its order; their labels are classes of every model."""
        found = list_source(self.source, self.config.seed)
        labels = {label for one in found for label in labels_of(one.label)}
        for name, model in self.models.items():
            # Files and ImageNet's names are read by the jobs.
            if isinstance(classes := model.spec["classes"], list):
                strange = sorted(labels - set(classes))
                if strange:
                    raise SightlineError(
                        f"models.{name}.classes: {unknown('class', strange[0], classes)} "
                        "The labels of the images must be among them."
                    )
        check_experiment_images(self.evaluation.experiments, self.source, found)
        return found

    @cached_property
    def earlier(self) -> tuple[int, ...]:
        """Counts that the study has been run with."""
        return earlier_counts(self.results)

    def ranges(self, method: str) -> list[str]:
        """Names of a method's ranges."""
        return self._names(self.methods[method].range_length)

    @property
    def prediction_ranges(self) -> list[str]:
        """Names of the ranges that predictions are made in: one pass an image."""
        return self._names(range_length(1))

    def _names(self, length: int) -> list[str]:
        if length not in self._cut:
            found = cut(len(self.images), length, self.earlier)
            self._cut[length] = [one.name for one in found]
        return list(self._cut[length])

    def files(self, range_name: str) -> list[Path]:
        """Files of a range that a person keeps, of images and about them; none of embedded ones."""
        if self.source["source"] in ("shapes", "photos"):
            return []
        chosen: Range = parse_range(range_name)
        found = self.images[chosen.start : chosen.stop]
        files = [file for one in found for file in (one.path, one.about) if file is not None]
        return list(dict.fromkeys(files))

    def listing(self, range_name: str) -> str:
        """A digest of a range's image ids and labels."""
        chosen = parse_range(range_name)
        found = self.images[chosen.start : chosen.stop]
        listed = canonical_json([(one.image_id, one.label) for one in found])
        return hashlib.sha256(listed.encode()).hexdigest()[:16]

    def checkpoint(self, name: str) -> Path:
        """The weights file whose digest is kept under a name."""
        for model in self.models.values():
            if model.weights is not None and digest_file(model.weights).stem == name:
                return model.weights
        raise SightlineError(f"No model of this study has weights called {name}.")

    def layers(self, model: str) -> Path:
        """Where the layers of a model are kept: shipped with it, or found once."""
        return self.models[model].layers or self.results / "layers" / f"{model}.json"

    def fetched_name(self, file: str) -> str:
        """The name of the model whose weights are fetched into a file below resources/weights."""
        for model in self.models.values():
            if model.fetched and model.weights == FETCHED / file:
                return str(model.spec["name"])
        raise SightlineError(f"No model of this study has its weights in {FETCHED / file}.")

    @property
    def downloads(self) -> list[Path]:
        """All that a study needs a network for: fetched weights, and the list of its archive."""
        found = [file for one in self.models.values() if one.fetched for file in one.files]
        if self.source["source"] == "archive":
            found.append(archive_listing(self.source))
        return found

    def check_images(self, *, downloading: bool) -> None:
        """List the images now, unless an archive of them is still being downloaded."""
        archive = self.source["source"] == "archive"
        if not (archive and downloading and not archive_listing(self.source).exists()):
            _ = self.images


def resolve_measure(measure_id: str, given: dict[str, Any], grid: int) -> dict[str, Any]:
    """Fill in a measure's settings, which must fit maps of grid x grid."""
    where = f"compare.measures.{measure_id}"
    settings = dict(given)
    try:
        entry = find_measure(str(settings.pop("measure", measure_id)))
    except SightlineError as error:
        raise SightlineError(f"{where}: {error}") from error
    complete = validate_settings(where, entry.settings, settings)
    if grid < (smallest := complete.smallest_grid):
        raise SightlineError(
            f"{where}: its settings need maps of {smallest}x{smallest} at least, but compare.grid "
            f"is {grid}: choose smaller windows or cells, or a finer grid."
        )
    return {"measure": entry.name, **complete.model_dump(mode="json")}


def text(value: Any) -> str:
    """A value as one parameter of a rule: Snakemake compares its text."""
    return canonical_json(value)
