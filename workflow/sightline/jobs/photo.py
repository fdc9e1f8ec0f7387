"""Explain one photograph, without a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.images.decode import decode
from sightline.jobs.explain import check_explanation
from sightline.jobs.targets import role_targets
from sightline.maps.scaling import scale_maps
from sightline.maps.store import OK, STATUS, encode
from sightline.models.classes import read_classes
from sightline.models.load import load_classifier
from sightline.plots.overlay import Overlay, blend
from sightline.study.config import Model, validate_settings
from sightline.study.ids import seed_of
from sightline.study.resolve import resolve_method, resolve_model

_SIDE = 448


def explain_photo(
    path: Path,
    model: dict[str, Any],
    method: str,
    settings: dict[str, Any],
    output: Path,
    *,
    role: str = "predicted",
    seed: int = 0,
    device: str = "auto",
) -> str:
    """Write a photograph with its saliency map laid over it.

    Parameters
    ----------
    path
        The photograph.
    model
        A model as in a configuration's ``models``.
    method, settings
        A method's id, such as ``gradcam@0.5``, and its settings.
    output
        PNG.
    role
        Which class is explained.
    seed
        For stochastic methods.
    device
        Where to run.

    Returns
    -------
    str
        What the model sees and where the overlay is.
    """
    resolved = resolve_model("model", validate_settings("model", Model, model))
    chosen = resolve_method(method, settings)
    if resolved.fetched and not all(file.exists() for file in resolved.files):
        from sightline.models.fetch import fetch_weights

        fetch_weights(resolved.spec["name"], *resolved.files)
    try:
        picture = decode(path.read_bytes(), str(path))
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {error.strerror}.") from error
    classifier = load_classifier(resolved.spec, resolved.weights, device=device)
    images, boxes = classifier.preprocessing([picture])
    scores = classifier.scores(images, "probability")
    classes = read_classes(resolved.spec["classes"])
    targets = role_targets(role, scores, [""], classes, resolved.spec["name"])
    seeds = [seed_of(seed, resolved.spec["name"], method, path.name, role)]
    complete = chosen.method.settings.model_validate(chosen.settings)
    found = chosen.method.load()(classifier, images, targets, seeds, complete)
    check_explanation(found, 1, method)
    maps = found.maps.numpy()
    status = int(encode(maps)[2][0])
    if status != OK:
        raise SightlineError(f"{method} of {resolved.spec['name']} gives a {STATUS[status]} map.")
    scaled = scale_maps(maps, chosen.method.scaling)[0]
    overlay = Overlay(scaled, np.array(boxes[0], np.float32), "")
    side = picture.copy()
    side.thumbnail((_SIDE, _SIDE))
    mixed = Image.fromarray(blend(picture, overlay, "turbo", _SIDE)).resize(side.size)
    both = Image.new("RGB", (side.width * 2, side.height))
    both.paste(side, (0, 0))
    both.paste(mixed, (side.width, 0))
    with replacing(output) as temporary:
        both.save(temporary, "png")
    target = int(targets[0])
    name = f"output {target}" if classes is None else classes.name(target)
    return (
        f"{resolved.spec['name']} gives {name} a probability of {float(scores[0, target]):.1%}. "
        f"{chosen.method.name}: {output}"
    )
