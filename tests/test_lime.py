"""LIME against its authors' package, and against scores of which the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lime.lime_base import LimeBase
from sklearn.metrics import pairwise_distances
from torch import Tensor

from conftest import make_classifier
from explaining import SEEDS, TARGETS, linear, run
from sightline.methods.perturbations.lime import draw_shown, proximity, weighted_ridge
from sightline.methods.perturbations.segments import grid_segments, slic_segments


def of_the_package(shown: np.ndarray, values: np.ndarray, width: float) -> tuple[np.ndarray, float]:
    """Coefficients and R squared, as its `explain_instance` computes them."""

    def kernel(distance: np.ndarray) -> np.ndarray:
        return np.sqrt(np.exp(-(distance**2) / width**2))

    data = shown.astype(int)
    distances = pairwise_distances(data, data[:1], metric="cosine").ravel()
    _, found, score, _ = LimeBase(kernel).explain_instance_with_data(
        data, values[:, None], distances, 0, num_features=100_000
    )
    return np.array([weight for _, weight in sorted(found)]), score


@pytest.mark.parametrize("segments_by", ["slic", "grid"])
@pytest.mark.parametrize("width", [0.25, 0.6])
def test_lime_is_its_authors(segments_by: str, width: float, images: Tensor) -> None:
    classifier = make_classifier("test_vit")
    how: dict[str, Any] = {"samples": 80, "segments_by": segments_by, "width": width}
    found = run("lime", classifier, images, **how)
    for i, target in enumerate(TARGETS.tolist()):
        if segments_by == "grid":
            cut = grid_segments(96, 96, 12)
        else:
            cut = slic_segments(classifier.preprocessing.pixels(images[i : i + 1])[0], 12, 10.0)
        shown = draw_shown(cut.max() + 1, 80, SEEDS[i])
        masked = torch.stack([images[i] * torch.from_numpy(one[cut]) for one in shown])
        with torch.inference_mode():
            values = classifier.module(masked).softmax(1)[:, target].double().numpy()
        coefficients, score = of_the_package(shown, values, width)
        peak = np.abs(coefficients).max()
        np.testing.assert_allclose(found.maps[i], coefficients[cut], atol=1e-4 * peak)
        assert found.figures["fit"][i] == pytest.approx(score, abs=1e-4)
        assert found.figures["segments"][i] == cut.max() + 1
        assert found.figures["passes"][i] == 80


def test_scores_that_are_linear_are_found_and_explained_wholly() -> None:
    shown = draw_shown(9, 200, seed=1)
    adds = np.random.default_rng(2).normal(size=9)
    weights = proximity(shown, 0.25)
    coefficients, fit = weighted_ridge(shown, 3 + shown @ adds, weights, ridge=1e-9)
    np.testing.assert_allclose(coefficients, adds, atol=1e-6)
    assert fit == pytest.approx(1)
    # More ridge, smaller coefficients.
    sizes = [
        np.abs(weighted_ridge(shown, 3 + shown @ adds, weights, ridge)[0]).sum()
        for ridge in (0.1, 10, 1000)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_scores_that_no_linear_model_has_are_not_explained() -> None:
    shown = draw_shown(4, 4000, seed=1)
    even = (shown.sum(axis=1) % 2 == 0).astype(float)
    _, fit = weighted_ridge(shown, even, np.ones(4000), ridge=1.0)
    assert 0 <= fit < 0.01
    _, fit = weighted_ridge(shown, np.full(4000, 0.3), np.ones(4000), ridge=1.0)
    assert 0 <= fit <= 1


def test_coalitions_show_each_segment_half_the_time_and_the_first_all() -> None:
    shown = draw_shown(20, 4000, seed=5)
    assert shown[0].all()
    np.testing.assert_allclose(shown[1:].mean(axis=0), 0.5, atol=0.04)
    np.testing.assert_array_equal(shown, draw_shown(20, 4000, seed=5))
    assert (shown != draw_shown(20, 4000, seed=6)).any()
    weights = proximity(np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool), 0.25)
    np.testing.assert_allclose(weights, [1, np.exp(-2), np.exp(-8)])


def test_what_the_score_does_not_see_gets_little(weights: Tensor, pictures: Tensor) -> None:
    seen = torch.zeros(8, 3, 24, 32)
    seen[:, :, :12, :16] = weights[:, :, :12, :16] / 20
    how: dict[str, Any] = {"segments": 12, "segments_by": "grid", "samples": 400}
    found = run("lime", linear(seen, torch.zeros(8)), pictures, **how).maps.abs()
    cut = torch.from_numpy(grid_segments(24, 32, 12))
    assert cut.max() == 11
    inside = cut[:12, :16].unique()
    for one in found:
        values = torch.stack([one[cut == part].mean() for part in range(12)])
        blind = torch.ones(12, dtype=torch.bool).index_fill(0, inside, False)
        assert values[blind].max() < 0.1 * values[inside].max()


@pytest.mark.parametrize(
    ("height", "width", "asked", "rows", "columns"),
    [
        (224, 224, 50, 7, 7),
        (224, 224, 49, 7, 7),
        (24, 32, 12, 3, 4),
        (10, 40, 4, 1, 4),
        (3, 5, 99, 3, 5),
    ],
)
def test_a_grid_is_of_equal_rectangles(
    height: int, width: int, asked: int, rows: int, columns: int
) -> None:
    cut = grid_segments(height, width, asked)
    assert cut.shape == (height, width)
    assert cut.dtype == np.int64
    assert cut.max() + 1 == rows * columns == len(np.unique(cut))
    for part in range(rows * columns):
        inside = np.argwhere(cut == part)
        sides = inside.max(axis=0) - inside.min(axis=0) + 1
        assert len(inside) == sides.prod()
        assert abs(sides[0] - height / rows) < 1
        assert abs(sides[1] - width / columns) < 1
        assert divmod(part, columns) == (
            inside[0][0] * rows // height,
            inside[0][1] * columns // width,
        )
