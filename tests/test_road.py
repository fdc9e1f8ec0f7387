"""Remove and debias against pytorch-grad-cam, and imputation where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.perturbation_confidence import (
    PerturbationConfidenceMetric,
    RemoveLeastRelevantFirst,
    RemoveMostRelevantFirst,
)
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch import Tensor

from cases import case_of, measured, numbers
from explaining import TARGETS, linear
from sightline.evaluate.experiments.imputation import impute
from sightline.evaluate.experiments.road import hidden
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing

PERCENTILES = (80, 60, 40, 20)


def maps_of(count: int, side: int) -> np.ndarray:
    generator = np.random.default_rng(4)
    drawn = [generator.permutation(side * side).reshape(side, side) for _ in range(count)]
    return np.stack(drawn).astype(np.float32) / side**2


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")  # theirs
def test_is_pytorch_grad_cams_but_for_noise(classifier: Classifier, images: Tensor) -> None:
    maps = maps_of(3, 96)
    # A percentile of pixels is rounded up there: so many are at or above it.
    counts = [int((maps[0] >= np.percentile(maps[0], one)).sum()) for one in PERCENTILES]
    removed = tuple(count / 96**2 for count in counts)
    np.testing.assert_allclose(removed, (0.2, 0.4, 0.6, 0.8), atol=1 / 96**2)
    found = measured("road", case_of(classifier, images, TARGETS, maps), removed=removed, noise=0.0)

    def probability(target: int):
        return lambda scores: scores.softmax(dim=-1)[target]

    targets = [probability(int(one)) for one in TARGETS]
    expected = {
        name: np.stack(
            [
                PerturbationConfidenceMetric(remove(one, NoisyLinearImputer(0)))(
                    images, maps, targets, classifier.module, return_diff=False
                )
                for one in PERCENTILES
            ],
            axis=1,
        )
        for name, remove in (("morf", RemoveMostRelevantFirst), ("lerf", RemoveLeastRelevantFirst))
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].values, values, atol=1e-5)
        np.testing.assert_allclose(found[name].x, removed)
    combined = (expected["lerf"] - expected["morf"]).mean(axis=1) / 2
    np.testing.assert_allclose(found["combined"], combined, atol=1e-5)
    assert (abs(combined) > 1e-4).all()


def test_imputation_restores_what_is_linear() -> None:
    """Within a hole off the border each pixel of a ramp is the mean of those around it."""
    rows, columns = np.mgrid[:20, :30]
    ramp = np.stack([rows + 0.0, 2.0 * columns - rows, np.full(rows.shape, 7.0)])
    missing = np.zeros((20, 30), bool)
    missing[4:15, 6:20] = True
    missing[8, 25] = True
    np.testing.assert_allclose(impute(np.where(missing, 99, ramp), missing), ramp, atol=1e-9)


def test_imputation_solves_its_equations() -> None:
    """At corners and borders too, where fewer neighbours share the weight."""
    generator = np.random.default_rng(6)
    image = generator.random((3, 11, 13))
    missing = generator.random((11, 13)) < 0.8
    missing[0, 0] = missing[-1, -1] = missing[0, 5] = True
    found = impute(image, missing)
    np.testing.assert_array_equal(found[:, ~missing], image[:, ~missing])
    for row, column in np.argwhere(missing):
        around = [
            (i, j, 1 / 12 if i != row and j != column else 1 / 6)
            for i in range(max(row - 1, 0), min(row + 2, 11))
            for j in range(max(column - 1, 0), min(column + 2, 13))
            if (i, j) != (row, column)
        ]
        weights = np.array([weight for *_, weight in around])
        values = np.stack([found[:, i, j] for i, j, _ in around])
        np.testing.assert_allclose(found[:, row, column], weights @ values / weights.sum())
    np.testing.assert_array_equal(impute(image, np.zeros((11, 13), bool)), image)


def test_one_missing_pixel_has_the_mean_of_its_neighbours() -> None:
    image = np.arange(9.0).reshape(1, 3, 3) ** 2
    missing = np.zeros((3, 3), bool)
    missing[1, 1] = True
    sides, corners = 1 + 9 + 25 + 49, 0 + 4 + 36 + 64
    assert np.isclose(impute(image, missing)[0, 1, 1], sides / 6 + corners / 12)


def test_removes_a_share_of_the_pixels_and_never_all() -> None:
    ranks = np.arange(100).reshape(10, 10)
    for share, count in ((0.2, 20), (0.999, 99), (0.001, 1)):
        first, last = (hidden(ranks, share, last=one) for one in (False, True))
        np.testing.assert_array_equal(np.flatnonzero(first), np.arange(count))
        np.testing.assert_array_equal(np.flatnonzero(last), np.arange(100 - count, 100))


def test_noise_is_in_pixels_and_the_images_own() -> None:
    """Of a linear model the logit's spread is the weights' over the standard deviation."""
    side, count = 8, 300
    preprocessing = Preprocessing((side, side), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))
    weights = torch.zeros(2, 3, side, side)
    weights[1, 0] = 0.05
    classifier = Classifier(linear(weights, torch.zeros(2)).module, preprocessing)
    images, targets = torch.zeros(count, 3, side, side), torch.ones(count, dtype=torch.int64)
    maps = np.tile(np.arange(64.0).reshape(1, side, side) + 1, (count, 1, 1))
    case = case_of(classifier, images, targets, maps)
    found = measured("road", case, removed=(0.5,), noise=0.1)
    margin = np.log(found["morf"].values / (1 - found["morf"].values))[:, 0]
    expected = 0.05 * 0.1 / 0.2 * np.sqrt(32)
    assert abs(margin.mean()) < 4 * expected / np.sqrt(count)
    assert abs(margin.std() / expected - 1) < 0.15
    still = measured("road", case, removed=(0.5,), noise=0.0)
    np.testing.assert_allclose(still["morf"].values, 0.5, atol=1e-6)


def test_rows_depend_neither_on_batches_nor_on_each_other(
    classifier: Classifier, images: Tensor
) -> None:
    maps = maps_of(3, 24)
    whole = numbers(
        measured("road", case_of(classifier, images, TARGETS, maps), removed=(0.3, 0.6))
    )
    small_batches = Classifier(classifier.module, classifier.preprocessing, batch_size=3)
    for case in (
        case_of(small_batches, images, TARGETS, maps),
        case_of(classifier, images[1:], TARGETS[1:], maps[1:], first=1),
    ):
        found = numbers(measured("road", case, removed=(0.3, 0.6)))
        np.testing.assert_allclose(found, whole[-len(found) :], atol=1e-5)
