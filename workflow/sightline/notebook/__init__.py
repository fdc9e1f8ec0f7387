"""One line in a notebook: where a model looks on one image.

sightline.explain("resnet18", "photo.jpg")
sightline.explain(my_module, "photo.jpg", preprocessing=weights.transforms())
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sightline.errors import SightlineError
from sightline.images.geometry import Box, Geometry
from sightline.jobs.explain import check_explanation
from sightline.jobs.targets import role_targets
from sightline.maps.store import STATUS, encode
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.catalogue.entry import Method
from sightline.models.classes import Classes
from sightline.models.classifier import Classifier
from sightline.models.state import frozen
from sightline.notebook.explained import Explained
from sightline.notebook.models import Wanted, find_classifier
from sightline.notebook.pictures import Picture, read_picture
from sightline.study.ids import seed_of
from sightline.study.resolve import ROLE_PATTERN, resolve_method

__all__ = ["Explained", "explain"]


def explain(
    model: Any,
    image: Any,
    *,
    method: str = "gradcam",
    target: int | str | None = None,
    settings: Mapping[str, Any] | None = None,
    classes: str | Path | Sequence[str] | None = None,
    weights: str | Path | None = None,
    pretrained: bool = True,
    preprocessing: Any = None,
    geometry: Geometry | None = None,
    layer: str | None = None,
    seed: int = 0,
    device: str | None = None,
) -> Explained:
    """Explain what a model answers for one image.

    Parameters
    ----------
    model
        A name or a specification as in a configuration's ``models``, or any
        torch module from images (N, 3, H, W) to scores (N, classes). A module
        is left as it was, where it was.
    image
        A file's path, a PIL image, or uint8 pixels (height, width, 3). A tensor
        (3, H, W) is taken as the model's normalised input itself.
    method
        A method's id, such as ``gradcam``, ``gradcam@0.5`` or ``kernelshap``.
    target
        The output to explain: None for the most probable one, a number, a
        class's name if they are known, or a role (``top2`` to ``top5``).
    settings
        Of the method.
    classes
        Names of the outputs: ``imagenet-1k``, a list, or a file with one a line.
    weights, pretrained
        For a name: a weights file, or False for random weights.
    preprocessing
        Instead of the model's own: a `sightline.models.preprocessing.Preprocessing`,
        or torchvision's weights or ``weights.transforms()``. A module that did not
        come from timm needs one.
    geometry
        ``squash`` (the default, but for a torchvision preset), ``model`` or ``pad``.
    layer
        The layer that class activation maps read; found unless named.
    seed
        For stochastic methods: their draws depend on it, on the model's name,
        the method's id, what the image shows, and the class's number, however
        it was asked for.
    device
        For a name: ``auto`` (the default), ``cpu`` or ``cuda``.

    Returns
    -------
    Explained
        The map with its geometry, which shows itself.

    Raises
    ------
    SightlineError
        For whatever cannot be explained, with the reason. Another method or
        layer is never taken in its stead.
    """
    if "method" in (settings or {}):
        raise SightlineError("settings names a method: name it by method=.")
    chosen = resolve_method(method, dict(settings or {}))
    picture = read_picture(image)
    wanted = Wanted(classes, weights, pretrained, preprocessing, geometry, layer, device)
    # Within somebody's inference_mode no gradient could be taken.
    with torch.inference_mode(False):
        classifier, names = find_classifier(model, picture, wanted)
        inputs, shown, box = _inputs(classifier, picture)
        probabilities = _probabilities(classifier, inputs)
        _check(classifier, names, probabilities, inputs, chosen.method)
        role = _role(target, names, classifier.name)
        targets = role_targets(role, probabilities, [""], names, classifier.name)
        number = int(targets[0])
        complete = chosen.method.settings.model_validate(chosen.settings)
        # By the class, not by how it was asked for.
        seeds = [seed_of(seed, classifier.name, method, picture.digest, f"class:{number}")]
        found = chosen.method.load()(classifier, inputs, targets, seeds, complete)
        check_explanation(found, 1, method)
        scores = (
            probabilities if chosen.method.score == "probability" else classifier.scores(inputs)
        )
        depth = getattr(complete, "depth", 1.0)
        read = classifier.layer(depth).name if chosen.method.needs_layer else None
    maps = found.maps.numpy()
    return Explained(
        map=maps[0],
        status=STATUS[int(encode(maps)[2][0])],
        box=box,
        size=(shown.height, shown.width),
        target=number,
        class_name=None if names is None else names.name(number),
        probability=float(probabilities[0, number]),
        score=float(scores[0, number]),
        score_kind=chosen.method.score,
        model=classifier.name,
        method=method,
        settings=chosen.settings,
        layer=read,
        figures={name: float(values[0]) for name, values in found.figures.items()},
        image=shown,
        scaling=chosen.method.scaling,
    )


def _inputs(classifier: Classifier, picture: Picture) -> tuple[Tensor, Image.Image, Box]:
    """The model's input (1, 3, H, W), what is drawn of it, and the part of that it covers."""
    if picture.tensor is not None:
        (pixels,) = classifier.preprocessing.pixels(picture.tensor)
        shown = Image.fromarray(pixels)
        return picture.tensor, shown, (0.0, 0.0, float(shown.width), float(shown.height))
    assert picture.rgb is not None
    inputs, (box,) = classifier.preprocessing([picture.rgb])
    return inputs, picture.rgb, box


def _probabilities(classifier: Classifier, inputs: Tensor) -> Tensor:
    found = classifier.scores(inputs, "probability")
    if not found.isfinite().all():
        raise SightlineError(
            f"{classifier.name} gives scores that are not finite: there is no class to explain."
        )
    return found


def _check(
    classifier: Classifier,
    names: Classes | None,
    probabilities: Tensor,
    inputs: Tensor,
    method: Method,
) -> None:
    """What would fail later, without saying why."""
    outputs = probabilities.shape[1]
    if names is not None and len(names) != outputs:
        raise SightlineError(
            f"{classifier.name} has {outputs} outputs, classes names {len(names)}: expected a "
            "name for each output."
        )
    if not method.needs_gradients:
        return
    with frozen(classifier.module), torch.enable_grad():
        scores = classifier.forward(inputs.to(classifier.device).clone().requires_grad_())
    if scores.grad_fn is None:
        # Layers are found by gradients too.
        without = [one for one in CATALOGUE.values() if not one.needs_gradients]
        others = ", ".join(one.name for one in without if not one.needs_layer)
        raise SightlineError(
            f"{classifier.name} computes its scores without a gradient (no_grad or detach within "
            f"its forward), and {method.name} needs one. These methods need none: {others}."
        )


def _role(target: Any, names: Classes | None, model: str) -> str:
    """The role that a target means."""
    if target is None:
        return "predicted"
    if isinstance(target, str):
        if ROLE_PATTERN.fullmatch(target) and target != "label":
            return target
        if names is None:
            raise SightlineError(
                f"target is {target!r}, but the names of the outputs of {model} are not known. "
                "Give classes=, or the output's number."
            )
        return f"class:{names.index(target)}"
    try:
        number = operator.index(target)
    except TypeError as error:
        raise SightlineError(
            f"target is a {type(target).__name__}: expected an output's number, its class's name, "
            "or None for the most probable one."
        ) from error
    if isinstance(target, bool) or number < 0:
        raise SightlineError(f"target is {target!r}: expected an output's number, 0 or above.")
    return f"class:{number}"
