"""One line in a notebook: where a model looks on one image.

sightline.explain("resnet18", "photo.jpg")
sightline.explain(my_module, "photo.jpg", preprocessing=weights.transforms())
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

import torch

from sightline.images.geometry import Geometry
from sightline.models.sharing import sharing
from sightline.notebook.explained import Explained
from sightline.notebook.models import Wanted, find_classifier
from sightline.notebook.pictures import read_picture
from sightline.notebook.question import ask, resolve_methods

__all__ = ["Explained", "explain"]


class _Asked(TypedDict, total=False):
    """What else `explain` takes, whatever the methods."""

    target: int | str | None
    settings: Mapping[str, Any] | None
    classes: str | Path | Sequence[str] | None
    weights: str | Path | None
    pretrained: bool
    preprocessing: Any
    geometry: Geometry | None
    layer: str | None
    seed: int
    device: str | None


@overload
def explain(model: Any, image: Any, *, method: str = ..., **asked: Unpack[_Asked]) -> Explained: ...


@overload
def explain(
    model: Any, image: Any, *, method: list[str] | tuple[str, ...], **asked: Unpack[_Asked]
) -> dict[str, Explained]: ...


def explain(
    model: Any,
    image: Any,
    *,
    method: str | list[str] | tuple[str, ...] = "gradcam",
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
) -> Explained | dict[str, Explained]:
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
        A method's id, such as ``gradcam``, ``gradcam@0.5`` or ``kernelshap``; or
        several. Class activation maps asked for together share passes.
    target
        The output to explain: None for the most probable one, a number, a
        class's name if they are known, or a role (``top2`` to ``top5``).
    settings
        Of the method; of several methods, those of each by its id.
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
        The map with its geometry, which shows itself; of several methods one
        each, by its id.

    Raises
    ------
    SightlineError
        For whatever cannot be explained, with the reason. Another method or
        layer is never taken in its stead.
    """
    chosen = resolve_methods(method, settings)
    picture = read_picture(image)
    wanted = Wanted(classes, weights, pretrained, preprocessing, geometry, layer, device)
    # Within somebody's inference_mode no gradient could be taken.
    with torch.inference_mode(False):
        classifier, names = find_classifier(model, picture, wanted)
        asked = [one.method for one in chosen.values()]
        question = ask(sharing(classifier), names, picture, target, asked)
        found = {one: question.answer(one, how, seed) for one, how in chosen.items()}
    return found[method] if isinstance(method, str) else found
