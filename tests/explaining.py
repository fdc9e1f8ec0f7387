"""Running methods of the catalogue in tests, and comparing their maps."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from conftest import quick_settings
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.explanation import Explanation
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing

TARGETS = torch.tensor([0, 3, 5])
SEEDS = [11, 12, 13]
GRADIENT_CAMS = (
    "gradcam", "gradcam_plus_plus", "layercam", "hirescam", "xgradcam", "abscam_initial"
)  # fmt: skip
CHANNEL_CAMS = ("scorecam", "abscam_final", "ablationcam")
CAMS = (*GRADIENT_CAMS, "eigencam", *CHANNEL_CAMS, "guided_gradcam")


def run(
    name: str, classifier: Classifier, images: Tensor, which: Any = slice(None), **changed: Any
) -> Explanation:
    seeds = changed.pop("seeds", SEEDS)
    chosen = np.arange(len(images))[which]
    return CATALOGUE[name].load()(
        classifier,
        images[chosen],
        TARGETS[chosen],
        [seeds[i] for i in chosen],
        quick_settings(name, **changed),
    )


def refusal(name: str, classifier: Classifier) -> str | None:
    """Why a method cannot explain a model, or nothing."""
    module, _, function = CATALOGUE[name].fits.partition(":")
    return getattr(import_module(module), function)(classifier) if module else None


def assert_same_maps(found: Tensor, expected: Tensor) -> None:
    """To 1e-5 of each map's own maximum, as the study promises."""
    assert found.shape == expected.shape
    peaks = expected.abs().amax(dim=(1, 2))
    assert (peaks > 0).all()
    assert ((found - expected).abs().amax(dim=(1, 2)) <= 1e-5 * peaks).all()


def linear(weights: Tensor, bias: Tensor) -> Classifier:
    """A classifier whose logits are linear in the image."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(weights[0].numel(), len(weights)))
    module[1].load_state_dict({"weight": weights.flatten(1), "bias": bias})
    return Classifier(module, Preprocessing((weights.shape[2], weights.shape[3])), name="linear")
