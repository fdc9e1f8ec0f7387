"""A model as a person in a notebook has it: a name, a specification, or the module itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.errors import SightlineError
from sightline.images.geometry import Geometry
from sightline.jobs.named import load_named
from sightline.models.classes import IMAGENET, Classes, read_classes
from sightline.models.classifier import Classifier
from sightline.models.names import parse_name
from sightline.models.preprocessing import Preprocessing, Preset, from_preset
from sightline.models.sources import timm_input
from sightline.models.state import unwrapped
from sightline.models.vision import weights_of
from sightline.notebook.pictures import Picture, stretched

_NEEDS = (
    "Give preprocessing=: torchvision's weights or weights.transforms(), or "
    "sightline.models.preprocessing.Preprocessing(size, mean, std). Or give the normalised input "
    "itself, as a tensor."
)
# Tags of timm end with what was learned last, and perhaps the images' size.
_IN1K = re.compile(r"in1k(_\d+)?$")


@dataclass(frozen=True)
class Wanted:
    """What a person says of a model besides the model; None leaves it to the model."""

    classes: str | Path | Sequence[str] | None = None
    weights: str | Path | None = None
    pretrained: bool = True
    preprocessing: Any = None
    geometry: Geometry | None = None
    layer: str | None = None
    device: str | None = None


def find_classifier(
    model: Any, picture: Picture, wanted: Wanted
) -> tuple[Classifier, Classes | None]:
    """The classifier that is meant, and the names of its outputs where they are known.

    A module that is held is left as it was: its state is borrowed by the
    classifier's calls alone.

    Raises
    ------
    SightlineError
        For what is no model, or cannot be run as it is.
    """
    if isinstance(model, nn.Module):
        return _held(model, picture, wanted)
    if isinstance(model, str):
        model = {"name": model}
    if not isinstance(model, Mapping):
        raise SightlineError(
            f"model is a {type(model).__name__}: expected a name such as 'resnet18', a "
            "specification as in a configuration, or a torch module."
        )
    return _named(dict(model), picture, wanted)


def _named(given: dict[str, Any], picture: Picture, wanted: Wanted) -> tuple[Classifier, Any]:
    if not given.get("name"):
        raise SightlineError(f"model has no name: got {given}.")
    if wanted.device not in (None, "auto", "cpu", "cuda"):
        raise SightlineError(f"device is {wanted.device!r}: expected auto, cpu or cuda.")
    # What is said twice is said by the argument.
    given |= {
        key: str(value) if isinstance(value, Path) else value
        for key in ("classes", "weights", "geometry", "layer")
        if (value := getattr(wanted, key)) is not None
    }
    given |= {} if wanted.pretrained else {"pretrained": False}
    resolved, classifier = load_named(given, wanted.device or "auto")
    own = _as_preprocessing(wanted.preprocessing) or classifier.preprocessing
    classifier.preprocessing = _fitted(own, picture, wanted)
    names = resolved.spec["classes"]
    if names is None and resolved.fetched:
        name = parse_name(resolved.spec["name"])
        if name.source == "torchvision":
            names = weights_of(name).meta.get("categories")
        elif _is_imagenet(classifier.module):
            names = IMAGENET
    return classifier, read_classes(names)


def _held(module: nn.Module, picture: Picture, wanted: Wanted) -> tuple[Classifier, Any]:
    module = unwrapped(module)  # a wrapper says nothing of what it wraps
    config: Mapping[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    name = str(config.get("architecture") or type(module).__name__)
    if wanted.weights is not None or not wanted.pretrained:
        raise SightlineError(
            f"{name} is a module that has its weights: weights and pretrained are for names."
        )
    own = _as_preprocessing(wanted.preprocessing)
    if own is None:
        own = timm_input(module)
    if own is None:
        if picture.tensor is None:
            raise SightlineError(f"{name} says nothing of its preprocessing. {_NEEDS}")
        own = stretched(picture.tensor)
    classifier = Classifier(
        module,
        _fitted(own, picture, wanted),
        name=name,
        device=_device(module, name, wanted.device),
        layer_name=wanted.layer,
    )
    names = wanted.classes
    if names is None:  # torchvision's weights know them
        names = (getattr(wanted.preprocessing, "meta", None) or {}).get("categories")
    return classifier, read_classes(str(names) if isinstance(names, Path) else names)


def _as_preprocessing(given: Any) -> Preprocessing | None:
    if given is None or isinstance(given, Preprocessing):
        return given
    if callable(make := getattr(given, "transforms", None)):  # torchvision's weights themselves
        given = make()
    if isinstance(given, Preset):
        return from_preset(given)
    raise SightlineError(f"preprocessing is a {type(given).__name__}, which is not known. {_NEEDS}")


def _fitted(own: Preprocessing, picture: Picture, wanted: Wanted) -> Preprocessing:
    """The preprocessing with the geometry that is wanted, at the size that is given."""
    if picture.tensor is not None:
        if wanted.geometry is not None:
            raise SightlineError(
                f"geometry is {wanted.geometry!r}, but image is a tensor, which is taken as it is."
            )
        return replace(own, size=(picture.tensor.shape[-2], picture.tensor.shape[-1]))
    return own if wanted.geometry is None else replace(own, geometry=wanted.geometry)


def _device(module: nn.Module, name: str, wanted: str | None) -> torch.device:
    """Where a module lies; it is not moved."""
    tensors = [*module.parameters(), *module.buffers()]
    devices = {tensor.device for tensor in tensors} or {torch.device("cpu")}
    if len(devices) > 1 or "meta" in {device.type for device in devices}:
        found = ", ".join(sorted(map(str, devices)))
        raise SightlineError(f"{name} lies on {found}: expected all of it on one real device.")
    (device,) = devices
    if wanted not in (None, "auto", device.type, str(device)):
        raise SightlineError(
            f"{name} lies on {device}, device is {wanted}: a module that you hold is not moved. "
            f"Move it yourself, or leave device out."
        )
    odd = {tensor.dtype for tensor in tensors if tensor.is_floating_point()} - {torch.float32}
    if odd:
        raise SightlineError(
            f"{name} holds weights of {', '.join(sorted(map(str, odd)))}: expected torch.float32. "
            "Explain a copy: copy.deepcopy(model).float()."
        )
    return device


def _is_imagenet(module: nn.Module) -> bool:
    """Whether timm's weights of a model are for the 1,000 classes of ImageNet."""
    config: Mapping[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    trained_on = str(config.get("tag") or "")
    return _IN1K.search(trained_on) is not None and getattr(module, "num_classes", None) == 1000
