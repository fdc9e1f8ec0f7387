"""What a model makes of altered copies of images, in constant memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sightline.methods.copies import by_image
from sightline.models.classifier import Classifier
from sightline.models.state import frozen

# From the number of an image, and the numbers of some of its copies, int64 (c,), to these
# copies, (c, 3, H, W) where the model runs.
Copies = Callable[[int, Tensor], Tensor]


def probabilities(
    classifier: Classifier, targets: Tensor, copies: int, altered: Copies
) -> np.ndarray:
    """Probability of each image's class on copies of it.

    Parameters
    ----------
    classifier
        The model.
    targets
        int64 (n,).
    copies
        Of each image.
    altered
        Makes them, a few at a time: no more are held than the model takes at once.

    Returns
    -------
    ndarray
        float64 (n, copies).
    """
    targets = targets.to(classifier.device)

    def run(part: slice) -> Tensor:
        # Item i is copy i % copies of image i // copies.
        items = np.arange(part.start, part.stop)
        which, number = items // copies, torch.from_numpy(items % copies).to(classifier.device)
        inputs = torch.cat([altered(image, number[here]) for image, here in by_image(which)])
        scores = classifier.probabilities(classifier.forward(inputs).float())
        return scores.gather(1, targets[torch.from_numpy(which).to(targets.device)][:, None])[:, 0]

    with frozen(classifier.module), torch.inference_mode():
        total = len(targets) * copies
        found = [scores.cpu() for _, scores in classifier.batches(total, run)]
    flat = torch.cat(found) if found else torch.empty(0)
    probability: np.ndarray = flat.double().numpy().reshape(len(targets), copies)
    return probability
