"""Build a classifier from its specification and its weights file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.data import resolve_data_config
from torch import Tensor, nn

from sightline.errors import SightlineError, unknown
from sightline.images.geometry import INTERPOLATIONS
from sightline.models.classifier import Classifier
from sightline.models.digest import file_digest
from sightline.models.preprocessing import Preprocessing


def load_classifier(
    spec: dict[str, Any],
    weights: Path | None = None,
    *,
    sha256: str | None = None,
    device: str = "cpu",
    batch_size: int = 32,
) -> Classifier:
    """Build a classifier.

    Parameters
    ----------
    spec
        A model's resolved specification, see `sightline.study.resolve.resolve_model`.
    weights
        Its weights file. Without one the weights are random, from the
        specification's seed.
    sha256
        What the weights' digest must be.
    device
        ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
    batch_size
        The most images at a time.

    Raises
    ------
    SightlineError
        For an unknown model, arguments it does not take, or weights that are
        damaged or do not fit.
    """
    where = chosen_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec["seed"])
        module = _create(spec["name"], spec["args"])
        if weights is None:
            _wake_head(module)
    if weights is not None:
        _load_weights(module, weights, spec["name"], sha256)
    module.eval().to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(
        module,
        _preprocessing(module, spec),
        name=spec["name"],
        device=where,
        batch_size=batch_size,
        layer_name=spec["layer"],
    )


def chosen_device(device: str) -> torch.device:
    """The device of a name; ``auto`` is a GPU if there is one."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise SightlineError("device is cuda, but torch sees no GPU here. Use auto or cpu.")
    return torch.device("cuda" if device != "cpu" and available else "cpu")


def _create(name: str, args: dict[str, Any]) -> nn.Module:
    if not timm.is_model(name):
        raise unknown("timm model", name.partition(".")[0], timm.list_models())
    try:
        module: nn.Module = timm.create_model(name, pretrained=False, **args)
    except (TypeError, RuntimeError, ValueError) as error:
        raise SightlineError(f"timm cannot make {name} with args {args}: {error}") from error
    return module


def _wake_head(module: nn.Module) -> None:
    """Draw the classifying layer's weights where they are zero.

    Some architectures start with a head of zeros: every score, and with it
    every explanation of the untrained model, would be zero.
    """
    find_head: Any = getattr(module, "get_classifier", lambda: None)
    head = find_head()
    for layer in head.modules() if isinstance(head, nn.Module) else ():
        if isinstance(layer, nn.Linear | nn.Conv2d) and not layer.weight.any():
            layer.reset_parameters()


def _load_weights(module: nn.Module, path: Path, name: str, sha256: str | None) -> None:
    if not path.is_file():
        raise SightlineError(f"Model {name}: the weights file {path} does not exist.")
    if sha256 is not None and (found := file_digest(path)) != sha256:
        raise SightlineError(
            f"Model {name}: {path} has the SHA-256 {found[:16]}..., expected {sha256[:16]}.... "
            "The file is damaged or was changed: restore it, or delete its .sha256 file."
        )
    state = _read_state(path, name)
    own = module.state_dict()
    missing = sorted(own.keys() - state.keys())
    extra = sorted(state.keys() - own.keys())
    shapes = [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
        for key in sorted(own.keys() & state.keys())
        if own[key].shape != state[key].shape
    ]
    problems = [
        f"{len(found)} {what}: {', '.join(found[:4])}{', ...' if len(found) > 4 else ''}"
        for what, found in (
            ("keys are missing", missing),
            ("keys are not the model's", extra),
            ("shapes differ", shapes),
        )
        if found
    ]
    if problems:
        raise SightlineError(
            f"Model {name}: the weights in {path} do not fit.\n  " + "\n  ".join(problems) + "\n"
            "Check the model's name and args (num_classes, img_size)."
        )
    module.load_state_dict({key: value.to(own[key].dtype) for key, value in state.items()})


def _read_state(path: Path, name: str) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError, RuntimeError) as error:
        raise SightlineError(f"Model {name}: {path} cannot be read: {error}") from error
    except Exception as error:
        # torch raises pickle.UnpicklingError, from several modules, for what would run code.
        if "UnpicklingError" not in type(error).__name__:
            raise
        raise SightlineError(
            f"Model {name}: {path} is a pickle that needs code to load, which could do anything. "
            "Save its state_dict, best as .safetensors."
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(one, Tensor) for one in state.values()):
        raise SightlineError(f"Model {name}: {path} holds no state_dict of tensors.")
    return {key.removeprefix("module."): value for key, value in state.items()}


def _preprocessing(module: nn.Module, spec: dict[str, Any]) -> Preprocessing:
    # A model made for another image size says so in its arguments alone.
    made_for = {key: value for key, value in spec["args"].items() if key == "img_size"}
    own = resolve_data_config(made_for, model=module)
    given = {key: value for key, value in spec["input"].items() if value is not None}
    size = tuple(given.get("size", own["input_size"][1:]))
    interpolation = given.get("interpolation", own["interpolation"])
    if interpolation not in INTERPOLATIONS:
        raise SightlineError(
            f"Model {spec['name']} resizes by {interpolation!r}, expected one of "
            f"{', '.join(INTERPOLATIONS)}. Set input.interpolation."
        )
    if spec["geometry"] == "model" and own["crop_mode"] != "center":
        raise SightlineError(
            f"Model {spec['name']} crops by {own['crop_mode']!r}, which is not supported. "
            "Use geometry: squash."
        )
    return Preprocessing(
        size=(size[0], size[1]),
        mean=tuple(given.get("mean", own["mean"])),
        std=tuple(given.get("std", own["std"])),
        interpolation=interpolation,
        crop_pct=given.get("crop_pct", own["crop_pct"]),
        geometry=spec["geometry"],
    )
