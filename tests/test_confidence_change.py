"""Average drop and increase in confidence, by hand and against pytorch-grad-cam."""

from __future__ import annotations

import numpy as np
import torch
from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence
from torch import Tensor

from cases import case_of, measured
from explaining import TARGETS, linear
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing


def softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()


def test_is_what_the_shown_part_keeps(classifier: Classifier, images: Tensor) -> None:
    maps = np.random.default_rng(0).standard_normal((3, 96, 96)).astype(np.float32)
    maps[1] = np.abs(maps[1]) + 5  # shows nearly all
    found = measured("confidence_change", case_of(classifier, images, TARGETS, maps))
    mean, std = (
        np.array(one)[:, None, None]
        for one in (classifier.preprocessing.mean, classifier.preprocessing.std)
    )
    for row in range(3):
        shown = np.maximum(maps[row], 0) / maps[row].max()
        picture = (images[row].numpy() * std + mean) * shown
        part = ((picture - mean) / std).astype(np.float32)
        with torch.no_grad():
            before, after = (
                softmax(classifier.module(one[None])[0].double().numpy())[int(TARGETS[row])]
                for one in (images[row], torch.from_numpy(part))
            )
        expected = max(0.0, before - after) / before
        np.testing.assert_allclose(found["drop"][row], expected, atol=1e-5)
        assert found["increase"][row] == (after > before)


def test_is_pytorch_grad_cams_where_black_is_zero(classifier: Classifier, images: Tensor) -> None:
    """There the product is taken with the normalised image, and the drop is not relative."""
    plain = Classifier(
        classifier.module,
        Preprocessing(classifier.preprocessing.size, mean=(0.0,) * 3, std=(1.0,) * 3),
    )
    maps = np.random.default_rng(1).random((3, 96, 96)).astype(np.float32)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    found = measured("confidence_change", case_of(plain, images, TARGETS, maps))

    def probability(target: int):
        return lambda scores: scores.softmax(dim=-1)[target]

    targets = [probability(int(one)) for one in TARGETS]
    before = plain.scores(images, "probability").gather(1, TARGETS[:, None])[:, 0].numpy()
    drop = DropInConfidence()(images, maps, targets, plain.module) / before
    np.testing.assert_allclose(found["drop"], drop, atol=1e-5)
    increase = IncreaseInConfidence()(images, maps, targets, plain.module)
    np.testing.assert_array_equal(found["increase"], increase)


def test_known_answers() -> None:
    """A model of one pixel: showing it keeps all, hiding it what black is worth."""
    weights = torch.zeros(2, 3, 2, 2)
    weights[1, :, 0, 0] = torch.tensor([1.0, 2.0, -1.0])
    classifier = linear(weights, torch.tensor([0.0, 0.5]))
    how = classifier.preprocessing
    image = torch.tensor([0.9, 0.8, 0.1])[:, None, None].expand(3, 2, 2)
    mean, std = (torch.tensor(one)[:, None, None] for one in (how.mean, how.std))
    images = ((image - mean) / std).expand(4, 3, 2, 2)
    shows, hides = np.array([[1, 0], [0, 0]]), np.array([[0, 1], [1, 1]])
    maps = np.stack([shows, hides, hides, np.zeros((2, 2))])
    targets = torch.tensor([1, 1, 0, 1])
    found = measured("confidence_change", case_of(classifier, images, targets, maps))
    before, black = (
        softmax(np.array([0.0, float((weights[1, :, 0, 0] * pixel).sum()) + 0.5]))
        for pixel in (images[0, :, 0, 0], (-mean / std)[:, 0, 0])
    )
    assert before[1] > black[1]
    expected = [0, (before[1] - black[1]) / before[1], 0, np.nan]
    np.testing.assert_allclose(found["drop"], expected, atol=1e-6)
    np.testing.assert_array_equal(found["increase"], [0, 0, 1, np.nan])


def test_of_a_class_without_probability_nothing_is_lost() -> None:
    weights = torch.zeros(2, 3, 2, 2)
    classifier = linear(weights, torch.tensor([0.0, 200.0]))
    images, targets = torch.zeros(1, 3, 2, 2), torch.tensor([0])
    found = measured("confidence_change", case_of(classifier, images, targets, np.ones((1, 2, 2))))
    assert np.isnan(found["drop"]).all()
    assert found["increase"] == [0]


def test_what_speaks_against_the_class_is_not_shown() -> None:
    """Signed maps, as KernelSHAP's and LIME's are compared: nothing makes them positive."""
    weights = torch.zeros(2, 3, 2, 2)
    weights[1, :, 0, 0], weights[1, :, 1, 1] = 1.0, -1.0
    classifier = linear(weights, torch.zeros(2))
    images, targets = torch.ones(3, 3, 2, 2), torch.tensor([1, 1, 1])
    signed = np.array([[1.0, 0], [0, -2]])
    maps = np.stack([signed, signed.clip(0), -np.ones((2, 2))])
    case = case_of(classifier, images, targets, maps, scaling=("max",))
    found = measured("confidence_change", case)
    # Without the pixel that speaks against it the class is more likely, as if it were not there.
    np.testing.assert_array_equal(found["increase"], [1, 1, np.nan])
    np.testing.assert_array_equal(found["drop"], [0, 0, np.nan])
    # Scaled by magnitude the map says less of the pixel that speaks for the class.
    half = case_of(classifier, images[:1], targets[:1], signed[None], scaling=("abs", "max"))
    assert measured("confidence_change", half)["increase"] == [0]
