"""A configuration resolved: every default filled in, every range named."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sightline.errors import SightlineError, unknown
from sightline.images.archive import archive_listing
from sightline.images.sources import Listed, list_source
from sightline.methods.catalogue import Method, find_method
from sightline.models.names import ModelName, check_name, factory_file, parse_name
from sightline.study.config import Model, Study, read_study, validate_settings
from sightline.study.ids import canonical_json
from sightline.study.ranges import Range, cut, earlier_counts, parse_range, range_length

ZOO = Path("resources/zoo")
ZOO_MODELS = tuple(sorted(path.stem for path in ZOO.glob("*.json")))
FETCHED = Path("resources/weights")
# What would load weights behind the workflow's back.
_NOT_ARGS = {
    "pretrained", "weights", "checkpoint_path", "cache_dir", "pretrained_cfg",
    "pretrained_cfg_overlay",
}  # fmt: skip
ROLE_PATTERN = re.compile(r"predicted|label|top[2-5]|class:\d+")


@dataclass(frozen=True)
class ResolvedModel:
    """A model's specification without anything left open.

    Attributes
    ----------
    spec
        What decides its maps, besides the weights: name, args, seed, input,
        geometry, layer, classes; ``pretrained`` where its weights are fetched;
        ``source``, the digest of a factory's file.
    weights
        Its weights file; none for random weights and a factory's own.
    family
        For figures and tests; decides no map.
    fetched
        Whether the weights are downloaded.
    repository_config
        The configuration fetched with them, of a repository of the hub.
    """

    spec: dict[str, Any]
    weights: Path | None
    family: str
    fetched: bool
    repository_config: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Its weights file, that file's digest and what was fetched with them."""
        if self.weights is None:
            return []
        beside = self.weights.with_name(self.weights.name + ".sha256")
        extra = [self.repository_config] if self.repository_config else []
        return [self.weights, beside if self.fetched else digest_file(self.weights), *extra]


@dataclass(frozen=True)
class ResolvedMethod:
    """A method with all its settings, and the images a job of it takes."""

    method: Method
    settings: dict[str, Any]
    range_length: int

    @property
    def spec(self) -> dict[str, Any]:
        """What decides its maps, besides its code."""
        return {"method": self.method.name, "settings": self.settings}


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
        self.models = {name: resolve_model(name, one) for name, one in self.config.models.items()}
        self.methods = {
            name: resolve_method(name, settings) for name, settings in self.config.methods.items()
        }
        for role in self.config.roles:
            if not ROLE_PATTERN.fullmatch(role):
                raise SightlineError(
                    f"roles: {role!r} is none of predicted, label, top2 to top5, class:<number>."
                )
        if "label" in self.config.roles:
            silent = [name for name, one in self.models.items() if one.spec["classes"] is None]
            if silent:
                raise SightlineError(
                    f"roles: label needs to know the outputs of {silent[0]}: give it classes."
                )

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
        labels = {one.label for one in found if one.label}
        for name, model in self.models.items():
            # Files and ImageNet's names are read by the jobs.
            if isinstance(classes := model.spec["classes"], list):
                strange = sorted(labels - set(classes))
                if strange:
                    raise SightlineError(
                        f"models.{name}.classes: {unknown('class', strange[0], classes)} "
                        "The labels of the images must be among them."
                    )
        return found

    @cached_property
    def _earlier(self) -> tuple[int, ...]:
        return earlier_counts(self.results)

    def ranges(self, method: str) -> list[str]:
        """Names of a method's ranges."""
        return self._names(self.methods[method].range_length)

    @property
    def prediction_ranges(self) -> list[str]:
        """Names of the ranges that predictions are made in: one pass an image."""
        return self._names(range_length(1))

    def _names(self, length: int) -> list[str]:
        return [one.name for one in cut(len(self.images), length, self._earlier)]

    def files(self, range_name: str) -> list[Path]:
        """Image files of a range that a person keeps; none for embedded sources."""
        if self.source["source"] not in ("folder", "manifest", "archive"):
            return []
        chosen: Range = parse_range(range_name)
        found = self.images[chosen.start : chosen.stop]
        return [one.path for one in found if one.path is not None]

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


def digest_file(weights: Path) -> Path:
    """Where the digest of a local file is kept: beside a shipped one, else below resources/."""
    if weights.is_relative_to(ZOO):
        return weights.with_name(weights.name + ".sha256")
    name = "_".join(part for part in weights.parts if part not in ("/", ".."))
    return Path("resources/digests") / f"{name}.sha256"


def resolve_model(model_id: str, model: Model) -> ResolvedModel:
    """Fill in what a model's specification leaves open."""
    where = f"models.{model_id}"
    try:
        name = parse_name(model.name)
        if name.source == "zoo":
            return _resolve_zoo(model_id, name.name, model)
        check_name(name)
    except SightlineError as error:
        raise SightlineError(f"{where}.name: {error}") from error
    if strange := sorted(_NOT_ARGS & model.args.keys()):
        raise SightlineError(
            f"{where}.args: {strange[0]} cannot be set there. Use weights: or pretrained:."
        )
    if model.weights is not None and not model.weights.is_file():
        raise SightlineError(f"{where}.weights: the file {model.weights} does not exist.")
    if model.weights is not None and not model.pretrained:
        raise SightlineError(
            f"{where}: it has weights and is not pretrained. Leave one of them out."
        )
    spec = _spec(model)
    fetched = model.weights is None and model.pretrained and name.source != "factory"
    if name.source == "factory":
        if not model.pretrained:
            raise SightlineError(
                f"{where}.pretrained says nothing about a factory, whose function makes the "
                "weights. Leave it out; give the function an argument for it by args."
            )
        file = factory_file(name.name)
        spec["source"] = hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file else None
    if name.source == "hf-hub" and not fetched:
        raise SightlineError(
            f"{where}: a repository of the hub comes with its own weights. For others, name the "
            "architecture: a timm model."
        )
    if fetched:
        spec["pretrained"] = True
    weights = _fetched_file(name) if fetched else model.weights
    return ResolvedModel(
        spec=spec,
        weights=weights,
        family=model.family or "unknown",
        fetched=fetched,
        repository_config=(
            weights.with_name("config.json") if weights and name.source == "hf-hub" else None
        ),
    )


def _fetched_file(name: ModelName) -> Path:
    """Where a model's weights are fetched to: another file for each name."""
    folder = FETCHED / name.source
    if name.source == "hf-hub":
        return folder / name.name / "model.safetensors"
    if name.source == "torchvision":
        return folder / f"{name.name}{name.tag and '.'}{name.tag}.pth"
    return folder / f"{name.name}.safetensors"


def _spec(model: Model) -> dict[str, Any]:
    return model.model_dump(
        mode="json", include={"name", "args", "seed", "input", "geometry", "layer", "classes"}
    )


def _resolve_zoo(model_id: str, name: str, model: Model) -> ResolvedModel:
    record = read_zoo_record(name)
    changed = {"args", "input", "weights", "classes", "seed"} & model.model_fields_set
    if changed or not model.pretrained:
        raise SightlineError(
            f"models.{model_id}: {sorted(changed) or ['pretrained']} cannot be set for a model "
            "of the zoo, whose record says them."
        )
    spec = _spec(model) | {
        "name": record["timm"],
        "args": record["args"],
        "classes": record["classes"],
        "input": model.input.model_dump(mode="json") | record["input"],
    }
    return ResolvedModel(
        spec=spec,
        weights=ZOO / f"{name}.safetensors",
        family=model.family or record["family"],
        fetched=False,
    )


def read_zoo_record(name: str) -> dict[str, Any]:
    """The training record of a model of the zoo."""
    path = ZOO / f"{name}.json"
    if not path.exists():
        raise unknown("model of the zoo", name, (one.stem for one in ZOO.glob("*.json")))
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def resolve_method(method_id: str, given: dict[str, Any]) -> ResolvedMethod:
    """Fill in a method's settings; ``gradcam@0.25`` abbreviates a depth."""
    where = f"methods.{method_id}"
    settings = dict(given)
    name, _, depth = method_id.partition("@")
    if depth and "method" not in settings:
        try:
            settings.setdefault("depth", float(depth))
        except ValueError as error:
            raise SightlineError(f"{where}: after @ a depth is expected, got {depth!r}.") from error
    method = find_method(str(settings.pop("method", name)))
    complete = validate_settings(where, method.settings, settings)
    return ResolvedMethod(
        method, complete.model_dump(mode="json"), range_length(method.cost(complete).passes)
    )


def text(value: Any) -> str:
    """A value as one parameter of a rule: Snakemake compares its text."""
    return canonical_json(value)
