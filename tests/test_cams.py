"""Class activation maps against their formulas and other implementations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
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
from torch import Tensor, nn

from explaining import (
    CHANNEL_CAMS,
    GRADIENT_CAMS,
    TARGETS,
    assert_same_maps,
    run,
)
from sightline.methods.cams.channels import mask_of, most_varied
from sightline.methods.cams.eigencam import first_component
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.layers import FeatureMap, Layer
from sightline.models.preprocessing import Preprocessing
from sightline.models.state import hooks

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
            # Where a channel sums to less than 0, ours counts 0; theirs has poles.
            a = a - np.minimum(a.mean(axis=(2, 3), keepdims=True), 0)
            weights = other.get_cam_weights(images, layer, targets, a, g)
            raw = (weights[:, :, None, None] * activations).sum(axis=1)
        else:
            a = a * 1e5 if name == "xgradcam" else a
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
    from sightline.methods.cams import gradcam_plus_plus, xgradcam

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
