"""Fidelity, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cases import case_of, measured, numbers
from explaining import TARGETS, linear
from sightline.models.classifier import Classifier

PERCENTILES = (0, 35, 70)


def test_is_what_the_important_pixels_are_worth(classifier: Classifier, images: Tensor) -> None:
    maps = np.random.default_rng(7).standard_normal((3, 96, 96)).round(2).astype(np.float32)
    case = case_of(classifier, images, TARGETS, maps)
    found = measured("fidelity", case, percentiles=PERCENTILES)
    for row in range(3):
        drops, shares = [], []
        for percentile in PERCENTILES:
            cut = np.percentile(maps[row][maps[row] > 0], percentile)
            keep = torch.from_numpy(~((maps[row] >= cut - 1e-4) & (maps[row] > 0)))
            both = torch.stack([images[row], images[row] * keep])
            scores = classifier.scores(both, "probability")[:, TARGETS[row]]
            drops.append(float(scores[0] - scores[1]))
            shares.append(float((~keep).float().mean()))
        np.testing.assert_allclose(found["drop_curve"].values[row], drops, atol=1e-5)
        np.testing.assert_allclose(found["removed_curve"].values[row], shares, atol=1e-6)
        assert found["drop"][row] == pytest.approx(np.mean(drops), abs=1e-5)
        assert found["removed"][row] == pytest.approx(np.mean(shares), abs=1e-6)
    np.testing.assert_array_equal(found["drop_curve"].x, PERCENTILES)


def test_of_a_linear_model_what_is_for_the_class_is_worth_most() -> None:
    """No other set of pixels loses as much as those that add to the margin, all removed."""
    generator = torch.Generator().manual_seed(8)
    weights, image = (torch.randn(count, 3, 3, 3, generator=generator) for count in (2, 1))
    classifier = linear(weights, torch.zeros(2))
    adds = ((weights[1] - weights[0]) * image[0]).sum(0).numpy()
    subsets = np.array(list(np.ndindex(*(2,) * 9))).reshape(-1, 3, 3)
    maps = np.concatenate([adds[None], subsets[1:]])
    many, targets = image.expand(len(maps), -1, -1, -1), torch.ones(len(maps), dtype=torch.int64)
    found = measured("fidelity", case_of(classifier, many, targets, maps), percentiles=(0,))
    assert found["drop"][0] == pytest.approx(found["drop"].max(), abs=1e-6)
    np.testing.assert_allclose(found["removed"], (maps > 0).mean(axis=(1, 2)))


def test_a_map_without_positive_values_has_none(classifier: Classifier, images: Tensor) -> None:
    maps = np.random.default_rng(9).random((3, 7, 7))
    maps[2] *= -1
    found = numbers(measured("fidelity", case_of(classifier, images, TARGETS, maps)))
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2]).all()
    by_magnitude = case_of(classifier, images, TARGETS, maps, scaling=("abs", "max"))
    assert np.isfinite(numbers(measured("fidelity", by_magnitude, scaling="study"))).all()


@pytest.mark.parametrize("fill", ["blur", "mean", "infill"])
def test_fills_change_the_drop_and_not_what_is_removed(
    fill: str, classifier: Classifier, images: Tensor
) -> None:
    case = case_of(classifier, images, TARGETS, np.random.default_rng(1).random((3, 7, 7)))
    zero, other = (measured("fidelity", case, fill=one) for one in ("zero", fill))
    np.testing.assert_array_equal(other["removed"], zero["removed"])
    assert (abs(other["drop"] - zero["drop"]) > 1e-6).all()
