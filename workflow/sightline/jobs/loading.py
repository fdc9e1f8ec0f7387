"""How a job has its model: from which files, on which device, in which precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.jobs.layers import read_layers
from sightline.models.classifier import Classifier
from sightline.models.load import load_classifier
from sightline.models.precision import Precision


@dataclass(frozen=True)
class Loading:
    """What a job is told of its model beside the specification.

    Attributes
    ----------
    layers
        What `sightline.jobs.layers.find_model_layers` wrote; looked for unless given.
    weights, sha256, device, precision
        As for `sightline.models.load.load_classifier`.
    """

    layers: Path | None = None
    weights: Path | None = None
    sha256: str | None = None
    device: str = "auto"
    precision: Precision = "float32"

    def classifier(self, spec: dict[str, Any]) -> Classifier:
        """The model of a resolved specification; raises as `load_classifier` does."""
        classifier = load_classifier(
            spec,
            self.weights,
            sha256=self.sha256,
            device=self.device,
            precision=self.precision,
        )
        if self.layers is not None:
            classifier.known_layers = read_layers(self.layers, classifier)
        return classifier
