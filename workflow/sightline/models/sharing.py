"""Methods that read the same layer of the same images share one pass."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from sightline.models.classifier import Classifier
from sightline.models.layers import Layer


@dataclass
class Shared:
    """What one pass found, and for what."""

    layer: Layer
    images: Tensor
    targets: Tensor
    found: list[tuple[Tensor, Tensor]]

    def answers(self, layer: Layer, images: Tensor, targets: Tensor) -> bool:
        """Whether it is what would be found."""
        return (
            self.layer == layer
            and torch.equal(self.images, images)
            and torch.equal(self.targets, targets)
        )


@dataclass
class SharingClassifier(Classifier):
    """A classifier that holds the activations and gradients it gave last, and gives them again.

    For class activation maps asked for together, of one batch after the other:
    Grad-CAM, LayerCAM and the like then take one pass of the model, not one
    each. It takes the memory of that batch's activations.
    """

    last: Shared | None = field(default=None, init=False)

    def gradients_at(
        self, layer: Layer, images: Tensor, targets: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """As `Classifier.gradients_at`. What it gives is not to be changed in place."""
        if self.last is None or not self.last.answers(layer, images, targets):
            self.last = None  # not to be held beside the next
            found = super().gradients_at(layer, images, targets)
            self.last = Shared(layer, images.clone(), targets.clone(), found)
        return self.last.found


def sharing(classifier: Classifier) -> SharingClassifier:
    """The classifier, but methods that run on it one after the other share passes."""
    own = {one.name: getattr(classifier, one.name) for one in fields(Classifier)}
    return SharingClassifier(**own)
