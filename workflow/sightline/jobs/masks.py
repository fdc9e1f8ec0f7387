"""The first images of a study with the masks of their objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sightline.evaluate.inside import seen_mask
from sightline.images.geometry import Box
from sightline.images.labels import first_label
from sightline.images.objects import drawn
from sightline.images.shards import ImageRow, Shard
from sightline.models.classifier import Classifier


def images_with_masks(
    classifier: Classifier, shards: Sequence[Path], count: int
) -> tuple[list[ImageRow], Tensor, np.ndarray]:
    """The first images, as a model takes them, and where their objects are.

    Parameters
    ----------
    classifier
        Whose input they become.
    shards
        In the study's order.
    count
        How many; fewer where there are fewer.

    Returns
    -------
    rows
        What is known of each.
    images
        float32 (n, 3, H, W), normalised.
    masks
        float32 (n, H, W), see `sightline.evaluate.inside.seen_mask`: of the
        objects of the image's own (first) class, zeros where there is none. An object
        without a label is of that class.
    """
    rows: list[ImageRow] = []
    inputs, masks = [], []
    for path in shards:
        with Shard(path) as shard:
            chosen = shard.images[: count - len(rows)]
            if not chosen:
                break
            images, boxes = classifier.preprocessing([shard.image(row) for row in chosen])
            inputs.append(images)
            masks.append(seen_masks(shard, chosen, boxes, classifier.preprocessing.size))
            rows += chosen
    return rows, torch.cat(inputs), np.concatenate(masks)


def seen_masks(
    shard: Shard,
    rows: Sequence[ImageRow],
    boxes: Sequence[Box],
    size: tuple[int, int],
    *,
    label: str = "",
    boxed: bool = False,
) -> np.ndarray:
    """Where objects are on some rows' images, float32 (n, *size), as `images_with_masks` has it.

    Parameters
    ----------
    shard
        That holds the rows.
    rows
        Of images.
    boxes
        The part of each that is seen.
    size
        Height and width of what is seen.
    label
        Of the objects that are meant; the image's own (first) class unless given.
    boxed
        Whether an object is all of its box, not its mask.
    """
    found = []
    for row, box in zip(rows, boxes, strict=True):
        wanted = label or first_label(row.label)
        meant = [one for one in shard.regions(row) if one.label == wanted]
        found.append(seen_mask(drawn(meant, (row.height, row.width), boxed=boxed), box, size))
    return np.stack(found)
