"""Images from which objects are taken out.

Every pixel of the model's input that shows any of the object is filled: with mid-grey
(``grey``), with the mean colour of the image's other pixels (``mean``), or from around it
(``inpainted``: Telea 2004, https://doi.org/10.1080/10867651.2004.10487596, as OpenCV has it, on
8-bit RGB). All other pixels stay as they are. Where no object is known, or nothing else is to be
seen, the image stays whole and its region is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch

from sightline.evaluate.alterations.seen import Alter, Seen
from sightline.evaluate.pixels import from_pixels
from sightline.models.classifier import Classifier

# Pixels around each that Telea's filling looks at, OpenCV's usual.
_RADIUS = 3
_GREY = 128


def prepare(classifier: Classifier, settings: Mapping[str, Any], seed: int) -> Alter:
    """How to ``fill``, of ``what`` (a label, or empty), and whether it is the ``box`` or mask."""

    def alter(seen: Seen) -> Seen:
        shown = seen.masks(settings["what"], settings["region"] == "box") > 0
        region = shown & ~shown.all(axis=(1, 2), keepdims=True)
        preprocessing = seen.classifier.preprocessing
        filled = [
            fill(image, part, settings["fill"])
            for image, part in zip(preprocessing.pixels(seen.images), region, strict=True)
        ]
        pixels = torch.from_numpy(np.stack(filled)).movedim(-1, 1).float() / 255
        inside = torch.from_numpy(region)[:, None]
        images = torch.where(inside, from_pixels(pixels, preprocessing), seen.images)
        return replace(seen, images=images.contiguous(), region=region)

    return alter


def fill(image: np.ndarray, region: np.ndarray, how: str) -> np.ndarray:
    """An image, uint8 (H, W, 3), with a region, bool (H, W), filled."""
    if not region.any():
        return image
    if how == "inpainted":
        return np.asarray(
            cv2.inpaint(image, region.astype(np.uint8), _RADIUS, cv2.INPAINT_TELEA), np.uint8
        )
    found = image.copy()
    found[region] = _GREY if how == "grey" else image[~region].mean(axis=0).round()
    return found
