"""Build a classifier from its specification and its weights file."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.errors import SightlineError
from sightline.models.checkpoint import class_counts, fit, read_state, without_prefixes
from sightline.models.classes import read_classes
from sightline.models.classifier import Classifier
from sightline.models.digest import file_digest
from sightline.models.names import ModelName, parse_name
from sightline.models.precision import Precision
from sightline.models.preprocessing import Preprocessing
from sightline.models.sources import make_module, own_input

# What says that a job has a GPU: SLURM in a job and in a step of it, profiles/gpus/with-gpu.
GIVEN = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SIGHTLINE_GPU")


def load_classifier(
    spec: dict[str, Any],
    weights: Path | None = None,
    *,
    sha256: str | None = None,
    device: str = "cpu",
    batch_size: int = 0,
    precision: Precision = "float32",
) -> Classifier:
    """Build a classifier.

    Parameters
    ----------
    spec
        A model's resolved specification, see `sightline.study.models.resolve_model`.
    weights
        Its weights file: fetched for it, where the specification says
        ``pretrained``, or a checkpoint. Without one the weights are random,
        from the specification's seed, or a factory's own.
    sha256
        What the weights' digest must be.
    device
        ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one; there must
        be where the job was given one.
    batch_size, precision
        As for `sightline.models.classifier.Classifier`.

    Raises
    ------
    SightlineError
        For an unknown model, arguments it does not take, weights that are
        damaged or do not fit, or a GPU that is not there.
    """
    where = chosen_device(device)
    name = parse_name(spec["name"])
    fetched = spec.get("pretrained", False)
    if fetched and weights is None:
        raise SightlineError(f"Model {spec['name']}: its fetched weights file is missing.")
    if weights is not None:
        _check_digest(weights, spec["name"], sha256)
    if weights is None or fetched:
        module = _seeded(spec, name, spec["args"], weights)
    else:
        module = _with_checkpoint(spec, name, weights)
    _check_classes(spec, name, module)
    module.eval().to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(
        module,
        _preprocessing(own_input(module, name, spec["args"]), spec),
        name=spec["name"],
        device=where,
        batch_size=batch_size,
        precision=precision,
        task=spec.get("task", "single"),
        layer_name=spec["layer"],
    )


def chosen_device(device: str) -> torch.device:
    """The device of a name; ``auto`` is a GPU if there is one, and never less than was given.

    Raises
    ------
    SightlineError
        Where torch sees no GPU, but the device is ``cuda``, or the job was given one.
    """
    if device == "cpu" or torch.cuda.is_available():
        return torch.device("cpu" if device == "cpu" else "cuda")
    given = [f"{name}={os.environ[name]}" for name in GIVEN if os.environ.get(name)]
    unseen = f"torch {torch.__version__} sees none on {socket.gethostname()}"
    if given:
        raise SightlineError(
            f"This job was given a GPU ({given[0]}), but {unseen}: the job would hold the GPU and "
            "compute on a CPU. Either torch is one without CUDA, or the driver is too old for it "
            "or broken here: `nvidia-smi` says. Where a CPU is what you want, say `device: cpu` "
            "and ask for no GPU."
        )
    if device == "cuda":
        raise SightlineError(
            f"The study says `device: cuda`, which needs a GPU, but {unseen}. Say `device: auto` "
            "or `cpu`, or run where there is one; `nvidia-smi` says whether the driver sees it."
        )
    return torch.device("cpu")


def _seeded(
    spec: dict[str, Any], name: ModelName, args: dict[str, Any], fetched: Path | None = None
) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec["seed"])
        module = make_module(name, args, fetched)
        if fetched is None and name.source != "factory":
            _wake_head(module)
        return module


def _check_digest(path: Path, name: str, sha256: str | None) -> None:
    if not path.is_file():
        raise SightlineError(f"Model {name}: the weights file {path} does not exist.")
    if sha256 is not None and (found := file_digest(path)) != sha256:
        raise SightlineError(
            f"Model {name}: {path} has the SHA-256 {found[:16]}..., expected {sha256[:16]}.... "
            "The file is damaged or was changed: restore it, or delete its .sha256 file."
        )


def _with_checkpoint(spec: dict[str, Any], name: ModelName, path: Path) -> nn.Module:
    """A module with a checkpoint's weights, and its number of classes where none is asked for."""
    module = _seeded(spec, name, spec["args"])
    own = module.state_dict()
    state = without_prefixes(read_state(path, spec["name"]), own)
    counts = class_counts(state, own)
    if counts and name.source in ("timm", "torchvision") and "num_classes" not in spec["args"]:
        module = _seeded(spec, name, spec["args"] | {"num_classes": counts[0]})
    fit(module, state, path, spec["name"])
    return module


def _check_classes(spec: dict[str, Any], name: ModelName, module: nn.Module) -> None:
    classes = read_classes(spec["classes"])
    if classes is None:
        return
    count = getattr(module, "num_classes", None)
    if count is None and name.source == "torchvision":
        count = getattr(_last_layer(module), "out_features", None)
    if isinstance(count, int) and count != len(classes):
        raise SightlineError(
            f"Model {spec['name']} has {count} outputs, its classes name {len(classes)}. "
            "Name every output once, in the model's order, or use the weights that belong to them."
        )


def _last_layer(module: nn.Module) -> nn.Module | None:
    layers = [one for one in module.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    return layers[-1] if layers else None


def _wake_head(module: nn.Module) -> None:
    """Draw the classifying layer's weights where they are zero.

    Some architectures start with a head of zeros: every score, and with it
    every explanation of the untrained model, would be zero.
    """
    find_head: Any = getattr(module, "get_classifier", lambda: _last_layer(module))
    head = find_head()
    for layer in head.modules() if isinstance(head, nn.Module) else ():
        if isinstance(layer, nn.Linear | nn.Conv2d) and not layer.weight.any():
            layer.reset_parameters()


def _preprocessing(own: Preprocessing | None, spec: dict[str, Any]) -> Preprocessing:
    given = {key: value for key, value in spec["input"].items() if value is not None}
    given |= {key: tuple(given[key]) for key in ("size", "mean", "std") if key in given}
    if own is not None:
        return replace(own, **given, geometry=spec["geometry"])
    missing = [f"input.{key}" for key in ("size", "mean", "std") if key not in given]
    if missing:
        raise SightlineError(
            f"Model {spec['name']} does not say how images become its input: set "
            f"{', '.join(missing)}."
        )
    return Preprocessing(**given, geometry=spec["geometry"])
