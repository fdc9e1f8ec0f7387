"""What a person in a notebook asks: which class of an image, by which methods."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sightline.errors import SightlineError
from sightline.images.geometry import Box
from sightline.images.roles import parse_role
from sightline.jobs.explain import check_explanation
from sightline.jobs.targets import role_targets
from sightline.maps.store import STATUS, encode
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.catalogue.entry import Method
from sightline.models.classes import Classes
from sightline.models.classifier import Classifier
from sightline.models.state import frozen
from sightline.notebook.explained import Explained
from sightline.notebook.pictures import Picture
from sightline.study.ids import seed_of
from sightline.study.methods import ResolvedMethod, resolve_method


@dataclass(frozen=True)
class Question:
    """One class of one image.

    Attributes
    ----------
    classifier, names
        Who is asked, and the names of its outputs where they are known.
    picture
        The image.
    inputs
        As the model takes it, (1, 3, H, W).
    shown, box
        What is drawn of it, and the part of that the input covers.
    logits, probabilities
        Of all classes, (1, classes).
    targets
        The class, int64 (1,).
    """

    classifier: Classifier
    names: Classes | None
    picture: Picture
    inputs: Tensor
    shown: Image.Image
    box: Box
    logits: Tensor
    probabilities: Tensor
    targets: Tensor

    def answer(self, method: str, chosen: ResolvedMethod, seed: int) -> Explained:
        """Explain the class by one method."""
        classifier, number = self.classifier, int(self.targets[0])
        settings = chosen.method.settings.model_validate(chosen.settings)
        # By the class, not by how it was asked for.
        seeds = [seed_of(seed, classifier.name, method, self.picture.digest, f"class:{number}")]
        found = chosen.method.load()(classifier, self.inputs, self.targets, seeds, settings)
        check_explanation(found, 1, method)
        by_probability = chosen.method.score == "probability"
        scores = self.probabilities if by_probability else self.logits
        depth = getattr(settings, "depth", 1.0)
        maps = found.maps.numpy()
        return Explained(
            map=maps[0],
            status=STATUS[int(encode(maps)[2][0])],
            box=self.box,
            size=(self.shown.height, self.shown.width),
            target=number,
            class_name=None if self.names is None else self.names.name(number),
            probability=float(self.probabilities[0, number]),
            score=float(scores[0, number]),
            score_kind=chosen.method.score,
            model=classifier.name,
            method=method,
            settings=chosen.settings,
            layer=classifier.layer(depth).name if chosen.method.needs_layer else None,
            figures={name: float(values[0]) for name, values in found.figures.items()},
            image=self.shown,
            scaling=chosen.method.scaling,
        )


def ask(
    classifier: Classifier,
    names: Classes | None,
    picture: Picture,
    target: int | str | None,
    methods: Sequence[Method],
) -> Question:
    """Find the class that is meant, and refuse what would fail later without saying why."""
    inputs, shown, box = _inputs(classifier, picture)
    logits = _logits(classifier, inputs)
    probabilities = classifier.probabilities(logits)
    _check_names(classifier, names, probabilities)
    needing = [method for method in methods if method.needs_gradients]
    if needing:
        _check_gradients(classifier, inputs, needing[0])
    role = _role(target, names, classifier.name)
    targets = role_targets(role, probabilities, [""], names, classifier.name)
    return Question(classifier, names, picture, inputs, shown, box, logits, probabilities, targets)


def resolve_methods(
    method: str | Sequence[str], settings: Mapping[str, Any] | None
) -> dict[str, ResolvedMethod]:
    """Methods by their ids; of several, ``settings`` has those of each by its id."""
    settings = dict(settings or {})
    single = isinstance(method, str)
    ids = [method] if isinstance(method, str) else list(method)
    if not ids:
        raise SightlineError("method is empty: name at least one.")
    each = {ids[0]: settings} if single else settings
    strange = sorted(set(each) - set(ids))
    if strange:
        raise SightlineError(
            f"settings has {strange[0]}, which is none of the methods. Of several methods it maps "
            f"the id of each to its settings: {', '.join(ids)}."
        )
    for one in ids:
        if not isinstance(each.get(one, {}), Mapping):
            raise SightlineError(f"settings of {one}: expected a mapping, got {each[one]!r}.")
        if "method" in each.get(one, {}):
            raise SightlineError("settings names a method: name it by method=.")
    return {one: resolve_method(one, dict(each.get(one, {}))) for one in ids}


def _inputs(classifier: Classifier, picture: Picture) -> tuple[Tensor, Image.Image, Box]:
    """The model's input (1, 3, H, W), what is drawn of it, and the part of that it covers."""
    if picture.tensor is not None:
        (pixels,) = classifier.preprocessing.pixels(picture.tensor)
        shown = Image.fromarray(pixels)
        return picture.tensor, shown, (0.0, 0.0, float(shown.width), float(shown.height))
    assert picture.rgb is not None
    inputs, (box,) = classifier.preprocessing([picture.rgb])
    return inputs, picture.rgb, box


def _logits(classifier: Classifier, inputs: Tensor) -> Tensor:
    found = classifier.scores(inputs)
    if not found.isfinite().all():
        raise SightlineError(
            f"{classifier.name} gives scores that are not finite: there is no class to explain."
        )
    return found


def _check_names(classifier: Classifier, names: Classes | None, probabilities: Tensor) -> None:
    outputs = probabilities.shape[1]
    if names is not None and len(names) != outputs:
        raise SightlineError(
            f"{classifier.name} has {outputs} outputs, classes names {len(names)}: expected a "
            "name for each output."
        )


def _check_gradients(classifier: Classifier, inputs: Tensor, method: Method) -> None:
    with frozen(classifier.module), torch.enable_grad():
        scores = classifier.forward(inputs.to(classifier.device).clone().requires_grad_())
    if scores.grad_fn is None:
        # Layers are found by gradients too.
        without = [one for one in CATALOGUE.values() if not one.needs_gradients and not one.control]
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
        role = parse_role(target)
        if role is not None and role.kind != "label":
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
