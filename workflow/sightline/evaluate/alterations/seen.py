"""What an alteration is given, and gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from sightline.images.geometry import Box
from sightline.models.classifier import Classifier


@dataclass(frozen=True)
class Seen:
    """Some images as a model sees them.

    Attributes
    ----------
    classifier
        The model.
    images
        float32 (n, 3, H, W), normalised.
    boxes
        The part of each original that they show.
    targets
        int64 (n,): the outputs that are explained, of the images as they were.
    pictures
        Gives the originals.
    masks
        Gives where objects are, float32 (n, H, W) in [0, 1], see
        `sightline.evaluate.inside.seen_mask`; zeros where that is not known. Takes a label, or an
        empty one for the objects of each image's class, and whether their boxes are meant
        instead of their masks.
    seeds
        One an image, from which alone an alteration draws: the same for every model.
    region
        Given back: which part of what is seen is altered, bool (n, H, W), where that is a part.
    """

    classifier: Classifier
    images: Tensor
    boxes: Sequence[Box]
    targets: Tensor
    pictures: Callable[[], list[Image.Image]]
    masks: Callable[[str, bool], np.ndarray]
    seeds: Sequence[int]
    region: np.ndarray | None = None


# From images as they are to the same as altered: with other images, or with another classifier
# of the same outputs. A module's ``prepare(classifier, settings, seed)`` gives it, having done
# once what is not done for each image; the seed is of the study, the model and the variant.
Alter = Callable[[Seen], Seen]
