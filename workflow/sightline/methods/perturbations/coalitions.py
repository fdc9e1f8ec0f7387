"""Show some segments of an image and hide the others, as KernelSHAP and LIME do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sightline.methods.copies import copies_of, placed
from sightline.methods.perturbations.segments import grid_segments, slic_segments
from sightline.models.state import frozen

if TYPE_CHECKING:
    from sightline.methods.catalogue.perturbations import SegmentSettings
    from sightline.models.classifier import Classifier, Score


def image_segments(
    classifier: Classifier, images: Tensor, settings: SegmentSettings
) -> list[np.ndarray]:
    """The segments of each image: int64 (H, W), numbered without gaps."""
    if settings.segments_by == "grid":
        return [grid_segments(images.shape[2], images.shape[3], settings.segments)] * len(images)
    if settings.segment_on == "rgb":
        seen = classifier.preprocessing.pixels(images)
    else:
        seen = images.movedim(1, -1).numpy()
    return [slic_segments(one, settings.segments, settings.compactness) for one in seen]


def coalition_values(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    segments: Sequence[np.ndarray],
    shown: Sequence[np.ndarray],
    score: Score = "logit",
) -> list[np.ndarray]:
    """Target scores of every coalition of every image, in batches across images.

    Parameters
    ----------
    segments
        Of each image, int64 (H, W).
    shown
        Of each image, bool (coalitions, segments): what is shown. The rest is
        zero in the model's normalised space.
    score
        ``logit``, or ``probability`` as the classifier's task has it.

    Returns
    -------
    list of ndarray
        Of each image, float64 (coalitions,).
    """
    image_of = np.repeat(np.arange(len(images)), [len(masks) for masks in shown])
    first = np.cumsum([0, *(len(masks) for masks in shown)])
    device = classifier.device
    tables = [torch.from_numpy(masks).to(device) for masks in shown]
    labels = [torch.from_numpy(found).to(device) for found in segments]
    images, targets = placed(classifier, images), targets.to(device)

    def run(part: slice) -> Tensor:
        which = image_of[part]
        rows = np.arange(part.start, part.stop) - first[which]

        def show(image: Tensor, here: slice) -> Tensor:
            of = which[here.start]
            chosen = tables[of][rows[here.start] : rows[here.stop - 1] + 1]
            return image * chosen[:, labels[of]][:, None]

        scores = classifier.forward(copies_of(images, which, show)).float()
        if score == "probability":
            scores = classifier.probabilities(scores)
        return scores.gather(1, targets[torch.from_numpy(which).to(device)][:, None]).squeeze(1)

    with frozen(classifier.module), torch.inference_mode():
        found = [values for _, values in classifier.batches(len(image_of), run)]
    return np.split(torch.cat(found).double().cpu().numpy(), first[1:-1])
