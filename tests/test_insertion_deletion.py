"""Insertion and deletion against a loop over steps, and models whose best order is known."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from cases import case_of, measured, numbers
from explaining import TARGETS, linear
from sightline.evaluate.catalogue import find_experiment
from sightline.evaluate.catalogue.removal import InsertionDeletion
from sightline.evaluate.experiments.ranked import ranks_of_pixels, values_of_pixels
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier

FILLS = ("zero", "blur", "mean", "infill")


def distinct(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Maps without equal values."""
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(side * side).reshape(side, side) for _ in range(count)]
    return np.stack(drawn) - side * side / 3


def filled(fill: str, image: np.ndarray, hidden: np.ndarray, how: Any) -> np.ndarray:
    """What one image (3, H, W) becomes, by numpy alone where OpenCV is not what is asked for."""
    mean, std = (np.array(one)[:, None, None] for one in (how.mean, how.std))
    if fill == "zero":
        content = np.zeros_like(image)
    if fill == "mean":
        content = np.broadcast_to(image.mean(axis=(1, 2), keepdims=True), image.shape)
    if fill == "blur":
        kernel = np.zeros((11, 11))
        kernel[5, 5] = 1
        kernel = gaussian_filter(kernel, 5)
        height, width = image.shape[1:]
        padded = np.pad(image, ((0, 0), (5, 5), (5, 5)))
        content = sum(
            kernel[i, j] * padded[:, i : i + height, j : j + width]
            for i in range(11)
            for j in range(11)
        )
    if fill == "infill":
        if hidden.all():
            return np.zeros_like(image)
        picture = np.round((image * std + mean).clip(0, 1) * 255).astype(np.uint8)
        found = cv2.inpaint(
            np.ascontiguousarray(picture.transpose(1, 2, 0)),
            hidden.astype(np.uint8),
            3,
            cv2.INPAINT_TELEA,
        )
        content = (found.transpose(2, 0, 1) / 255 - mean) / std
    return np.where(hidden, content, image)


def by_steps(
    classifier: Classifier,
    image: np.ndarray,
    target: int,
    saliency: np.ndarray,
    step: int,
    fill: str,
    mode: str,
) -> np.ndarray:
    """The reference's loop: so many pixels more at a time, one pass after the other."""

    def probability(shown: np.ndarray) -> float:
        given = torch.from_numpy(shown[None].astype(np.float32))
        with torch.no_grad():
            scores = classifier.module(given)[0].double().numpy()
        scores = np.exp(scores - scores.max())
        return float(scores[target] / scores.sum())

    order = np.flip(np.argsort(saliency.ravel()))
    changed = np.zeros(saliency.size, bool)
    found = []
    for i in range(len(order) // step + 1):
        hidden = (changed if mode == "deletion" else ~changed).reshape(saliency.shape)
        found.append(probability(filled(fill, image, hidden, classifier.preprocessing)))
        changed[order[i * step : (i + 1) * step]] = True
    return np.array(found)


def area(scores: np.ndarray) -> float:
    return float((scores.sum() - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1))


@pytest.mark.parametrize("fill", FILLS)
def test_is_the_references_loop(fill: str, classifier: Classifier, images: Tensor) -> None:
    maps, steps = distinct(3, 96), 24
    found = measured(
        "insertion_deletion",
        case_of(classifier, images, TARGETS, maps),
        steps=steps,
        deletion=fill,
        insertion=fill,
        points=steps + 1,
    )
    for row in range(3):
        for mode in ("deletion", "insertion"):
            image, target = images[row].numpy().astype(np.float64), int(TARGETS[row])
            expected = by_steps(classifier, image, target, maps[row], 96 * 96 // steps, fill, mode)
            curve = found[f"{mode}_curve"]
            np.testing.assert_allclose(curve.values[row], expected, atol=1e-5)
            np.testing.assert_allclose(found[mode][row], area(expected), atol=1e-5)
            np.testing.assert_allclose(curve.x, np.arange(steps + 1) / steps)


def test_a_coarse_map_is_enlarged_bilinearly(classifier: Classifier, images: Tensor) -> None:
    coarse = np.random.default_rng(1).standard_normal((3, 5, 6)).astype(np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None], (96, 96), mode="bilinear"
    )
    case = case_of(classifier, images, TARGETS, coarse)
    found = measured("insertion_deletion", case, steps=8, points=9)
    for row in range(3):
        image, target = images[row].numpy().astype(np.float64), int(TARGETS[row])
        for mode, fill in (("deletion", "zero"), ("insertion", "blur")):
            expected = by_steps(classifier, image, target, large[0, row].numpy(), 1152, fill, mode)
            # Outermost pixels are constant: their order is drawn.
            np.testing.assert_allclose(found[f"{mode}_curve"].values[row], expected, atol=2e-2)


def test_steps_need_not_divide_the_image(weights: Tensor, pictures: Tensor) -> None:
    """Of 768 pixels in 7 steps each has 109 or 110, as many in all as there are."""
    classifier, maps = linear(weights, torch.zeros(8)), np.random.default_rng(0).random((3, 24, 32))
    case = case_of(classifier, pictures, TARGETS, maps)
    found = measured("insertion_deletion", case, steps=7, points=8)["deletion_curve"]
    for row in range(3):
        order = np.argsort(-maps[row].ravel())
        for step, count in enumerate([0, 110, 219, 329, 439, 549, 658, 768]):
            left = pictures[row].flatten(1).clone()
            left[:, order[:count].copy()] = 0
            scores = classifier.scores(left.reshape(1, 3, 24, 32), "probability")
            assert found.values[row, step] == pytest.approx(
                float(scores[0, TARGETS[row]]), abs=1e-6
            )


def small() -> tuple[Classifier, Tensor, np.ndarray]:
    """A linear model of nine pixels, an image, and what each pixel adds to the margin."""
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(2, 3, 3, 3, generator=generator)
    image = torch.randn(1, 3, 3, 3, generator=generator)
    adds = ((weights[1] - weights[0]) * image[0]).sum(0)
    return linear(weights, torch.tensor([0.3, -0.2])), image, adds.numpy()


def left_by_subset(adds: np.ndarray) -> list[np.ndarray]:
    """By how many pixels are deleted: the probability left, for every choice of them."""
    flat = adds.ravel().astype(np.float64)
    margins = [
        np.array([flat.sum() - flat[list(one)].sum() for one in combinations(range(9), count)])
        for count in range(10)
    ]
    return [1 / (1 + np.exp(0.5 - margin)) for margin in margins]


def test_the_true_ranking_of_a_linear_model_has_the_lowest_deletion() -> None:
    classifier, image, adds = small()
    best = area(np.array([one.min() for one in left_by_subset(adds)]))
    worst = area(np.array([one.max() for one in left_by_subset(adds)]))
    case = case_of(
        classifier, image.repeat(2, 1, 1, 1), torch.tensor([1, 1]), np.stack([adds, -adds])
    )
    found = measured("insertion_deletion", case, steps=9, insertion="zero")
    np.testing.assert_allclose(found["deletion"], [best, worst], atol=1e-6)
    np.testing.assert_allclose(found["insertion"], [worst, best], atol=1e-6)


@pytest.mark.parametrize("kind", ["flat", "random"])
def test_what_says_nothing_has_the_mean_of_all_orders(kind: str) -> None:
    """A flat map, whose ties are drawn, and the random control, whose values are."""
    classifier, image, adds = small()
    subsets = left_by_subset(adds)
    assert [len(one) for one in subsets] == [comb(9, count) for count in range(10)]
    expected = area(np.array([one.mean() for one in subsets]))
    count = 600
    many, targets = image.expand(count, -1, -1, -1), torch.ones(count, dtype=torch.int64)
    maps = np.full((count, 1, 1), 0.7)
    if kind == "random":
        control = CATALOGUE["random"]
        drawn = control.load()(classifier, many, targets, range(count), control.settings(cells=3))
        maps = drawn.maps.numpy()
    case = case_of(classifier, many, targets, maps)
    found = measured("insertion_deletion", case, steps=9, insertion="zero")
    for mode in ("deletion", "insertion"):
        error = found[mode].std() / np.sqrt(count)
        assert 0 < error < 0.02
        assert abs(found[mode].mean() - expected) < 3 * error


def test_equal_values_are_not_taken_in_the_order_of_rounding() -> None:
    """A constant map enlarged is constant but for rounding, whatever its constant."""
    classifier, _, _ = small()
    images, targets = torch.zeros(2, 3, 31, 31), torch.zeros(2, dtype=torch.int64)
    maps = np.stack([np.full((7, 7), 0.1), np.full((7, 7), -3e-30)])
    case = case_of(classifier, images, targets, maps)
    values = values_of_pixels(case, InsertionDeletion())
    assert (values[0] == 1).all()
    assert (values[1] == -1).all()
    ranks = ranks_of_pixels(values, [3, 4])
    np.testing.assert_array_equal(np.sort(ranks.reshape(2, -1)), np.tile(np.arange(961), (2, 1)))
    raster = np.arange(961)
    assert max(abs(np.corrcoef(one.ravel(), raster)[0, 1]) for one in ranks) < 0.1


def test_rows_depend_neither_on_batches_nor_on_each_other(
    classifier: Classifier, images: Tensor
) -> None:
    maps = np.random.default_rng(2).integers(0, 3, (3, 7, 7))
    how: dict[str, Any] = {"steps": 5, "points": 4, "deletion": "infill"}
    whole = numbers(
        measured("insertion_deletion", case_of(classifier, images, TARGETS, maps), **how)
    )
    small_batches = Classifier(classifier.module, classifier.preprocessing, batch_size=2)
    for case in (
        case_of(small_batches, images, TARGETS, maps),
        case_of(classifier, images[1:], TARGETS[1:], maps[1:], first=1),
    ):
        found = numbers(measured("insertion_deletion", case, **how))
        np.testing.assert_allclose(found, whole[-len(found) :], atol=1e-5)


def test_settings_change_what_they_say(classifier: Classifier, images: Tensor) -> None:
    maps = np.random.default_rng(3).standard_normal((3, 96, 96))
    case = case_of(classifier, images, TARGETS, maps, scaling=("abs", "max"))

    def areas(**changed: Any) -> np.ndarray:
        found = measured("insertion_deletion", case, **{"steps": 6, **changed})
        return np.stack([found["deletion"], found["insertion"]])

    plain = areas()
    for changed in ({"sigma": 1.0}, {"kernel": 31, "sigma": 9.0}, {"insertion": "zero"}):
        np.testing.assert_allclose(areas(**changed)[0], plain[0], atol=1e-6)
        assert (abs(areas(**changed) - plain)[1] > 1e-6).all()
    assert (abs(areas(scaling="study") - plain) > 1e-6).all()
    by_magnitude = case_of(classifier, images, TARGETS, np.abs(maps))
    expected = measured("insertion_deletion", by_magnitude, steps=6)
    np.testing.assert_allclose(areas(scaling="study")[0], expected["deletion"], atol=1e-5)


def test_a_map_of_zeros_has_no_value(classifier: Classifier, images: Tensor) -> None:
    maps = distinct(3, 96)
    maps[1] = 0
    for name in ("insertion_deletion", "road", "fidelity"):
        found = numbers(measured(name, case_of(classifier, images, TARGETS, maps)))
        assert np.isnan(found[1]).all()
        assert np.isfinite(found[[0, 2]]).all()
        nothing = case_of(classifier, images, TARGETS, np.zeros((3, 7, 7)))
        assert np.isnan(numbers(measured(name, nothing))).all()


def test_passes_are_those_declared(
    classifier: Classifier, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    forward = Classifier.forward

    def counted(self: Classifier, given: Tensor) -> Tensor:
        seen.append(len(given))
        return forward(self, given)

    monkeypatch.setattr(Classifier, "forward", counted)
    for name in ("insertion_deletion", "road", "fidelity", "confidence_change"):
        seen.clear()
        measured(name, case_of(classifier, images, TARGETS, distinct(3, 96)))
        experiment = find_experiment(name)
        assert sum(seen) == 3 * experiment.cost(experiment.settings()).forward
        assert max(seen) <= classifier.batch_size
