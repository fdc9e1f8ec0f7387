"""Methods asked for together share the passes that they have in common."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explaining import GRADIENT_CAMS, SEEDS, TARGETS, run
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.sharing import sharing


def test_cams_of_one_layer_take_one_pass(
    classifier: Classifier, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {name: run(name, classifier, images, depth=1.0).maps for name in GRADIENT_CAMS}
    forward, passes = Classifier.forward, []

    def counted(self: Classifier, batch: Tensor) -> Tensor:
        passes.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(Classifier, "forward", counted)
    shared = sharing(classifier)
    for name in GRADIENT_CAMS:
        assert torch.equal(run(name, shared, images, depth=1.0).maps, expected[name])
    assert passes == [3]


def test_another_layer_image_class_or_model_is_another_pass(
    classifiers: dict[str, Classifier], images: Tensor
) -> None:
    shared = sharing(classifiers["cnn"])
    gradcam, how = CATALOGUE["gradcam"].load(), CATALOGUE["gradcam"].settings
    asked = {
        "first": (images, TARGETS, how(relu=False)),
        "layer": (images, TARGETS, how(relu=False, depth=0.5)),
        "class": (images, TARGETS.flip(0), how(relu=False)),
        "image": (images.flip(0), TARGETS, how(relu=False)),
        "again": (images, TARGETS, how(relu=False)),
    }
    found = {name: gradcam(shared, *one[:2], SEEDS, one[2]).maps for name, one in asked.items()}
    for name, one in asked.items():
        fresh = gradcam(classifiers["cnn"], *one[:2], SEEDS, one[2]).maps
        assert torch.equal(found[name], fresh)
    # An image that is changed in place is another one.
    changed = images.clone()
    gradcam(shared, changed, TARGETS, SEEDS, how())
    changed += 1
    after = gradcam(shared, changed, TARGETS, SEEDS, how()).maps
    assert torch.equal(after, gradcam(classifiers["cnn"], changed, TARGETS, SEEDS, how()).maps)
