"""A model's specification resolved: where it and its weights come from, nothing left open."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.errors import SightlineError, unknown
from sightline.models.names import ModelName, check_name, factory_file, parse_name
from sightline.study.config import Model

ZOO = Path("resources/zoo")
ZOO_MODELS = tuple(sorted(path.stem for path in ZOO.glob("*.json")))
FETCHED = Path("resources/weights")
LAYERS = Path("resources/layers")
# What would load weights behind the workflow's back.
_NOT_ARGS = {
    "pretrained", "weights", "checkpoint_path", "cache_dir", "pretrained_cfg",
    "pretrained_cfg_overlay",
}  # fmt: skip


@dataclass(frozen=True)
class ResolvedModel:
    """A model's specification without anything left open.

    Attributes
    ----------
    spec
        What decides its maps, besides the weights: name, args, seed, input,
        geometry, layer, classes; ``task`` where it is not ``single``;
        ``pretrained`` where its weights are fetched;
        ``source``, the digest of a factory's file.
    weights
        Its weights file; none for random weights and a factory's own.
    family
        For figures and tests; decides no map.
    fetched
        Whether the weights are downloaded.
    repository_config
        The configuration fetched with them, of a repository of the hub.
    layers
        Its layers, where they are shipped.
    """

    spec: dict[str, Any]
    weights: Path | None
    family: str
    fetched: bool
    repository_config: Path | None = None
    layers: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Its weights file, that file's digest and what was fetched with them."""
        if self.weights is None:
            return []
        beside = self.weights.with_name(self.weights.name + ".sha256")
        extra = [self.repository_config] if self.repository_config else []
        return [self.weights, beside if self.fetched else digest_file(self.weights), *extra]


def digest_file(weights: Path) -> Path:
    """Where the digest of a local file is kept: beside a shipped one, else below resources/."""
    if weights.is_relative_to(ZOO):
        return weights.with_name(weights.name + ".sha256")
    name = "_".join(part for part in weights.parts if part not in ("/", ".."))
    return Path("resources/digests") / f"{name}.sha256"


def resolve_model(
    model_id: str, model: Model, *, zoo: Path = ZOO, downloads: Path = FETCHED
) -> ResolvedModel:
    """Fill in what a model's specification leaves open.

    Parameters
    ----------
    model_id, model
        An entry of a configuration's ``models``.
    zoo, downloads
        Where shipped and fetched weights lie; a study's own are below its folder.
    """
    where = f"models.{model_id}"
    try:
        name = parse_name(model.name)
        if name.source == "zoo":
            return _resolve_zoo(model_id, name.name, model, zoo)
        check_name(name)
    except SightlineError as error:
        raise SightlineError(f"{where}.name: {error}") from error
    # A factory's arguments are its author's own.
    strange = [] if name.source == "factory" else sorted(_NOT_ARGS & model.args.keys())
    if strange:
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
    weights = _fetched_file(name, downloads) if fetched else model.weights
    return ResolvedModel(
        spec=spec,
        weights=weights,
        family=model.family or "unknown",
        fetched=fetched,
        repository_config=(
            weights.with_name("config.json") if weights and name.source == "hf-hub" else None
        ),
    )


def _fetched_file(name: ModelName, downloads: Path) -> Path:
    """Where a model's weights are fetched to: another file for each name."""
    folder = downloads / name.source
    if name.source == "hf-hub":
        return folder / name.name / "model.safetensors"
    if name.source == "torchvision":
        return folder / f"{name.name}{name.tag and '.'}{name.tag}.pth"
    return folder / f"{name.name}.safetensors"


def _spec(model: Model) -> dict[str, Any]:
    spec = model.model_dump(
        mode="json", include={"name", "args", "seed", "input", "geometry", "layer", "classes"}
    )
    # Said only where it is not the usual one: the maps of other models stay what they are.
    return spec if model.task == "single" else spec | {"task": model.task}


def _resolve_zoo(model_id: str, name: str, model: Model, zoo: Path) -> ResolvedModel:
    record = read_zoo_record(name, zoo)
    changed = {"args", "input", "weights", "classes", "seed", "task"} & model.model_fields_set
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
        weights=zoo / f"{name}.safetensors",
        family=model.family or record["family"],
        fetched=False,
        layers=None if model.layer else zoo.parent / LAYERS.name / f"{name}.json",
    )


def read_zoo_record(name: str, zoo: Path = ZOO) -> dict[str, Any]:
    """The training record of a model of the zoo."""
    path = zoo / f"{name}.json"
    if not path.exists():
        raise unknown("model of the zoo", name, (one.stem for one in zoo.glob("*.json")))
    record: dict[str, Any] = json.loads(path.read_text())
    return record
