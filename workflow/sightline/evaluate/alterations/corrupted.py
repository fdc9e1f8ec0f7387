"""Images as a transform of Albumentations leaves them, each by draws of its own.

The transform is applied to what the model sees, at its input size, as 8-bit RGB, and is always
applied (p = 1). Which there are is told by `sightline.evaluate.catalogue.corruption`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sightline.errors import SightlineError
from sightline.evaluate.alterations.seen import Alter, Seen
from sightline.evaluate.pixels import from_pixels
from sightline.models.classifier import Classifier


def prepare(classifier: Classifier, settings: Mapping[str, Any], seed: int) -> Alter:
    """The ``transform`` of a name with its ``arguments``."""
    compose = transform(settings["transform"], settings["arguments"])

    def alter(seen: Seen) -> Seen:
        preprocessing = seen.classifier.preprocessing
        changed = [
            _apply(compose, image, seed, settings["transform"])
            for image, seed in zip(preprocessing.pixels(seen.images), seen.seeds, strict=True)
        ]
        pixels = torch.from_numpy(np.stack(changed)).movedim(-1, 1).float() / 255
        return replace(seen, images=from_pixels(pixels, preprocessing).contiguous())

    return alter


def transform(name: str, arguments: Mapping[str, Any]) -> Any:
    """One transform, to be seeded before each image.

    Raises
    ------
    SightlineError
        For arguments that it does not take, or values that they cannot have.
    """
    # It asks the network for newer versions when it is imported.
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations

    try:
        with warnings.catch_warnings():
            # It warns of unknown arguments, and goes on without them. What is only to change one
            # day, its own or of what it is made with, is no error.
            warnings.simplefilter("error", UserWarning)
            one = getattr(albumentations, name)(**{"p": 1.0, **arguments})
    except (ValueError, TypeError, UserWarning) as error:
        raise SightlineError(
            f"corruption: Albumentations' {name} does not take {dict(arguments)}: {error}"
        ) from error
    return albumentations.Compose([one])


def _apply(compose: Any, image: np.ndarray, seed: int, name: str) -> np.ndarray:
    compose.set_random_seed(seed)
    found: np.ndarray = compose(image=image)["image"]
    if found.shape != image.shape or found.dtype != np.uint8:
        raise SightlineError(
            f"corruption: {name} made {found.dtype} of shape {found.shape} of an image of "
            f"{image.shape}: expected one of the same size in 8 bits."
        )
    return found
