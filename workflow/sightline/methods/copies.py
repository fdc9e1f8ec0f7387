"""What methods share that show altered copies of images to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from sightline.models.classifier import Classifier


def by_image(which: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Each image of a batch's copies, and where its copies lie; ``which`` does not decrease."""
    images, starts = np.unique(which, return_index=True)
    for image, start, stop in zip(images, starts, [*starts[1:], len(which)], strict=True):
        yield int(image), slice(int(start), int(stop))


def placed(classifier: Classifier, images: Tensor) -> Tensor:
    """Images where the model runs, in the layout it takes: copies made of them keep it."""
    return images.to(classifier.device, memory_format=torch.channels_last)


def copies_of(
    images: Tensor, which: np.ndarray, alter: Callable[[Tensor, slice], Tensor]
) -> Tensor:
    """A batch of altered copies.

    Parameters
    ----------
    images
        (N, 3, H, W), as `placed` gives them.
    which
        int64 (n,), the image of each copy.
    alter
        From one image (1, 3, H, W) and a part of the batch to its copies there.

    Returns
    -------
    Tensor
        (n, 3, H, W).
    """
    found = [alter(images[image : image + 1], part) for image, part in by_image(which)]
    return found[0] if len(found) == 1 else torch.cat(found)
