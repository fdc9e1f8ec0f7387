"""Methods that average over random samples: their formulas, their errors, when they stop."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, NoiseTunnel
from skimage.transform import resize
from torch import Tensor, nn

from conftest import make_classifier, quick_settings
from explaining import SEEDS, TARGETS, assert_same_maps, linear, run
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.gradients.gradient_shap import GOLDEN, places
from sightline.methods.perturbations.rise import Masks
from sightline.methods.sampling import Batch
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing

SAMPLED = {
    "smoothgrad": "samples",
    "noise_tunnel": "samples",
    "gradient_shap": "samples",
    "rise": "masks",
}
STOPPING = {"noise_tunnel": {"steps": 1}, "gradient_shap": {"noise": 0.1}}
each_sampled = pytest.mark.parametrize("name", SAMPLED)


def test_every_method_with_samples_and_a_tolerance_is_tried() -> None:
    fields = {name: one.settings.model_fields for name, one in CATALOGUE.items()}
    errors = {name for name, one in fields.items() if "tolerance" in one}
    assert errors - {"kernelshap", "integrated_gradients"} == SAMPLED.keys()


class Cubed(nn.Module):
    """A logit is a sum of cubes: gradients are 3 (x + e)^2 at each pixel."""

    def forward(self, images: Tensor) -> Tensor:
        return (images**3).sum(dim=(1, 2, 3))[:, None].expand(-1, 2)


# --- When samples suffice -----------------------------------------------------------------------


@each_sampled
def test_an_image_stops_by_its_own_error(
    name: str, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    """And its map is that of so many samples asked for."""
    classifier, how = classifiers["transformer"], STOPPING.get(name, {})
    first = run(name, classifier, images, **how, **{SAMPLED[name]: 16}).figures
    # What one image has after the first look: the others go on.
    wanted = float(np.sort(first["standard_error"])[0]) * 1.001
    found = run(name, classifier, images, tolerance=wanted, **how, **{SAMPLED[name]: 400})
    made, error = found.figures["passes"], found.figures["standard_error"]
    assert (error <= wanted).all()
    assert made.min() == 16
    assert 16 < made.max() < 400
    for i, count in enumerate(made.tolist()):
        alone = run(name, classifier, images, slice(i, i + 1), **how, **{SAMPLED[name]: count})
        assert_same_maps(found.maps[i : i + 1], alone.maps)
        assert alone.figures["standard_error"][0] == pytest.approx(error[i], rel=1e-3)


@each_sampled
def test_what_is_not_precise_enough_takes_all_samples(
    name: str, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    how = STOPPING.get(name, {}) | {SAMPLED[name]: 18}
    found = run(name, classifiers["cnn"], images, tolerance=1e-9, **how)
    assert found.figures["passes"].tolist() == [18] * 3
    assert_same_maps(found.maps, run(name, classifiers["cnn"], images, **how).maps)


@each_sampled
def test_errors_fall_with_the_root_of_the_samples(
    name: str, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    how = STOPPING.get(name, {})
    few, many = (
        run(name, classifiers["cnn"], images, **how, **{SAMPLED[name]: count}).figures
        for count in ((400, 1600) if name == "rise" else (40, 160))
    )
    # Of noise against the signal alone; the map that the figure is relative to has both.
    ratios = [
        one["standard_error"] / np.sqrt(1 - one["standard_error"] ** 2) for one in (few, many)
    ]
    np.testing.assert_allclose(ratios[1] / ratios[0], 0.5, atol=0.12)


@pytest.mark.parametrize("name", ["rise", "smoothgrad", "gradient_shap"])
def test_memory_does_not_grow_with_the_samples(
    name: str, classifiers: dict[str, Classifier], images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Classifier.forward

    def bytes_held(samples: int) -> int:
        passes, held = 0, 0

        def counted(self: Classifier, batch: Tensor) -> Tensor:
            nonlocal passes, held
            assert len(batch) <= self.batch_size
            passes += len(batch)
            if passes == samples:
                held = all_tensors()
            return forward(self, batch)

        monkeypatch.setattr(Classifier, "forward", counted)
        run(name, classifiers["cnn"], images, slice(0, 1), **{SAMPLED[name]: samples})
        assert held > 0
        return held

    few, many = bytes_held(64), bytes_held(1024)
    assert many < 1.02 * few


def all_tensors() -> int:
    gc.collect()
    storages = {
        one.untyped_storage().data_ptr(): one.untyped_storage().nbytes()
        for one in gc.get_objects()
        if type(one) is Tensor
    }
    return sum(storages.values())


# --- SmoothGrad and the noise tunnel ------------------------------------------------------------

KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "smoothgrad": lambda maps: maps.mean(0),
    "squared": lambda maps: maps.square().mean(0),
    "vargrad": lambda maps: maps.var(0, correction=0),
}


def copies(image: Tensor, seed: int, count: int, noise: float) -> Tensor:
    drawn = [
        np.random.default_rng((seed, number)).standard_normal(image.shape, dtype=np.float32)
        for number in range(count)
    ]
    span = (image.max() - image.min()).item()
    return image + noise * span * torch.from_numpy(np.stack(drawn))


@pytest.mark.parametrize("kind", KINDS)
def test_noise_tunnels_are_captums_integrated_gradients_of_noisy_copies(
    kind: str, images: Tensor
) -> None:
    classifier = make_classifier("test_vit")
    found = run("noise_tunnel", classifier, images, samples=4, steps=3, noise=0.2, kind=kind)
    for i, target in enumerate(TARGETS.tolist()):
        integrated = IntegratedGradients(classifier.module).attribute(
            copies(images[i], SEEDS[i], 4, 0.2), target=target, n_steps=3
        )
        expected = KINDS[kind](integrated.sum(dim=1))
        scale = expected.abs().max()
        torch.testing.assert_close(
            found.maps[i] / scale, expected.float() / scale, atol=3e-5, rtol=0
        )
    assert found.figures["passes"].tolist() == [12] * 3


def test_a_noise_tunnel_is_as_near_as_captums(weights: Tensor, pictures: Tensor) -> None:
    """Of a linear model the copies' maps are w (x + e): their mean is known."""
    classifier, targets = linear(weights, torch.ones(8)), torch.tensor([2, 0, 7])
    how = quick_settings("noise_tunnel", samples=100, steps=1, noise=0.1)
    found = CATALOGUE["noise_tunnel"].load()(classifier, pictures, targets, [1, 2, 3], how)
    exact = (weights[targets] * pictures).sum(1)
    span = (pictures.amax(dim=(1, 2, 3)) - pictures.amin(dim=(1, 2, 3))).mean().item()
    torch.manual_seed(0)
    captums = NoiseTunnel(IntegratedGradients(classifier.module)).attribute(
        pictures, target=targets, n_steps=1, nt_samples=100, stdevs=0.1 * span
    )
    off, captums_off = (
        ((one - exact).square().mean() / exact.square().mean()).sqrt().item()
        for one in (found.maps, captums.sum(1))
    )
    assert off == pytest.approx(captums_off, rel=0.1)
    assert found.figures["standard_error"].mean() == pytest.approx(off, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_each_kind_are_those_over_seeds(kind: str) -> None:
    classifier = Classifier(Cubed(), Preprocessing((8, 8)), batch_size=256)
    picture = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    many, target = picture.expand(60, -1, -1, -1), torch.zeros(60, dtype=torch.int64)
    how = CATALOGUE["smoothgrad"].settings(samples=64, noise=0.3, kind=kind)
    found = CATALOGUE["smoothgrad"].load()(classifier, many, target, list(range(60)), how)
    spread = found.maps.double().std(dim=0).square().mean().sqrt()
    size = found.maps.double().mean(dim=0).square().mean().sqrt()
    estimated = found.figures["standard_error"].mean()
    # Of a variance the error is itself an estimate from few samples, of heavy tails.
    assert estimated == pytest.approx(
        (spread / size).item(), rel=0.06 if kind != "vargrad" else 0.12
    )


# --- GradientSHAP -------------------------------------------------------------------------------


def test_gradient_shap_is_its_formula(images: Tensor) -> None:
    classifier = make_classifier("test_vit")
    found = run("gradient_shap", classifier, images, samples=3, noise=0.2, baselines="colours")
    mean, std = (
        torch.tensor(one)[:, None, None]
        for one in (classifier.preprocessing.mean, classifier.preprocessing.std)
    )
    for i, target in enumerate(TARGETS.tolist()):
        noisy = copies(images[i], SEEDS[i], 3, 0.2)
        start = np.random.default_rng((SEEDS[i], 0, 2)).random()
        kept = []
        for number in range(3):
            drawn = np.random.default_rng((SEEDS[i], number, 1)).random(3, dtype=np.float32)
            base = (torch.from_numpy(drawn)[:, None, None] - mean) / std
            share = (start + number * (math.sqrt(5) - 1) / 2) % 1
            point = (base + share * (noisy[number] - base)).expand(2, -1, -1, -1)
            leaf = point.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(classifier.module(leaf)[0, target], leaf)
            kept.append(((noisy[number] - base) * gradient[0]).sum(0))
        assert_same_maps(found.maps[i : i + 1], torch.stack(kept).mean(0)[None])


def test_gradient_shap_expects_integrated_gradients(classifier: Classifier, images: Tensor) -> None:
    """From a zero baseline without noise; and its error is at most what it says."""
    exact = run("integrated_gradients", classifier, images, steps=200).maps
    found = run("gradient_shap", classifier, images, samples=300)
    size = exact.square().mean(dim=(1, 2)).sqrt()
    off = (found.maps - exact).square().mean(dim=(1, 2)).sqrt() / size
    assert (off < 0.1).all()
    assert (off.numpy() < found.figures["standard_error"] + 0.02).all()


def test_places_lie_evenly() -> None:
    batch = Batch(np.zeros(100, np.int64), np.arange(100))
    found = np.sort(places([7], batch))
    assert np.diff(found).max() < 2 / 100
    assert pytest.approx(0.6180339887) == GOLDEN


# --- RISE ---------------------------------------------------------------------------------------


def test_masks_are_the_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grids enlarged by scikit-image and cropped, as in the authors' code."""
    masks = Masks((50, 61), 6, 0.4, torch.device("cpu"))
    found = masks([3] * 5 + [4] * 5, np.array([0, 1, 2, 63, 64] * 2))
    for i, (seed, number) in enumerate((seed, n) for seed in (3, 4) for n in (0, 1, 2, 63, 64)):
        generator = np.random.default_rng((seed, number // 64))
        grid = (generator.random((64, 6, 6)) < 0.4)[number % 64]
        x, y = generator.integers(0, (9, 11), (64, 2))[number % 64]
        large = resize(
            grid.astype(float), (7 * 9, 7 * 11), order=1, mode="edge", anti_aliasing=False
        )
        np.testing.assert_allclose(found[i], large[x : x + 50, y : y + 61], atol=1e-6)
    assert found.flatten(1).unique(dim=0).shape[0] == 10


@pytest.mark.parametrize("divide_by", ["coverage", "expected"])
def test_rise_is_its_formula(divide_by: str, classifier: Classifier, images: Tensor) -> None:
    how = {"masks": 30, "cells": 5, "keep": 0.4, "divide_by": divide_by}
    found = run("rise", classifier, images, **how)
    masks = Masks((96, 96), 5, 0.4, torch.device("cpu"))
    for i, target in enumerate(TARGETS.tolist()):
        shown = masks([SEEDS[i]] * 30, np.arange(30)).double()
        scores = classifier.scores(images[i] * shown[:, None].float(), "probability")[:, target]
        total = (scores.double()[:, None, None] * shown).sum(0)
        below = shown.sum(0) if divide_by == "coverage" else 30 * 0.4
        expected = total / below
        assert_same_maps(found.maps[i : i + 1], expected[None].float())
        # The error by leaving out one mask after the other.
        left_out = torch.stack(
            [
                (total - scores[m] * shown[m])
                / (below - shown[m] if divide_by == "coverage" else 29 * 0.4)
                for m in range(30)
            ]
        )
        jackknife = left_out.var(0, correction=0) * 29
        error = jackknife.mean().sqrt() / (expected - expected.mean()).square().mean().sqrt()
        assert found.figures["standard_error"][i] == pytest.approx(error.item(), rel=0.15)


class Constant(nn.Module):
    """Answers alike whatever it sees."""

    def forward(self, images: Tensor) -> Tensor:
        return images.new_zeros(len(images), 4)


class Spot(nn.Module):
    """Its first class is what it sees of one place."""

    def forward(self, images: Tensor) -> Tensor:
        seen = images[:, :, 10:14, 20:24].mean(dim=(1, 2, 3))
        return torch.stack([4 * seen - 2, torch.zeros_like(seen)], dim=1)


def test_of_a_constant_model_the_map_is_flat_by_coverage_alone() -> None:
    classifier = Classifier(Constant(), Preprocessing((32, 32)))
    picture, target = torch.ones(1, 3, 32, 32), torch.tensor([1])
    by = {
        how: CATALOGUE["rise"].load()(
            classifier,
            picture,
            target,
            [5],
            CATALOGUE["rise"].settings(masks=200, keep=0.3, divide_by=how),
        )
        for how in ("coverage", "expected")
    }
    torch.testing.assert_close(by["coverage"].maps, torch.full((1, 32, 32), 0.25))
    assert by["expected"].maps.std() > 0.005


def test_rise_finds_the_spot_and_its_error_is_that_over_seeds() -> None:
    classifier = Classifier(Spot(), Preprocessing((32, 32)), batch_size=256)
    pictures, targets = torch.ones(30, 3, 32, 32), torch.zeros(30, dtype=torch.int64)
    how: dict[str, Any] = {"masks": 300, "cells": 6, "keep": 0.4}
    for divide_by in ("coverage", "expected"):
        settings = CATALOGUE["rise"].settings(**how, divide_by=divide_by)
        found = CATALOGUE["rise"].load()(classifier, pictures, targets, list(range(30)), settings)
        row, column = divmod(int(found.maps.mean(0).argmax()), 32)
        assert abs(row - 12) <= 3
        assert abs(column - 22) <= 3
        spread = found.maps.double().std(dim=0).square().mean().sqrt().item()
        own = [one.double().std(correction=0).item() for one in found.maps]
        true = np.mean([spread / one for one in own])
        assert found.figures["standard_error"].mean() == pytest.approx(true, rel=0.1)
