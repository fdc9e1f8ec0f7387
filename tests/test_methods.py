"""Every method of the catalogue, and each against other implementations."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop, GuidedGradCam, IntegratedGradients, LayerGradCam, Saliency
from pydantic import ValidationError
from pytorch_grad_cam import (
    AblationCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection
from skimage.segmentation import slic
from torch import Tensor, nn

from conftest import make_classifier
from conftest import quick_settings as settings
from sightline.errors import SightlineError
from sightline.jobs.explain import check_explanation
from sightline.methods.catalogue import CATALOGUE, Method
from sightline.methods.channels import mask_of, most_varied
from sightline.methods.eigencam import first_component
from sightline.methods.explanation import Explanation
from sightline.methods.integrated_gradients import integrated_gradients, quadrature
from sightline.methods.kernelshap import kernelshap
from sightline.methods.segments import slic_segments
from sightline.models.classifier import Classifier
from sightline.models.layers import FeatureMap, Layer
from sightline.models.preprocessing import Preprocessing
from sightline.models.state import hooks

TARGETS = torch.tensor([0, 3, 5])
SEEDS = [11, 12, 13]
GRADIENT_CAMS = (
    "gradcam", "gradcam_plus_plus", "layercam", "hirescam", "xgradcam", "abscam_initial"
)  # fmt: skip
CHANNEL_CAMS = ("scorecam", "abscam_final", "ablationcam")
CAMS = (*GRADIENT_CAMS, "eigencam", *CHANNEL_CAMS, "guided_gradcam")
# Another value of each setting.
OTHER = {
    **{(name, "depth"): 0.8 for name in CAMS},
    **{(name, "relu"): True for name in (*GRADIENT_CAMS, *CHANNEL_CAMS)},
    **{(name, "channels"): 7 for name in CHANNEL_CAMS},
    ("saliency", "colours"): "largest",
    ("guided_backprop", "colours"): "largest",
    ("smoothgrad", "samples"): 3,
    ("smoothgrad", "noise"): 0.3,
    ("integrated_gradients", "steps"): 3,
    ("integrated_gradients", "rule"): "riemann-middle",
    ("kernelshap", "samples"): 14,
    ("kernelshap", "segments"): 9,
    ("kernelshap", "compactness"): 0.5,
    ("kernelshap", "segment_on"): "normalised",
}
# Where it makes a difference: weights of 0 or above give a rectified layer no negative values.
WITH: dict[tuple[str, str], dict[str, Any]] = {
    (name, "relu"): {"depth": 0.16}
    for name in ("gradcam_plus_plus", "layercam", "abscam_initial", "scorecam", "abscam_final")
}
FIELDS = [(name, field) for name, one in CATALOGUE.items() for field in one.settings.model_fields]


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
        settings(name, **changed),
    )


def assert_same_maps(found: Tensor, expected: Tensor) -> None:
    """To 1e-5 of each map's own maximum, as the study promises."""
    assert found.shape == expected.shape
    peaks = expected.abs().amax(dim=(1, 2))
    assert (peaks > 0).all()
    assert ((found - expected).abs().amax(dim=(1, 2)) <= 1e-5 * peaks).all()


# --- Every method -------------------------------------------------------------------------------

each_method = pytest.mark.parametrize("name", CATALOGUE)


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
    assert found.maps.flatten(1).unique(dim=0).shape[0] == len(images)
    for values in found.figures.values():
        assert np.isfinite(values).all()


@each_method
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
    for other in CATALOGUE:
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
    declared = CATALOGUE[name].cost(settings(name)).forward
    # One pass may be needed once for all images, or be left out as an odd coalition is.
    assert declared - 1 <= sum(passes) / len(images) <= declared


@each_method
def test_settings_are_strict_and_fixed(name: str) -> None:
    method: Method = CATALOGUE[name]
    assert method.name == name
    with pytest.raises(ValidationError):
        method.settings(nonesuch=1)
    with pytest.raises(ValidationError):
        setattr(method.settings(), next(iter(method.settings.model_fields)), 1)
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
        ("integrated_gradients", {"steps": 0}),
        ("integrated_gradients", {"rule": "simpson"}),
        ("kernelshap", {"samples": 3}),
        ("kernelshap", {"segments": 1}),
        ("kernelshap", {"compactness": 0}),
        ("kernelshap", {"segment_on": "grey"}),
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


# --- Class activation maps by gradients ----------------------------------------------------------


def raw_gradcam(classifier: Classifier, images: Tensor, **changed: Any) -> Tensor:
    return run("gradcam", classifier, images, **changed).maps


@pytest.mark.parametrize("depth", [0.3, 0.8, 1.0])
def test_gradcam_is_captums(
    depth: float, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    cnn = classifiers["cnn"]
    layer = cnn.module.get_submodule(cnn.layer(depth).name)
    captums = LayerGradCam(cnn.module, layer)
    for relu in (False, True):
        found = raw_gradcam(cnn, images, depth=depth, relu=relu)
        expected = captums.attribute(images, TARGETS, relu_attributions=relu)[:, 0].detach()
        scale = expected.abs().amax()
        torch.testing.assert_close(found / scale, expected / scale, atol=1e-5, rtol=1e-5)
        assert (found.amin() < 0) != relu


def tokens(activations: Tensor) -> Tensor:
    """A ViT's: without the class token, 6 x 6 patches of 16 pixels."""
    return activations[:, 1:].reshape(-1, 6, 6, activations.shape[2]).permute(0, 3, 1, 2)


def channels_last(activations: Tensor) -> Tensor:
    return activations.permute(0, 3, 1, 2)


RESHAPES = {"cnn": None, "transformer": tokens, "nhwc": channels_last}


def depth_of(method: str, kind: str) -> float:
    return 0.8 if (method, kind) == ("hirescam", "transformer") else 1.0


# Of pytorch-grad-cam, what is made from its raw activations and gradients.
OTHERS = {
    "gradcam": GradCAM,
    "gradcam_plus_plus": GradCAMPlusPlus,
    "layercam": LayerCAM,
    "hirescam": HiResCAM,
    "xgradcam": XGradCAM,
}


@pytest.mark.parametrize("kind", RESHAPES)
@pytest.mark.parametrize("name", OTHERS)
def test_cams_are_those_of_pytorch_grad_cam(
    name: str, kind: str, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    classifier = classifiers[kind]
    depth = depth_of(name, kind)
    layer = classifier.module.get_submodule(classifier.layer(depth).name)
    targets = [ClassifierOutputTarget(int(target)) for target in TARGETS]
    with OTHERS[name](classifier.module, [layer], reshape_transform=RESHAPES[kind]) as other:
        final = other(images.clone(), targets)
        # Its own steps before it scales each map to [0, 1] and to the image's size.
        activations, gradients = (
            getattr(other.activations_and_grads, name)[0].numpy()
            for name in ("activations", "gradients")
        )
        # Its weights have a constant beside g^2, or beside the sum of a. Only the map's scale
        # changes when gradients are scaled up and activations down, or activations alone up.
        a, g = activations, gradients
        if name == "gradcam_plus_plus":
            a, g = a / 1e5, g * 1e5
        elif name == "xgradcam":
            a = a * 1e5
        if name == "gradcam_plus_plus":
            # Where a channel sums to less than 0, ours counts 0; theirs has poles.
            a = a - np.minimum(a.mean(axis=(2, 3), keepdims=True), 0)
            weights = other.get_cam_weights(images, layer, targets, a, g)
            raw = (weights[:, :, None, None] * activations).sum(axis=1)
        else:
            raw = other.get_cam_image(images, layer, targets, a, g, False)
    classifier.module.zero_grad(set_to_none=True)
    found = run(name, classifier, images, depth=depth).maps.numpy()
    found, raw = (one / np.abs(one).max() for one in (found, raw))
    np.testing.assert_allclose(found, raw, atol=1e-5)
    assert final.shape == (3, 96, 96)
    for ours, theirs in zip(found, final, strict=True):
        # Where theirs is largest ours is positive, and where ours has no evidence theirs is 0.
        if name != "gradcam_plus_plus":
            assert (theirs.max() > 0) == (ours.max() > 0)


def plain_weights(name: str, a: np.ndarray, g: np.ndarray) -> np.ndarray:
    """What one channel's activations are weighted with, as the papers write it."""
    if name == "gradcam":
        return g.mean()
    if name == "gradcam_plus_plus":
        total, weight = max(a.sum(), 0.0), 0.0
        for one in g.flat:
            if one > 0:
                weight += one**2 / (2 * one**2 + one**3 * total) * one
        return np.array(weight)
    if name == "layercam":
        return np.where(g > 0, g, 0)
    if name == "hirescam":
        return g
    if name == "xgradcam":
        return np.array(sum(a.flat[i] / a.sum() * g.flat[i] for i in range(a.size) if a.any()))
    assert name == "abscam_initial"
    return np.sqrt(g**2).mean()


@pytest.mark.parametrize("kind", RESHAPES)
@pytest.mark.parametrize("name", GRADIENT_CAMS)
def test_cams_are_their_formulas(
    name: str, kind: str, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    classifier = classifiers[kind]
    depth = depth_of(name, kind)
    layer = classifier.module.get_submodule(classifier.layer(depth).name)
    found, kept = run(name, classifier, images, depth=depth).maps.double(), []
    for i, target in enumerate(TARGETS):
        a, g = read_by_hand(classifier.module, layer, images[i : i + 1], int(target), kind)
        expected = np.zeros(a.shape[1:])
        for k in range(len(a)):
            expected += plain_weights(name, a[k], g[k]) * a[k]
        kept.append(torch.from_numpy(expected))
    expected_maps = torch.stack(kept)
    scale = expected_maps.abs().amax(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(found / scale, expected_maps / scale, atol=1e-5, rtol=1e-5)
    with_relu = run(name, classifier, images, depth=depth, relu=True).maps
    torch.testing.assert_close(with_relu, found.float().clamp_min(0), atol=0, rtol=1e-4)


def read_by_hand(
    module: nn.Module, layer: nn.Module, image: Tensor, target: int, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Activations of a layer and their gradient, float64 (channels, height, width)."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _args: object, output: Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    with hooks([layer.register_forward_hook(keep)]):
        # Twice the image: one alone is computed by other kernels.
        module(image.expand(2, -1, -1, -1))[0, target].backward()
    module.zero_grad(set_to_none=True)
    assert kept[0].grad is not None
    reshape = RESHAPES[kind] or (lambda same: same)
    a, g = (reshape(one)[0].double().numpy() for one in (kept[0].detach(), kept[0].grad))
    return a, g


def test_of_a_pooled_layer_hirescam_is_gradcam(
    classifiers: dict[str, Classifier], images: Tensor
) -> None:
    cnn = classifiers["cnn"]
    found, coarse = (run(name, cnn, images, depth=1).maps for name in ("hirescam", "gradcam"))
    assert_same_maps(found, coarse)
    # Then the logit is linear in the layer, and the map is what it is made of.
    logits = cnn.scores(images).gather(1, TARGETS[:, None])[:, 0]
    bias = cnn.module.get_classifier().bias.detach()[TARGETS]
    torch.testing.assert_close(found.sum(dim=(1, 2)), logits - bias, rtol=1e-4, atol=1e-4)
    # What it conserves, XGrad-CAM does for each channel.
    conserved = run("xgradcam", cnn, images).maps.sum(dim=(1, 2))
    torch.testing.assert_close(conserved, logits - bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "depth"), [("transformer", 1.0), ("nhwc", 0.8)])
def test_before_a_layer_norm_hirescam_is_zero_and_not_rounding(
    kind: str, depth: float, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    classifier = classifiers[kind]
    layer = classifier.layer(depth)
    for a, g in classifier.gradients_at(layer, images, TARGETS):
        parts = (a * g).double()
        # Scaling all features of a position changes no score.
        assert parts.sum(dim=1).abs().max() < 1e-4 * parts.abs().sum(dim=1).max()
    assert not run("hirescam", classifier, images, depth=depth).maps.any()


def test_rules_of_channels_without_activation_are_finite() -> None:
    from sightline.methods import gradcam_plus_plus, xgradcam

    a, g = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)
    a[0, 1] = torch.tensor([[1.0, -1.0], [2.0, -2.0]])  # sums to 0
    assert not xgradcam._rule(a, g).any()
    a[0, 1] -= 0.25  # g sum A is -1, of -2 the pole
    torch.testing.assert_close(gradcam_plus_plus._rule(a, 2 * g)[0], 4 * a[0, 1])


# --- Eigen-CAM ----------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0.05, 1.0])
@pytest.mark.parametrize("kind", RESHAPES)
def test_eigencam_is_the_first_singular_vectors_projection(
    kind: str, depth: float, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    classifier = classifiers[kind]
    layer = classifier.layer(depth)
    found = run("eigencam", classifier, images, depth=depth).maps
    for i, one in enumerate(found):
        with torch.no_grad():
            activations, _ = classifier.activations_at(layer, images[i : i + 1])
        features = activations[0][0].flatten(1).double().numpy().T
        assert features.shape == (layer.height * layer.width, layer.maps[0].channels)
        _, _, vectors = np.linalg.svd(features, full_matrices=True)
        expected = (features @ vectors[0]).reshape(layer.height, layer.width)
        expected *= np.sign(expected.sum())
        scale = np.abs(expected).max()
        np.testing.assert_allclose(one / scale, expected / scale, atol=1e-5)


def test_eigencam_is_that_of_pytorch_grad_cam_but_for_centring() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((2, 40, 3, 4), (2, 5, 6, 7)):
        activations = torch.randn(shape, generator=generator)
        centred = activations - activations.mean(dim=(2, 3), keepdim=True)
        found = first_component(centred).numpy()
        expected = get_2d_projection(activations.numpy())
        # Centred, the map sums to 0 and its sign is nobody's.
        signs = np.sign((found * expected).sum(axis=(1, 2), keepdims=True))
        np.testing.assert_allclose(found * signs, expected, atol=1e-5)


def test_what_is_not_finite_has_no_direction() -> None:
    activations = torch.ones(3, 4, 2, 2)
    activations[1, 2, 0, 1] = torch.nan
    found = first_component(activations)
    assert found[1].isnan().all()
    torch.testing.assert_close(found[[0, 2]], torch.full((2, 2, 2), 2.0, dtype=torch.float64))
    assert not first_component(torch.zeros(1, 4, 2, 2)).any()


# --- Class activation maps by one pass a channel -----------------------------------------------


class Areas(nn.Upsample):
    """How Sightline resamples: positions are areas."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size, mode="bilinear")


# Their ablation subtracts 1e7 from what is not rectified, where ours sets it to 0. The random NHWC
# model's scores jump where an image is nearly 0, by what their 1e-8 beside the range changes.
@pytest.mark.parametrize(
    ("name", "kind"), [("scorecam", "cnn"), ("scorecam", "transformer"), ("ablationcam", "cnn")]
)
def test_channel_cams_are_those_of_pytorch_grad_cam(
    name: str,
    kind: str,
    classifiers: dict[str, Classifier],
    images: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nn, "UpsamplingBilinear2d", Areas)
    classifier = classifiers[kind]
    layer = classifier.module.get_submodule(classifier.layer().name)
    targets = [ClassifierOutputTarget(int(target)) for target in TARGETS]
    theirs = {"scorecam": ScoreCAM, "ablationcam": AblationCAM}[name]
    found = run(name, classifier, images, channels=None)
    with theirs(classifier.module, [layer], reshape_transform=RESHAPES[kind]) as other:
        other(images.clone(), targets)
        (kept,) = (one.numpy() for one in other.activations_and_grads.activations[:1])
        raw = other.get_cam_image(images, layer, targets, kept, kept)
        if name == "ablationcam":  # divides by the logit, and not by its magnitude
            logits = classifier.scores(images).gather(1, TARGETS[:, None])[:, 0]
            raw *= np.sign(logits.numpy())[:, None, None]
    scale = np.abs(raw).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found.maps.numpy() / scale, raw / scale, atol=3e-5)
    assert (found.figures["passes"] == 1 + kept.shape[1]).all()


def plain_mask(channel: Tensor, size: int) -> Tensor:
    large = nn.functional.interpolate(channel[None, None], (size, size), mode="bilinear")[0, 0]
    if large.max() - large.min() <= 1e-6 * large.abs().max():
        return torch.zeros_like(large)
    return (large - large.min()) / (large.max() - large.min())


@pytest.mark.parametrize("kind", RESHAPES)
@pytest.mark.parametrize("name", CHANNEL_CAMS)
def test_channel_cams_are_their_formulas(
    name: str, kind: str, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    classifier = classifiers[kind]
    layer = classifier.module.get_submodule(classifier.layer().name)
    module = classifier.module
    for i, target in enumerate(TARGETS.tolist()[:2]):
        image = images[i : i + 1]
        a, g = map(torch.from_numpy, read_by_hand(module, layer, image, target, kind))
        parts = a * g.abs().mean(dim=(1, 2))[:, None, None] if name == "abscam_final" else a
        spread = parts.numpy().std(axis=(1, 2))
        chosen = sorted(np.argsort(-spread, kind="stable")[:12].tolist())
        found = run(name, classifier, images, slice(i, i + 1))
        assert found.figures["passes"].tolist() == [13]
        values = []
        for k in chosen:
            shown = image.expand(2, -1, -1, -1)
            with torch.no_grad():
                if name == "ablationcam":
                    without = hooks([layer.register_forward_hook(removing(k, kind))])
                    with without:
                        values.append(module(shown)[0].double())
                else:
                    values.append(module(shown * plain_mask(parts[k].float(), 96))[0].double())
        scores = torch.stack(values)
        if name == "scorecam":
            base = classifier.scores(torch.zeros_like(image))[0, target].double()
            weights = (scores[:, target] - base).softmax(dim=0)
        elif name == "abscam_final":
            weights = scores.softmax(dim=1)[:, target]
        else:
            whole = classifier.scores(image)[0, target].double()
            weights = (whole - scores[:, target]) / whole.abs()
        expected = (weights[:, None, None] * parts[chosen]).sum(dim=0)
        peak = expected.abs().max()
        torch.testing.assert_close(
            found.maps[0] / peak, (expected / peak).float(), atol=2e-5, rtol=0
        )


def removing(channel: int, kind: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
    def hook(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
        output = output.clone()
        if kind == "cnn":
            output[:, channel] = 0
        elif kind == "nhwc":
            output[..., channel] = 0
        else:
            output[:, 1:, channel] = 0
        return output

    return hook


def test_channels_that_vary_most_are_taken_of_all_branches() -> None:
    one = torch.tensor([0.0, 3.0, 1.0])[:, None, None] * torch.tensor([[0.0, 1.0]])
    other = torch.tensor([2.0, 0.0])[:, None, None] * torch.tensor([[0.0], [1.0]]) + 9
    assert [list(found) for found in most_varied([one, other], 2)] == [[1], [0]]
    assert [list(found) for found in most_varied([one, other], None)] == [[0, 1, 2], [0, 1]]
    assert [list(found) for found in most_varied([one, other], 9)] == [[0, 1, 2], [0, 1]]
    assert [list(found) for found in most_varied([one, other], 4)] == [[0, 1, 2], [0]]
    assert [list(found) for found in most_varied([one[:1], other[1:]], 1)] == [[0], []]


def test_a_channel_that_is_the_same_everywhere_shows_nothing() -> None:
    channels = torch.stack(
        [torch.full((3, 3), 0.1), torch.arange(9.0).view(3, 3), torch.zeros(3, 3)]
    )
    channels[0, 1, 1] *= 1 + 1e-7
    masks = mask_of(channels, (7, 9))
    assert not masks[[0, 2]].any()
    assert (masks[1].min(), masks[1].max()) == (0, 1)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "tokens"])
def test_channels_are_removed_at_all_positions(layout: Any) -> None:
    one = FeatureMap("any", layout, 2, 3, 4, prefix=1 if layout == "tokens" else 0)
    shape = {"NCHW": (5, 4, 2, 3), "NHWC": (5, 2, 3, 4), "tokens": (5, 7, 4)}[layout]
    given = torch.ones(shape)
    found = one.without_channels(given, torch.tensor([0, 3]), torch.tensor([2, 1]))
    assert (given == 1).all()
    expected = torch.ones(5, 4, 2, 3)
    expected[0, 2] = expected[3, 1] = 0
    assert torch.equal(one.spatial(found), expected)
    if layout == "tokens":
        assert (found[:, 0] == 1).all()


@pytest.mark.parametrize("name", CHANNEL_CAMS)
def test_branches_are_taken_together(name: str) -> None:
    """Two branches, of which one is twice as fine: each has the channels that it has alone."""

    class Branched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(3)
            self.fine = nn.Conv2d(3, 3, 4, 4)
            self.coarse = nn.Conv2d(3, 5, 8, 8)
            self.head = nn.Linear(8, 4)

        def forward(self, images: Tensor) -> Tensor:
            found = (self.fine(images).relu(), self.coarse(images).relu())
            return self.head(torch.cat([one.mean(dim=(2, 3)) for one in found], dim=1))

    maps = (FeatureMap("fine", "NCHW", 4, 4, 3), FeatureMap("coarse", "NCHW", 2, 2, 5))
    layer = Layer(maps, 1.0)
    pictures = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    targets, module = torch.tensor([1, 2]), Branched().eval()
    size = Preprocessing((16, 16))
    both = Classifier(module, size, known_layers=(layer,), batch_size=3)
    how = CATALOGUE[name].settings(relu=False)
    found = CATALOGUE[name].load()(both, pictures, targets, [0, 0], how)
    assert found.figures["passes"].tolist() == [9, 9]
    if name == "ablationcam":
        # A channel's weight does not depend on the others: the joined map is that of the parts.
        alone = [
            CATALOGUE[name].load()(
                Classifier(module, size, known_layers=(Layer((one,), 1.0),)),
                pictures, targets, [0, 0], how,
            ).maps
            for one in maps
        ]  # fmt: skip
        torch.testing.assert_close(found.maps, layer.join(alone))
    few = CATALOGUE[name].settings(relu=False, channels=2)
    assert CATALOGUE[name].load()(both, pictures, targets, [0, 0], few).maps.shape == (2, 4, 4)


@pytest.mark.parametrize("name", CHANNEL_CAMS)
def test_memory_does_not_grow_with_the_channels(
    name: str, classifiers: dict[str, Classifier], images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, sizes = Classifier.forward, []

    def counted(self: Classifier, batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(Classifier, "forward", counted)
    classifier = dataclasses.replace(classifiers["cnn"], batch_size=5)
    run(name, classifier, images, slice(0, 1), channels=None)
    channels = classifier.layer().maps[0].channels
    assert sizes == [1, *[5] * (channels // 5), *([channels % 5] if channels % 5 else [])]


# --- The gradient at the image ------------------------------------------------------------------


@pytest.mark.parametrize("colours", ["sum", "largest"])
def test_saliency_is_captums(colours: str, classifier: Classifier, images: Tensor) -> None:
    found = run("saliency", classifier, images, colours=colours).maps
    expected = Saliency(classifier.module).attribute(
        images.clone().requires_grad_(), TARGETS, abs=colours == "largest"
    )
    expected = expected.detach()
    assert_same_maps(found, expected.sum(1) if colours == "sum" else expected.amax(1))


def test_saliency_of_a_linear_model_is_its_weights(weights: Tensor, pictures: Tensor) -> None:
    targets = torch.tensor([2, 0, 7])
    expected = {"sum": weights[targets].sum(1), "largest": weights[targets].abs().max(1).values}
    for name in ("saliency", "smoothgrad"):
        for colours in ("sum", "largest") if name == "saliency" else ("sum",):
            how = {"colours": colours} if name == "saliency" else {}
            found = CATALOGUE[name].load()(
                linear(weights, torch.ones(8)), pictures, targets, [1, 2, 3], settings(name, **how)
            )
            torch.testing.assert_close(found.maps, expected[colours])
    # Where noise changes no gradient, the mean is exact.
    assert (found.figures["standard_error"] < 1e-6).all()


def test_smoothgrad_is_the_mean_of_noisy_gradients(images: Tensor) -> None:
    classifier = make_classifier("test_vit")
    found = run("smoothgrad", classifier, images, samples=3, noise=0.2)
    for i, target in enumerate(TARGETS.tolist()):
        kept = []
        for number in range(3):
            noise = np.random.default_rng((SEEDS[i], number)).standard_normal(
                (3, 96, 96), dtype=np.float32
            )
            span = (images[i].max() - images[i].min()).item()
            noisy = (images[i] + 0.2 * span * torch.from_numpy(noise)).expand(2, -1, -1, -1)
            leaf = noisy.clone().requires_grad_()
            classifier.module(leaf)[0, target].backward()
            assert leaf.grad is not None
            kept.append(leaf.grad[0].sum(0).double())
        classifier.module.zero_grad(set_to_none=True)
        gradients = torch.stack(kept)
        assert_same_maps(found.maps[i : i + 1], gradients.mean(0)[None].float())
        errors = gradients.std(0) / 3**0.5
        expected = errors.square().mean().sqrt() / gradients.mean(0).square().mean().sqrt()
        assert found.figures["standard_error"][i] == pytest.approx(expected.item(), rel=1e-4)


def test_smoothgrads_error_is_that_of_its_seeds() -> None:
    class Cubed(nn.Module):
        """A logit is a sum of cubes: gradients are 3 (x + e)^2 at each pixel."""

        def forward(self, images: Tensor) -> Tensor:
            return (images**3).sum(dim=(1, 2, 3))[:, None].expand(-1, 2)

    classifier = Classifier(Cubed(), Preprocessing((8, 8)), batch_size=64)
    picture = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(5)).expand(
        40, -1, -1, -1
    )
    function, target = CATALOGUE["smoothgrad"].load(), torch.zeros(40, dtype=torch.int64)
    span = (picture.max() - picture.min()).item()
    exact = (3 * (picture[0] ** 2 + (0.1 * span) ** 2)).sum(0)
    for samples in (4, 64):
        how = CATALOGUE["smoothgrad"].settings(samples=samples, noise=0.1)
        found = function(classifier, picture, target, list(range(40)), how)
        off = (found.maps - exact).square().mean(
            dim=(1, 2)
        ).sqrt().mean() / exact.square().mean().sqrt()
        assert found.figures["standard_error"].mean() == pytest.approx(off.item(), rel=0.06)
        # 1/n of the variance of 3 (x + e)^2, summed over colours.
        s = 0.1 * span
        variance = (9 * (4 * picture[0] ** 2 * s**2 + 2 * s**4)).sum(0) / samples
        assert off.item() == pytest.approx(
            (variance.mean().sqrt() / exact.square().mean().sqrt()).item(), rel=0.06
        )


# --- Guided backpropagation ---------------------------------------------------------------------


def test_guided_backprop_is_captums(classifiers: dict[str, Classifier], images: Tensor) -> None:
    cnn = classifiers["cnn"]
    module = copy.deepcopy(cnn.module)
    for child in module.modules():
        if isinstance(child, nn.ReLU):
            child.inplace = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum says that it sets gradients and hooks
        guided = GuidedBackprop(module).attribute(images.clone().requires_grad_(), target=TARGETS)
        of_cam = GuidedGradCam(module, module.get_submodule(cnn.layer(0.8).name)).attribute(
            images.clone().requires_grad_(), target=TARGETS, interpolate_mode="bilinear"
        )
    found = run("guided_backprop", cnn, images).maps
    assert_same_maps(found, guided.sum(1).detach())
    largest = run("guided_backprop", cnn, images, colours="largest").maps
    assert_same_maps(largest, guided.abs().amax(1).detach())
    assert_same_maps(run("guided_gradcam", cnn, images, depth=0.8).maps, of_cam.sum(1).detach())


def d_gelu(z: Tensor) -> Tensor:
    density = (-z.square() / 2).exp() / (2 * torch.pi) ** 0.5
    return (1 + torch.erf(z / 2**0.5)) / 2 + z * density


def d_silu(z: Tensor) -> Tensor:
    s = 1 / (1 + (-z).exp())
    return s + z * s * (1 - s)


def one(z: Tensor) -> Tensor:
    return torch.ones_like(z)


ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "module": (nn.ReLU(), one),
    "module in place": (nn.ReLU(inplace=True), one),
    "function": (nn.functional.relu, one),
    "method": (Tensor.relu, one),
    "method in place": (Tensor.relu_, one),
    "relu6": (nn.ReLU6(inplace=True), lambda z: (z < 6).to(z)),
    "clamp": (lambda z: z.clamp(min=0), one),
    "clamp_min": (lambda z: z.clamp_min(0), one),
    "threshold": (lambda z: nn.functional.threshold(z, 0, 0), one),
    "gelu": (nn.functional.gelu, d_gelu),
    "gelu module": (nn.GELU(), d_gelu),
    "silu": (nn.functional.silu, d_silu),
    "silu in place": (nn.SiLU(inplace=True), d_silu),
    "hardswish": (nn.Hardswish(), lambda z: torch.where(z < 3, (2 * z + 3) / 6, 1)),
}


class Guided(nn.Module):
    """Two layers of any activation between three linear maps."""

    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        shapes = ((20, 3 * 16), (10, 20), (4, 10))
        self.weights = [torch.randn(shape, generator=generator) / 3 for shape in shapes]
        self.activation = activation

    def forward(self, images: Tensor) -> Tensor:
        first, second, third = self.weights
        hidden = self.activation(images.flatten(1) @ first.T)
        return self.activation(hidden @ second.T) @ third.T


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_guided_backprop_is_the_formula_for_modules_and_functions(name: str) -> None:
    activation, derivative = ACTIVATIONS[name]
    module = Guided(activation)
    pictures = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(8))
    targets = torch.tensor([1, 3])
    classifier = Classifier(module, Preprocessing((4, 4)))
    found = CATALOGUE["guided_backprop"].load()(
        classifier, pictures, targets, [0, 0], settings("guided_backprop")
    )
    first, second, third = module.weights
    for i, target in enumerate(targets.tolist()):
        z = first @ pictures[i].flatten()
        hidden = activation(z.clone())
        u = second @ hidden
        back = third[target].clamp_min(0) * derivative(u) * (u > 0)
        back = (second.T @ back).clamp_min(0) * derivative(z) * (z > 0)
        expected = (first.T @ back).view(3, 4, 4).sum(0)
        assert expected.any()
        torch.testing.assert_close(found.maps[i], expected, atol=1e-5, rtol=1e-5)


class Odd(torch.autograd.Function):
    """An activation that nothing is known of."""

    @staticmethod
    def forward(ctx: Any, given: Tensor) -> Tensor:
        return given.clone()

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        return outputs[0]


def half_in_place(z: Tensor) -> Tensor:
    z = z.clone()
    z[:, :5].relu_()
    return z.relu()


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (nn.LeakyReLU(), "not defined for LeakyRelu, which the model odd has"),
        (nn.ELU(), "not defined for Elu"),
        (lambda z: nn.functional.softplus(z.relu()), "not defined for Softplus"),
        (lambda z: Odd.apply(z.relu()), "not defined for Odd"),
        (half_in_place, "not defined for CopySlices"),
        (torch.tanh, "has no rectifier"),
        (lambda z: z.clamp(min=1e-6), "has no rectifier"),
        (lambda z: z.clamp(max=0), "has no rectifier"),
        (nn.Hardtanh(), "has no rectifier"),
    ],
)
@pytest.mark.parametrize("name", ["guided_backprop", "guided_gradcam"])
def test_what_cannot_be_guided_is_refused_by_name(name: str, activation: Any, message: str) -> None:
    classifier = Classifier(Guided(activation), Preprocessing((4, 4)), name="odd")
    with pytest.raises(SightlineError, match=message):
        CATALOGUE[name].load()(
            classifier, torch.randn(1, 3, 4, 4), torch.tensor([1]), [0], settings(name)
        )


def test_guided_gradcam_is_the_product(classifier: Classifier, images: Tensor) -> None:
    fine = run("guided_backprop", classifier, images).maps
    coarse = run("gradcam", classifier, images, depth=0.5, relu=True).maps
    large = nn.functional.interpolate(coarse[:, None], (96, 96), mode="bilinear")[:, 0]
    assert_same_maps(run("guided_gradcam", classifier, images).maps, fine * large)


# --- Integrated gradients -----------------------------------------------------------------------

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


def linear(weights: Tensor, bias: Tensor) -> Classifier:
    """A classifier whose logits are linear in the image."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(weights[0].numel(), len(weights)))
    module[1].load_state_dict({"weight": weights.flatten(1), "bias": bias})
    return Classifier(module, Preprocessing((weights.shape[2], weights.shape[3])), name="linear")


@pytest.fixture
def weights() -> Tensor:
    return torch.randn(8, 3, 24, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def pictures() -> Tensor:
    """Smooth, so that SLIC finds segments."""
    small = torch.rand(3, 3, 4, 5, generator=torch.Generator().manual_seed(2))
    return nn.functional.interpolate(small, (24, 32), mode="bicubic").clamp(0, 1) * 2 - 1


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
        places, share = (values.double() for values in quadrature(rule, steps))
        assert ((places > 0) & (places < 1)).all()
        # Gauss-Legendre is exact up to degree 2 n - 1, the midpoint rule up to degree 1.
        for degree in range(2 * steps if rule == "gauss-legendre" else 2):
            integral = (share * places**degree).sum().item()
            assert integral == pytest.approx(1 / (degree + 1), abs=1e-6)
    places, share = (values.double() for values in quadrature("riemann-middle", 50))
    assert (share * places**2).sum().item() == pytest.approx(1 / 3 - 1 / (12 * 50**2), abs=1e-7)


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
