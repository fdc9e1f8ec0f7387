"""Integrated gradients against captum, and its rules and stages against what is known exactly."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from PIL import Image
from torch import Tensor, nn

from conftest import make_classifier
from explaining import TARGETS, assert_same_maps, linear, run
from sightline.images.shapes import render
from sightline.jobs.named import load_named
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.explanation import Explanation
from sightline.methods.gradients.integrated_gradients import integrated_gradients
from sightline.methods.gradients.quadrature import apportioned, nested, pilot, quadrature
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing

CAPTUMS_RULES = {"gauss-legendre": "gausslegendre", "riemann-middle": "riemann_middle"}


@pytest.mark.parametrize("rule", CAPTUMS_RULES)
@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_integrated_gradients_are_captums(name: str, rule: str, images: Tensor) -> None:
    # Smooth models: rounding may put a ReLU's input on the other side of its kink.
    classifier = make_classifier(name)
    found = run("integrated_gradients", classifier, images, steps=12, rule=rule).maps
    expected = IntegratedGradients(classifier.module).attribute(
        images, torch.zeros_like(images), TARGETS, n_steps=12, method=CAPTUMS_RULES[rule]
    )
    expected = expected.sum(dim=1).float()
    scale = expected.abs().amax(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(found / scale, expected / scale, atol=2e-5, rtol=0)


def test_attributions_sum_to_the_change_of_the_logit(
    classifier: Classifier, images: Tensor
) -> None:
    found = run("integrated_gradients", classifier, images, steps=60)
    at_image = classifier.scores(images).gather(1, TARGETS[:, None])[:, 0]
    at_zero = classifier.scores(torch.zeros_like(images)).gather(1, TARGETS[:, None])[:, 0]
    change = (at_image - at_zero).double().numpy()
    total = found.maps.double().sum(dim=(1, 2)).numpy()
    gap = found.figures["completeness_gap"]
    np.testing.assert_allclose(gap, np.abs(total - change) / np.abs(change), atol=1e-5)
    assert (np.abs(total - change) < 0.02 * np.abs(change).max()).all()
    coarse = run("integrated_gradients", classifier, images, steps=2).figures["completeness_gap"]
    assert gap.mean() < 0.3 * coarse.mean()


@pytest.mark.parametrize("rule", CAPTUMS_RULES)
def test_of_a_linear_model_one_step_is_exact(rule: str, weights: Tensor, pictures: Tensor) -> None:
    how = CATALOGUE["integrated_gradients"].settings(steps=1, rule=rule)
    targets = torch.tensor([2, 0, 7])
    found = integrated_gradients(linear(weights, torch.ones(8)), pictures, targets, [0] * 3, how)
    torch.testing.assert_close(found.maps, (weights[targets] * pictures).sum(dim=1))
    assert (found.figures["completeness_gap"] < 1e-5).all()


@pytest.mark.parametrize("rule", CAPTUMS_RULES)
def test_rules_of_quadrature(rule: str) -> None:
    for steps in (1, 2, 7, 50):
        places, share = quadrature(rule, steps)
        assert ((places > 0) & (places < 1)).all()
        # Gauss-Legendre is exact up to degree 2 n - 1, the midpoint rule up to degree 1.
        for degree in range(2 * steps if rule == "gauss-legendre" else 2):
            integral = (share * places**degree).sum()
            assert integral == pytest.approx(1 / (degree + 1), abs=1e-12)
    places, share = quadrature("riemann-middle", 50)
    assert (share * places**2).sum() == pytest.approx(1 / 3 - 1 / (12 * 50**2), abs=1e-12)


# --- The adaptive rule --------------------------------------------------------------------------


class Polynomial(nn.Module):
    """Logits of which the gradient along a path from zero is a polynomial, per class a degree."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.inner = linear(weights / 10, torch.zeros(8)).module
        self.degrees = torch.arange(1, 9)

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images) ** self.degrees


def explain(classifier: Classifier, images: Tensor, targets: Tensor, **how: Any) -> Explanation:
    chosen = CATALOGUE["integrated_gradients"].settings(**{"rule": "adaptive"} | how)
    return integrated_gradients(classifier, images, targets, [0] * len(images), chosen)


@pytest.mark.parametrize("steps", [2, 5, 7, 8, 30])
def test_of_a_linear_model_any_number_of_steps_is_exact(
    steps: int, weights: Tensor, pictures: Tensor
) -> None:
    targets = torch.tensor([2, 0, 7])
    found = explain(linear(weights, torch.ones(8)), pictures, targets, steps=steps)
    torch.testing.assert_close(found.maps, (weights[targets] * pictures).sum(dim=1))
    assert (found.figures["completeness_gap"] < 1e-5).all()
    assert found.figures["passes"].tolist() == [steps] * 3


def test_of_a_polynomial_the_adaptive_rule_converges_to_the_exact_map(
    weights: Tensor, pictures: Tensor
) -> None:
    classifier = Classifier(Polynomial(weights), Preprocessing((24, 32)))
    targets = torch.tensor([1, 3, 7])
    # f = l^d is complete: its attributions are l^(d - 1) times those of l.
    adds = (weights[targets] / 10 * pictures).sum(dim=1)
    exact = adds * adds.sum(dim=(1, 2))[:, None, None] ** targets[:, None, None]
    errors = []
    for steps in (12, 24, 48, 96):
        maps = explain(classifier, pictures, targets, steps=steps).maps
        errors.append(((maps - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)).max())
    assert errors[-1] < 3e-3
    for coarse, fine in itertools.pairwise(errors):
        assert fine < 0.45 * coarse


@pytest.mark.parametrize("parts", [[1, 1, 1], [2, 2, 2, 2], [1, 5, 3, 2], [9, 1, 1, 1]])
def test_places_rise_reuse_those_before_and_integrate(parts: list[int]) -> None:
    ends = pilot(len(parts))
    before: set[float] = set()
    errors = []
    for level in range(4):
        places, weights, new = nested(np.array(parts), level)
        assert len(places) == sum(parts) * 2**level + 1
        assert (np.diff(places) > 0).all()
        assert (weights > 0).all()
        assert set(ends.round(12)) <= set(places.round(12))
        assert set(places[~new].round(12)) == (before or set(ends.round(12)))
        before = set(places.round(12))
        share = weights / weights.sum()
        errors.append(max(abs(share @ places**k - 1 / (k + 1)) for k in range(4)))
    assert errors[-1] < 0.02


def test_weights_are_the_slope_of_the_places() -> None:
    places, weights, _ = nested(np.array([1, 5, 3, 2]), 12)
    slope = np.gradient(places) * 2**12
    np.testing.assert_allclose(weights[1:-1], slope[1:-1], rtol=2e-3, atol=1e-4)


def test_steps_go_where_the_integrand_changes() -> None:
    parts = apportioned([0, 0, 1, 8, 1, 0], 40)
    assert parts.sum() == 40
    assert parts.argmax() == 3
    assert parts.min() >= 2, "half of the steps are shared out evenly"
    assert apportioned(np.zeros(6), 24).tolist() == [4] * 6
    assert apportioned([1, 2, 3], 3).tolist() == [1, 1, 1]


def test_each_image_stops_by_itself_once_its_gap_was_small_twice(images: Tensor) -> None:
    classifier = make_classifier("test_vit")
    stages = [
        explain(classifier, images, TARGETS, steps=steps, tolerance=1e-9)
        for steps in (9, 17, 33, 65, 129)
    ]
    gaps = np.array([one.figures["completeness_gap"] for one in stages])
    assert [one.figures["passes"].tolist() for one in stages] == [
        [n] * 3 for n in (9, 17, 33, 65, 129)
    ]
    tolerance = float(np.sort(gaps[1:3].max(axis=0))[1]) * 1.001
    found = explain(classifier, images, TARGETS, steps=129, tolerance=tolerance)
    for i in range(len(images)):
        twice = (gaps[1:, i] <= tolerance) & (gaps[:-1, i] <= tolerance)
        stage = 1 + int(twice.argmax()) if twice.any() else len(stages) - 1
        assert found.figures["passes"][i] == 2 ** (stage + 3) + 1
        assert_same_maps(found.maps[i : i + 1], stages[stage].maps[i : i + 1])
        alone = explain(
            dataclasses.replace(classifier, batch_size=7),
            images[i : i + 1], TARGETS[i : i + 1], steps=129, tolerance=tolerance,
        )  # fmt: skip
        assert_same_maps(alone.maps, found.maps[i : i + 1])
        assert alone.figures["passes"] == found.figures["passes"][i]
    assert len(set(found.figures["passes"])) > 1


@pytest.mark.parametrize("steps", [2, 7, 12, 30, 100])
def test_stages_stay_within_the_steps(steps: int, images: Tensor) -> None:
    found = explain(make_classifier("test_vit"), images, TARGETS, steps=steps, tolerance=1e-12)
    passes = found.figures["passes"]
    assert (passes <= steps).all()
    assert (passes > 0.9 * steps).all()
    assert np.isfinite(found.figures["completeness_gap"]).all()


def test_fewer_passes_for_the_error_of_gauss_legendre() -> None:
    """On a trained ReLU network; of 48 steps, 36 do."""
    classifier = load_named({"name": "zoo:test_resnet"}, device="cpu")[1]
    pictures = [Image.fromarray(render(i, seed=1, split="held-out").image) for i in range(2)]
    images = classifier.preprocessing(pictures)[0]
    targets = classifier.scores(images).argmax(dim=1)
    reference = explain(classifier, images, targets, rule="riemann-middle", steps=400).maps

    def error(rule: str, steps: int) -> float:
        maps = explain(classifier, images, targets, rule=rule, steps=steps).maps
        return float(((maps - reference).flatten(1).norm(dim=1) / norm).mean())

    norm = reference.flatten(1).norm(dim=1)
    theirs = error("gauss-legendre", 48)
    assert error("riemann-middle", 36) < theirs
    assert error("adaptive", 36) < theirs


# --- The rule secant ----------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_of_a_linear_model_mean_slopes_are_exact(
    steps: int, weights: Tensor, pictures: Tensor
) -> None:
    targets = torch.tensor([2, 0, 7])
    classifier = linear(weights, torch.ones(8))
    found = explain(classifier, pictures, targets, steps=steps, rule="secant")
    torch.testing.assert_close(found.maps, (weights[targets] * pictures).sum(dim=1))
    assert (found.figures["completeness_gap"] < 1e-5).all()
    assert found.figures["passes"].tolist() == [steps + 2] * 3


class Rectified(nn.Module):
    """One function with kinks of linear scores; its input runs along a straight line."""

    def __init__(self, weights: Tensor, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = linear(weights / 10, torch.linspace(-1.5, 1.5, 8)).module
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(self.inner(images))


@pytest.mark.parametrize(
    "function",
    [
        torch.relu,
        nn.ReLU(inplace=True),
        torch.relu_,
        nn.ReLU6(),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Hardtanh(-0.3, 0.7),
        nn.Hardswish(inplace=True),
        lambda scores: scores.clamp(min=-0.2),
    ],
)
def test_one_layer_with_a_kink_is_exact_however_few_steps(
    function: Callable[[Tensor], Tensor], weights: Tensor, pictures: Tensor
) -> None:
    classifier = Classifier(Rectified(weights, function), Preprocessing((24, 32)))
    targets = torch.tensor([2, 0, 7])
    # Of f(w x + b) the gradient is w f', and the integral of f' the change of f: IG_i is
    # w_i x_i (f(l(x)) - f(l(0))) / (l(x) - l(0)).
    ends = torch.cat([pictures, torch.zeros_like(pictures)])
    with torch.no_grad():
        inner = classifier.module.inner(ends)[range(6), targets.repeat(2)]
        outer = classifier.module(ends)[range(6), targets.repeat(2)]
    slope = (outer[:3] - outer[3:]) / (inner[:3] - inner[3:])
    expected = slope[:, None, None] * (weights[targets] / 10 * pictures).sum(dim=1)
    for steps in (1, 2, 5):
        found = explain(classifier, pictures, targets, steps=steps, rule="secant")
        torch.testing.assert_close(found.maps, expected, atol=1e-5, rtol=1e-4)
        assert (found.figures["completeness_gap"] < 1e-4).all()


def test_mean_slopes_depend_on_no_batch_and_no_other_image(
    classifier: Classifier, images: Tensor
) -> None:
    found = explain(classifier, images, TARGETS, steps=5, rule="secant")
    for size in (1, 2, 7):
        small = dataclasses.replace(classifier, batch_size=size)
        again = explain(small, images.flip(0), TARGETS.flip(0), steps=5, rule="secant")
        assert_same_maps(again.maps.flip(0), found.maps)
        np.testing.assert_allclose(
            again.figures["completeness_gap"][::-1], found.figures["completeness_gap"], atol=1e-4
        )


def test_mean_slopes_survive_memory_that_runs_out(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = make_classifier("test_resnet")
    found = explain(classifier, images, TARGETS, steps=5, rule="secant")
    forward = Classifier.forward

    def limited(self: Classifier, given: Tensor) -> Tensor:
        if len(given) > 6:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, given)

    monkeypatch.setattr(Classifier, "forward", limited)
    again = explain(classifier, images, TARGETS, steps=5, rule="secant")
    assert_same_maps(again.maps, found.maps)
    assert classifier.batch_size < 6


def test_without_kinks_mean_slopes_are_the_midpoint_rule(images: Tensor) -> None:
    classifier = make_classifier("test_vit")
    found = explain(classifier, images, TARGETS, steps=5, rule="secant")
    assert_same_maps(
        found.maps, explain(classifier, images, TARGETS, steps=5, rule="riemann-middle").maps
    )


def test_mean_slopes_need_fewer_steps_and_converge_faster() -> None:
    classifier = load_named({"name": "zoo:test_resnet"}, device="cpu")[1]
    pictures = [Image.fromarray(render(i, seed=1, split="held-out").image) for i in range(2)]
    images = classifier.preprocessing(pictures)[0]
    targets = classifier.scores(images).argmax(dim=1)
    reference = explain(classifier, images, targets, rule="gauss-legendre", steps=400).maps

    def error(rule: str, steps: int) -> float:
        maps = explain(classifier, images, targets, rule=rule, steps=steps).maps
        return float((maps - reference).norm() / reference.norm())

    coarse = error("secant", 20)
    assert coarse < error("riemann-middle", 30)
    assert error("secant", 40) < 0.5 * coarse  # of the first order it would be half
