"""Every method of the catalogue; KernelSHAP against other code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from skimage.segmentation import slic
from torch import Tensor, nn

from conftest import quick_settings as settings
from explaining import (
    CAMS,
    CHANNEL_CAMS,
    GRADIENT_CAMS,
    SEEDS,
    TARGETS,
    assert_same_maps,
    linear,
    run,
)
from sightline.errors import SightlineError
from sightline.jobs.explain import check_explanation
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.catalogue.entry import Method
from sightline.methods.explanation import Explanation
from sightline.methods.perturbations.kernelshap import kernelshap
from sightline.methods.perturbations.segments import slic_segments
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.models.state import hooks

# Another value of each setting.
OTHER = {
    **{(name, "depth"): 0.8 for name in CAMS},
    **{(name, "relu"): True for name in (*GRADIENT_CAMS, *CHANNEL_CAMS)},
    **{(name, "channels"): 7 for name in CHANNEL_CAMS},
    ("saliency", "colours"): "largest",
    ("guided_backprop", "colours"): "largest",
    ("smoothgrad", "samples"): 3,
    ("smoothgrad", "noise"): 0.3,
    ("smoothgrad", "kind"): "squared",
    ("smoothgrad", "tolerance"): 1e6,
    ("noise_tunnel", "samples"): 2,
    ("noise_tunnel", "noise"): 0.3,
    ("noise_tunnel", "kind"): "vargrad",
    ("noise_tunnel", "tolerance"): 1e6,
    ("noise_tunnel", "steps"): 3,
    ("gradient_shap", "samples"): 3,
    ("gradient_shap", "noise"): 0.3,
    ("gradient_shap", "baselines"): "colours",
    ("gradient_shap", "tolerance"): 1e6,
    ("rise", "masks"): 12,
    ("rise", "cells"): 5,
    ("rise", "keep"): 0.7,
    ("rise", "divide_by"): "expected",
    ("rise", "tolerance"): 1e6,
    ("occlusion", "window"): 40,
    ("occlusion", "stride"): 30,
    ("occlusion", "fill"): "white",
    ("random", "cells"): 7,
    ("centred_gaussian", "sigma"): 0.2,
    ("integrated_gradients", "steps"): 3,
    ("attention_rollout", "heads"): "max",
    ("attention_rollout", "discard"): 0.9,
    ("integrated_gradients", "rule"): "adaptive",
    ("integrated_gradients", "tolerance"): 1e3,
    ("kernelshap", "samples"): 14,
    ("kernelshap", "segments"): 9,
    ("kernelshap", "compactness"): 0.5,
    ("kernelshap", "segment_on"): "normalised",
    ("kernelshap", "segments_by"): "grid",
    ("deeplift_shap", "baselines"): 3,
    ("lrp", "gamma"): 2.0,
    ("lrp", "epsilon"): 0.5,
    ("lime", "samples"): 40,
    ("lime", "segments"): 9,
    ("lime", "compactness"): 0.5,
    ("lime", "segment_on"): "normalised",
    ("lime", "segments_by"): "grid",
    ("lime", "width"): 0.1,
    ("lime", "ridge"): 0.1,
    ("kernelshap", "tolerance"): 1e3,
}
# Where it makes a difference: weights of 0 or above give a rectified layer no negative values.
WITH: dict[tuple[str, str], dict[str, Any]] = {
    (name, "relu"): {"depth": 0.16}
    for name in ("gradcam_plus_plus", "layercam", "abscam_initial", "scorecam", "abscam_final")
} | {
    # More than the first look takes.
    ("smoothgrad", "tolerance"): {"samples": 18},
    ("noise_tunnel", "tolerance"): {"samples": 18, "steps": 1},
    ("gradient_shap", "tolerance"): {"samples": 18},
    ("integrated_gradients", "tolerance"): {"rule": "adaptive", "steps": 36},
    ("kernelshap", "tolerance"): {"samples": 100, "segments": 9},
}
FIELDS = [(name, field) for name, one in CATALOGUE.items() for field in one.settings.model_fields]


# --- Every method -------------------------------------------------------------------------------

each_method = pytest.mark.parametrize("name", CATALOGUE)
# Those that run the model: controls do not.
CONTROLS = [name for name, one in CATALOGUE.items() if one.control]
each_explanation = pytest.mark.parametrize(
    "name", [one for one in CATALOGUE if one not in CONTROLS]
)


@each_method
def test_maps_are_finite_and_leave_the_model_as_it_was(
    name: str, classifier: Classifier, images: Tensor, unchanged: Callable[[nn.Module], Any]
) -> None:
    before = images.clone()
    with unchanged(classifier.module):
        found = run(name, classifier, images)
    assert torch.equal(images, before)
    check_explanation(found, len(images), name)
    assert found.maps.device.type == "cpu"
    assert found.maps.isfinite().all()
    assert (found.maps.std(dim=(1, 2)) > 0).all()
    alike = name == "centred_gaussian"
    assert found.maps.flatten(1).unique(dim=0).shape[0] == (1 if alike else len(images))
    for values in found.figures.values():
        assert np.isfinite(values).all()


@each_explanation
def test_a_failing_model_is_left_as_it_was(
    name: str, classifier: Classifier, images: Tensor, unchanged: Callable[[nn.Module], Any]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    *_, last = classifier.module.children()
    _ = classifier.layers
    broken = hooks([last.register_forward_hook(fail)])
    with broken, unchanged(classifier.module), pytest.raises(ZeroDivisionError):
        run(name, classifier, images)


@each_method
def test_targets_decide_the_map(name: str, classifier: Classifier, images: Tensor) -> None:
    """Of the methods that explain a class; the others give the same map for all."""
    function, how = CATALOGUE[name].load(), settings(name)
    maps = [
        function(classifier, images[:1], torch.tensor([target]), SEEDS[:1], how).maps
        for target in range(8)
    ]
    expected = 8 if CATALOGUE[name].class_specific else 1
    assert torch.cat(maps).flatten(1).unique(dim=0).shape[0] == expected


@each_method
@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_batches_change_no_map(
    name: str, batch_size: int, classifier: Classifier, images: Tensor
) -> None:
    expected = run(name, classifier, images)
    found = run(name, dataclasses.replace(classifier, batch_size=batch_size), images)
    assert_same_maps(found.maps, expected.maps)
    for figure, values in expected.figures.items():
        np.testing.assert_allclose(found.figures[figure], values, rtol=1e-3, atol=1e-5)


@each_method
def test_neither_chunks_nor_order_change_a_map(
    name: str, classifier: Classifier, images: Tensor
) -> None:
    expected = run(name, classifier, images).maps
    parts = [run(name, classifier, images, part).maps for part in (slice(0, 1), slice(1, 3))]
    assert_same_maps(torch.cat(parts), expected)
    order = [2, 0, 1]
    assert_same_maps(run(name, classifier, images, order).maps, expected[order])


@each_method
def test_methods_do_not_disturb_each_other(
    name: str, classifier: Classifier, images: Tensor
) -> None:
    fresh = run(name, classifier, images).maps
    for other, method in CATALOGUE.items():
        if not method.misfit(classifier):
            run(other, classifier, images, slice(0, 1))
    classifier.scores(images)
    assert_same_maps(run(name, classifier, images).maps, fresh)


@each_method
def test_memory_that_runs_out_changes_no_map(
    name: str, classifier: Classifier, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(name, classifier, images).maps
    forward = Classifier.forward

    def limited(self: Classifier, batch: Tensor) -> Tensor:
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return forward(self, batch)

    monkeypatch.setattr(Classifier, "forward", limited)
    assert_same_maps(run(name, dataclasses.replace(classifier), images).maps, expected)


@each_method
def test_the_seed_decides_the_maps_of_stochastic_methods_alone(
    name: str, classifier: Classifier, images: Tensor
) -> None:
    one = run(name, classifier, images).maps
    torch.manual_seed(0)
    np.random.seed(0)
    assert_same_maps(run(name, classifier, images).maps, one)
    other = run(name, classifier, images, seeds=[seed + 1000 for seed in SEEDS]).maps
    differs = (one - other).abs().amax(dim=(1, 2)) > 1e-3 * one.abs().amax(dim=(1, 2))
    assert differs.tolist() == [CATALOGUE[name].stochastic] * len(images)


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_setting_changes_something(
    name: str, field: str, classifier: Classifier, images: Tensor
) -> None:
    assert set(OTHER) == set(FIELDS), "every setting needs another value to try"
    how = WITH.get((name, field), {})
    usual = run(name, classifier, images, **how).maps
    changed = run(name, classifier, images, **how | {field: OTHER[name, field]}).maps
    if usual.shape == changed.shape:
        assert ((usual - changed).abs() > 1e-3 * usual.abs().max()).any()


@each_method
def test_costs_are_the_passes_made(
    name: str, classifier: Classifier, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, passes = Classifier.forward, []

    def counted(self: Classifier, batch: Tensor) -> Tensor:
        passes.append(len(batch))
        return forward(self, batch)

    _ = classifier.layers
    monkeypatch.setattr(Classifier, "forward", counted)
    run(name, classifier, images)
    method = CATALOGUE[name]
    declared = method.cost(settings(name)).forward
    if name == "occlusion":  # its windows are counted by another size than these images have
        declared = 1 + 4**2
    # One pass may be needed once for all images, or be left out as an odd coalition is.
    assert declared - 1 <= sum(passes) / len(images) <= declared


@pytest.mark.parametrize("name", [name for name, one in CATALOGUE.items() if one.fits])
def test_what_does_not_fit_is_refused_with_the_same_words(
    name: str,
    classifiers: dict[str, Classifier],
    images: Tensor,
    unchanged: Callable[[nn.Module], Any],
) -> None:
    for classifier in classifiers.values():
        with unchanged(classifier.module):
            reason = CATALOGUE[name].misfit(classifier)
        if reason is None:
            run(name, classifier, images, slice(0, 1))
        else:
            assert classifier.name in reason
            with unchanged(classifier.module), pytest.raises(SightlineError) as error:
                run(name, classifier, images, slice(0, 1))
            assert str(error.value) == reason


@pytest.mark.parametrize(
    ("name", "words", "passes"),
    [
        ("gradcam", "1 forward, depth < 1 backward", 1),
        ("scorecam", "1 + (channels or 1024) forward", 1025),
        ("smoothgrad", "samples forward, samples backward", 150),
        ("occlusion", "1 + max(1, ceil((224 - window) / stride) + 1) ** 2 forward", 1 + 28**2),
        ("sobel", "no passes", 0),
    ],
)
def test_costs_are_told_in_the_words_they_are_computed_by(
    name: str, words: str, passes: int
) -> None:
    method = CATALOGUE[name]
    assert str(method.cost) == words
    assert method.cost(method.settings()).passes == passes


@each_method
def test_settings_are_strict_and_fixed(name: str) -> None:
    method: Method = CATALOGUE[name]
    assert method.name == name
    with pytest.raises(ValidationError):
        method.settings(nonesuch=1)
    for field in method.settings.model_fields:
        with pytest.raises(ValidationError):
            setattr(method.settings(), field, 1)
    assert method.signed == (method.scaling[0] != "positive")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, {"depth": 0}) for name in CAMS),
        *((name, {"depth": 1.1}) for name in CAMS),
        *((name, {"channels": 0}) for name in CHANNEL_CAMS),
        ("saliency", {"colours": "green"}),
        ("guided_backprop", {"colours": "green"}),
        ("smoothgrad", {"samples": 1}),
        ("smoothgrad", {"noise": 0}),
        ("smoothgrad", {"kind": "cubed"}),
        ("smoothgrad", {"tolerance": 0}),
        ("noise_tunnel", {"steps": 0}),
        ("gradient_shap", {"samples": 1}),
        ("gradient_shap", {"noise": -0.1}),
        ("gradient_shap", {"baselines": "black"}),
        ("rise", {"masks": 1}),
        ("rise", {"cells": 1}),
        ("rise", {"keep": 1}),
        ("rise", {"divide_by": "n"}),
        ("rise", {"tolerance": 0}),
        ("occlusion", {"window": 7, "stride": 8}),
        ("occlusion", {"stride": 0}),
        ("occlusion", {"fill": "grey"}),
        ("random", {"cells": 0}),
        ("centred_gaussian", {"sigma": 0}),
        ("integrated_gradients", {"steps": 0}),
        ("integrated_gradients", {"rule": "simpson"}),
        ("attention_rollout", {"heads": "sum"}),
        ("attention_rollout", {"discard": 1}),
        ("attention_rollout", {"discard": -0.1}),
        ("integrated_gradients", {"rule": "adaptive", "steps": 1}),
        ("integrated_gradients", {"rule": "adaptive", "tolerance": 0}),
        ("integrated_gradients", {"rule": "riemann-middle", "tolerance": 0.01}),
        ("integrated_gradients", {"rule": "secant", "tolerance": 0.01}),
        ("kernelshap", {"samples": 3}),
        ("kernelshap", {"segments": 1}),
        ("kernelshap", {"compactness": 0}),
        ("kernelshap", {"segment_on": "grey"}),
        ("kernelshap", {"segments_by": "quickshift"}),
        ("deeplift_shap", {"baselines": 1}),
        ("deeplift_shap", {"baselines": 9}),
        ("lrp", {"gamma": -0.1}),
        ("lrp", {"epsilon": 0}),
        ("lime", {"samples": 3}),
        ("lime", {"segments": 1}),
        ("lime", {"width": 0}),
        ("lime", {"ridge": 0}),
        ("kernelshap", {"tolerance": 0}),
    ],
)
def test_settings_have_bounds(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(name, **wrong)


@pytest.mark.parametrize(
    ("maps", "figures"),
    [
        (torch.zeros(2, 3, 3, dtype=torch.float64), {}),
        (torch.zeros(3, 3, 3), {}),
        (torch.zeros(2, 1, 3, 3), {}),
        (torch.zeros(2, 3, 3), {"passes": np.zeros(3)}),
    ],
)
def test_what_a_method_may_not_return_is_refused(maps: Tensor, figures: dict) -> None:
    with pytest.raises(Exception, match="Method odd returned"):
        check_explanation(Explanation(maps, figures), 2, "odd")


# --- KernelSHAP ---------------------------------------------------------------------------------


def shap(**given: Any) -> Any:
    return CATALOGUE["kernelshap"].settings(**given)


def test_of_a_linear_model_segments_get_what_they_add(weights: Tensor, pictures: Tensor) -> None:
    classifier, targets = linear(weights, torch.ones(8)), torch.tensor([2, 0, 7])
    how = shap(samples=60, segments=10)
    found = kernelshap(classifier, pictures, targets, [1, 2, 3], how)
    seen = ((pictures.movedim(1, -1) * 0.5 + 0.5) * 255).round().to(torch.uint8).numpy()
    for i, one in enumerate(found.maps):
        cut = torch.from_numpy(
            slic(seen[i], n_segments=10, compactness=10.0, start_label=0).astype(np.int64)
        )
        parts = cut.unique()
        assert len(parts) > 4
        assert found.figures["segments"][i] == len(parts)
        adds = (weights[targets[i]] * pictures[i]).sum(dim=0)
        for part in parts:
            inside = cut == part
            expected = adds[inside].sum()
            torch.testing.assert_close(
                one[inside], expected.expand(int(inside.sum())), atol=2e-4, rtol=1e-4
            )


def test_values_of_segments_sum_to_the_change_of_the_logit(
    classifier: Classifier, images: Tensor
) -> None:
    found = run("kernelshap", classifier, images)
    at_image = classifier.scores(images).gather(1, TARGETS[:, None])[:, 0]
    at_zero = classifier.scores(torch.zeros_like(images)).gather(1, TARGETS[:, None])[:, 0]
    seen = classifier.preprocessing.pixels(images)
    for i, one in enumerate(found.maps):
        cut = slic_segments(seen[i], 20, 10.0)
        values = [one[torch.from_numpy(cut == part)] for part in range(cut.max() + 1)]
        assert all((value == value[0]).all() for value in values)
        total = sum(value[0].item() for value in values)
        assert total == pytest.approx((at_image - at_zero)[i].item(), abs=1e-5)


def test_enough_samples_are_exact(weights: Tensor, pictures: Tensor) -> None:
    class Squared(nn.Module):
        """Segments interact: a logit is a square of what linear models say."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = linear(weights / 30, torch.zeros(8)).module

        def forward(self, images: Tensor) -> Tensor:
            return self.inner(images) ** 2

    classifier = Classifier(Squared(), Preprocessing((24, 32)))
    targets = torch.tensor([2, 0, 7])
    found = kernelshap(classifier, pictures, targets, [1, 2, 3], shap(samples=5000, segments=6))
    seen = classifier.preprocessing.pixels(pictures)
    for i, one in enumerate(found.maps):
        cut = slic_segments(seen[i], 6, 10.0)
        players = cut.max() + 1
        assert found.figures["passes"][i] == 2**players
        adds = (weights[targets[i]] / 30 * pictures[i]).sum(dim=0).double().numpy()
        parts = np.array([adds[cut == part].sum() for part in range(players)])
        # Of (sum_j a_j)^2 player i gets its square and half of each product 2 a_i a_j.
        expected = parts * parts.sum()
        np.testing.assert_allclose(one, expected[cut], atol=1e-5)


def test_passes_stay_within_the_samples(classifier: Classifier, images: Tensor) -> None:
    for samples, segments in ((4, 20), (5, 20), (33, 20), (40, 6)):
        how = {"samples": samples, "segments": segments}
        figures = run("kernelshap", classifier, images, **how).figures
        # In pairs, and never more than there are coalitions.
        expected = np.minimum(samples // 2 * 2, 2 ** figures["segments"])
        assert figures["passes"].tolist() == expected.tolist()


def test_segments_come_from_colours_and_are_shared_by_models(
    classifiers: dict[str, Classifier], shard: Any
) -> None:
    from sightline.images.shards import Shard

    with Shard(shard) as opened:
        picture = opened.image(opened.images[2])
    own = classifiers["cnn"].preprocessing
    half = dataclasses.replace(own, mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.1))
    one, other = (slic_segments(how.pixels(how([picture])[0])[0], 20, 10.0) for how in (own, half))
    np.testing.assert_array_equal(one, other)
    assert sorted(np.unique(one)) == list(range(one.max() + 1))
    assert 10 <= one.max() + 1 <= 30


def test_each_image_stops_at_the_wanted_error(classifier: Classifier, images: Tensor) -> None:
    how = {"segments": 20, "samples": 200}
    full = run("kernelshap", classifier, images, **how)
    assert (full.figures["passes"] == 200).all()
    fewer = run("kernelshap", classifier, images, segments=20, samples=90)
    tolerance = float(np.median(fewer.figures["standard_error"]))
    found = run("kernelshap", classifier, images, tolerance=tolerance, **how)
    figures = found.figures
    assert (figures["passes"] < 200).any()
    stopped = figures["passes"] < 199
    assert (figures["standard_error"][stopped] <= tolerance).all()
    for i in range(len(images)):
        alone = run(
            "kernelshap", dataclasses.replace(classifier, batch_size=7), images,
            slice(i, i + 1), tolerance=tolerance, **how,
        )  # fmt: skip
        assert alone.figures["passes"] == figures["passes"][i]
        assert_same_maps(alone.maps, found.maps[i : i + 1])


def test_values_that_are_not_determined_are_as_much_noise_as_signal(
    classifier: Classifier, images: Tensor
) -> None:
    error = run("kernelshap", classifier, images, samples=20, segments=20).figures["standard_error"]
    assert error.tolist() == [1.0] * len(images)
    whole = run("kernelshap", classifier, images, samples=5000, segments=6, tolerance=1e-9)
    assert (whole.figures["passes"] == 2 ** whole.figures["segments"]).all()
    assert (whole.figures["standard_error"] == 0).all()
