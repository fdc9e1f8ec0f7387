"""Finding the layers that class activation maps read, and examining them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conftest import THESIS, make_classifier
from sightline.errors import SightlineError
from sightline.methods.cams.gradcam import gradcam
from sightline.methods.catalogue.cams import GradCamSettings
from sightline.models.classifier import Classifier
from sightline.models.examine import (
    answering_regions,
    answering_step_by_step,
    gradient_share,
    spread_share,
)
from sightline.models.graph import Graph
from sightline.models.layers import FeatureMap, Layer, layers_from_json, layers_to_json
from sightline.models.locality import altered_images, answering_share
from sightline.models.preprocessing import Preprocessing
from sightline.models.probe import find_layers, named_layer
from sightline.models.state import hooks, replaced

# --- Found in models of timm --------------------------------------------------------------------


def random_classifier(name: str, size: int) -> Classifier:
    from sightline.models.load import load_classifier
    from sightline.study.config import Model
    from sightline.study.models import resolve_model

    given = Model(name=name, pretrained=False, input={"size": (size, size)})
    return load_classifier(resolve_model("random", given).spec)


@pytest.mark.parametrize("name", THESIS)
def test_gradcam_needs_no_layer_named_for_the_thesis_models(name: str) -> None:
    classifier = random_classifier(name, 224)
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    found = gradcam(classifier, image, torch.tensor([3]), [0], GradCamSettings(relu=False)).maps
    side = THESIS[name]
    assert found.shape == (1, side, side)
    assert found.isfinite().all()
    # Far above the rounding of float32: the map really differs from place to place.
    assert found.std() > 1e-3 * found.abs().max() > 0
    assert classifier.layer().depth == 1


ZOO = ["test_byobnet", "test_convnext", "test_efficientnet", "test_mambaout", "test_resnet"]
ZOO += ["test_vit", "test_vit2", "test_vit3", "test_vit4"]


@pytest.mark.parametrize("name", ZOO)
def test_gradcam_needs_no_layer_named_for_the_small_models(name: str) -> None:
    args = {"num_classes": 8} | ({"img_size": 96} if "vit" in name else {})
    classifier = make_classifier(name, args=args)
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    for depth in (0.3, 1.0):
        settings = GradCamSettings(relu=False, depth=depth)
        found = gradcam(classifier, images, torch.tensor([3, 5]), [0, 0], settings).maps
        layer = classifier.layer(depth)
        assert found.shape == (2, layer.height, layer.width)
        assert found.isfinite().all()
        assert (found.std(dim=(1, 2)) > 1e-3 * found.abs().amax(dim=(1, 2))).all()
        assert (found.std(dim=(1, 2)) > 0).all()


@pytest.mark.parametrize("kind", ["cnn", "transformer", "nhwc"])
def test_depth_grows_with_the_depth_asked_for(
    kind: str, classifiers: dict[str, Classifier]
) -> None:
    classifier = classifiers[kind]
    depths = [layer.depth for layer in classifier.layers]
    assert depths == sorted(set(depths))
    assert depths[-1] == 1
    order = [name for name, _ in classifier.module.named_modules()]
    chosen = [classifier.layer(depth) for depth in (0.05, 0.25, 0.5, 0.75, 1.0)]
    assert [layer.depth for layer in chosen] == sorted(layer.depth for layer in chosen)
    assert len({layer.name for layer in chosen}) >= 4
    for wanted, layer in zip((0.05, 0.25, 0.5, 0.75, 1.0), chosen, strict=True):
        assert abs(layer.depth - wanted) == min(abs(depth - wanted) for depth in depths)
    # Layers of one kind lie in the model as their depths say.
    stages = [layer.name for layer in classifier.layers if layer.name.count(".") == 1]
    assert [order.index(name) for name in stages] == sorted(order.index(name) for name in stages)


def test_a_depth_outside_the_model_is_refused(classifiers: dict[str, Classifier]) -> None:
    for depth in (0.0, -1.0, 1.01):
        with pytest.raises(SightlineError, match="depth must be above 0 and at most 1"):
            classifiers["cnn"].layer(depth)


@pytest.mark.parametrize(
    ("kind", "name", "layout", "positions", "channels", "prefix"),
    [
        ("cnn", "layer2", "NCHW", 12, 48, 0),
        ("cnn", "layer4.0.conv1", "NCHW", 3, 96, 0),
        ("transformer", "blocks.4.norm1", "tokens", 6, 64, 1),
        ("transformer", "patch_embed.proj", "NCHW", 6, 64, 0),
        ("nhwc", "stages.2", "NHWC", 6, 48, 0),
    ],
)
def test_a_named_layer_is_read(
    kind: str, name: str, layout: str, positions: int, channels: int, prefix: int,
    classifiers: dict[str, Classifier],
) -> None:  # fmt: skip
    named = replace(classifiers[kind], layer_name=name)
    (layer,) = named.layers
    (read,) = layer.maps
    assert (layer.name, read.layout, read.prefix) == (name, layout, prefix)
    assert (layer.height, layer.width, read.channels) == (positions, positions, channels)
    assert named.layer(0.1) == layer  # a named one in any case
    images = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    found = gradcam(named, images, torch.tensor([1]), [0], GradCamSettings(relu=False)).maps
    assert found.shape == (1, positions, positions)
    assert found.std() > 0


def test_a_layer_that_cannot_be_read_is_refused(classifiers: dict[str, Classifier]) -> None:
    cnn = classifiers["cnn"]
    with pytest.raises(SightlineError, match=r"Unknown layer 'layer5'\. Did you mean 'layer\d'"):
        _ = replace(cnn, layer_name="layer5").layers
    with pytest.raises(SightlineError, match=r"Layer 'fc' of ResNet gives \(2, 8\)"):
        _ = replace(cnn, layer_name="fc").layers


class Flat(nn.Module):
    """A classifier that keeps no positions."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 16 * 16, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1))


def test_a_model_without_positions_is_refused() -> None:
    with pytest.raises(SightlineError, match="No layer of Flat has one position per part"):
        find_layers(Flat(), torch.randn(2, 3, 16, 16))


class Rectangular(nn.Module):
    """Positions as wide as the image, in a chosen layout, averaged."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout
        self.patches = nn.Conv2d(3, 20, 8, 8)
        self.read = nn.Identity()
        self.head = nn.Linear(20, 4)

    def forward(self, images: Tensor) -> Tensor:
        grid = self.patches(images).tanh()
        if self.layout == "NCHW":
            return self.head(self.read(grid).mean((2, 3)))
        if self.layout == "NHWC":
            return self.head(self.read(grid.movedim(1, -1)).mean((1, 2)))
        tokens = grid.flatten(2).movedim(1, 2)
        start = tokens.new_ones(len(tokens), 3, 20)
        return self.head(self.read(torch.cat([start, tokens], 1) * 1).mean(1))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "tokens"])
@pytest.mark.parametrize("size", [(32, 64), (96, 48), (40, 40)])
def test_layouts_are_told_apart_for_any_aspect(layout: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    module = Rectangular(layout)
    images = torch.randn(2, 3, *size)
    (layer,) = find_layers(module, images)[-1].maps
    assert (layer.module, layer.layout) == ("read", layout)
    assert (layer.height, layer.width) == (size[0] // 8, size[1] // 8)
    assert (layer.channels, layer.prefix) == (20, 3 if layout == "tokens" else 0)
    # Its spatial view is the grid as the convolution gave it.
    grid = module.patches(images).tanh()
    given: list[Tensor] = []
    with hooks([module.read.register_forward_hook(lambda *seen: given.append(seen[2]))]):
        module(images)
    torch.testing.assert_close(layer.spatial(given[0]), grid)


# --- Synthetic models whose answer is known -----------------------------------------------------


class Patches(nn.Module):
    """Tokens of 8 x 8 pixels, in rows, that depend on their own patch alone."""

    def __init__(self, channels: int = 20, patch: int = 8) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, channels, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        return self.project(images).tanh().flatten(2).movedim(1, 2)


class Branches(nn.Module):
    """Two resolutions, each pooled into its own logits, of which the score is the mean."""

    def __init__(self, *, together: bool) -> None:
        super().__init__()
        self.together = together
        self.scales = nn.ModuleList([nn.Conv2d(3, 6, 4, 4), nn.Conv2d(3, 5, 8, 8)])
        self.both = Both()
        self.heads = nn.ModuleList([nn.Linear(6, 4), nn.Linear(5, 4)])

    def forward(self, images: Tensor) -> Tensor:
        maps = [scale(images) for scale in self.scales]
        if self.together:
            maps = self.both(maps)
        scores = [head(one.mean((2, 3))) for head, one in zip(self.heads, maps, strict=True)]
        return torch.stack(scores).mean(0)


class Both(nn.Module):
    """Returns several tensors, in a nest of a dictionary."""

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return self.unpack({"fine": (maps[0].sin(), 7), "coarse": [maps[1].sin()]})

    def unpack(self, nest: dict[str, Any]) -> list[Tensor]:
        return [nest["fine"][0], nest["coarse"][0]]


@pytest.mark.parametrize("together", [False, True])
def test_branches_are_one_layer_together(together: bool) -> None:
    torch.manual_seed(0)
    module = Branches(together=together)
    images = torch.randn(2, 3, 32, 32)
    layer = find_layers(module, images)[-1]
    assert layer.name == ("both" if together else "scales.0+scales.1")
    assert [(one.height, one.width, one.channels) for one in layer.maps] == [(8, 8, 6), (4, 4, 5)]
    assert (layer.height, layer.width, layer.depth) == (8, 8, 1.0)
    # By hand: the logit is the mean of two linear maps of pooled features, so that each position
    # adds to it what follows, and the map's mean is the logit without the biases.
    classifier = Classifier(module, Preprocessing((32, 32)))
    target = torch.tensor([2, 0])
    found = gradcam(classifier, images, target, [0, 0], GradCamSettings(relu=False)).maps
    with torch.no_grad():
        maps = [scale(images) for scale in module.scales]
        if together:
            maps = module.both(maps)
        parts = [
            torch.einsum("nk,nkij->nij", head.weight[target], one)
            for head, one in zip(module.heads, maps, strict=True)
        ]
        coarse = nn.functional.interpolate(parts[1][:, None], (8, 8), mode="bilinear")[:, 0]
        bias = sum(head.bias for head in module.heads)[target] / 2
        logits = module(images).gather(1, target[:, None])[:, 0]
    torch.testing.assert_close(found, (parts[0] + coarse) / 2 / 64, atol=1e-6, rtol=1e-4)
    contribution = sum(part.mean((1, 2)) for part in parts) / 2
    torch.testing.assert_close(contribution + bias, logits, atol=1e-6, rtol=1e-4)


class Unrolled(nn.Module):
    """Tokens whose grid is cut into even and odd rows and columns, as Hiera does, then pooled."""

    def __init__(self, cuts: int) -> None:
        super().__init__()
        self.cuts = cuts
        self.patches = Patches()
        self.read = nn.Identity()
        self.head = nn.Linear(20, 4)

    def unroll(self, tokens: Tensor, height: int, width: int) -> Tensor:
        grid = tokens.unflatten(1, (height, width)).numpy(force=True)
        order = np.arange(height * width).reshape(1, height, width)
        for _ in range(self.cuts):
            # Each grid falls into four: rows even or odd, columns even or odd.
            order = np.concatenate([
                one[None, row::2, column::2]
                for one in order for row in (0, 1) for column in (0, 1)
            ])  # fmt: skip
        assert grid.shape[1:3] == (height, width)
        return tokens[:, torch.from_numpy(order.reshape(-1).copy())]

    def forward(self, images: Tensor) -> Tensor:
        height, width = (side // 8 for side in images.shape[-2:])
        tokens = self.unroll(self.patches(images), height, width)
        return self.head(self.read(tokens * 1).mean(1))


@pytest.mark.parametrize("cuts", [0, 1, 2])
@pytest.mark.parametrize("size", [(64, 64), (32, 96)])
def test_tokens_that_are_cut_into_halves_are_put_back(cuts: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    module = Unrolled(cuts)
    images = torch.randn(2, 3, *size)
    layer = find_layers(module, images)[-1]
    (read,) = layer.maps
    assert (read.module, read.unrolled) == ("read", cuts)
    given: list[Tensor] = []
    with hooks([module.read.register_forward_hook(lambda *seen: given.append(seen[2]))]):
        module(images)
    grid = module.patches.project(images).tanh()
    torch.testing.assert_close(read.spatial(given[0]), grid)
    # Setting positions means the same positions.
    where = torch.zeros(read.height, read.width, dtype=torch.bool)
    where[0, 1] = where[1, 0] = True
    changed = given[0].detach().clone()
    read.set_positions(changed[0], where, given[0][1])
    expected = torch.where(where, grid[1], grid[0])
    torch.testing.assert_close(read.spatial(changed)[0], expected)


class Shuffled(nn.Module):
    """Tokens in an order that no rule gives: no position of the later layer can be drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = Patches()
        self.shuffled = nn.Identity()
        self.head = nn.Linear(20, 4)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images)
        order = torch.randperm(tokens.shape[1], generator=torch.Generator().manual_seed(3))
        return self.head(self.shuffled(tokens[:, order]).mean(1))


def test_tokens_in_no_known_order_are_not_drawn() -> None:
    torch.manual_seed(0)
    module = Shuffled()
    images = torch.randn(2, 3, 64, 64)
    assert [layer.name for layer in find_layers(module, images)] == ["patches.project", "patches"]
    # Named by hand it is read, and examining it tells.
    named = named_layer(module, images, "shuffled")
    assert answering_regions(module, images, named.maps) < 0.4
    assert answering_regions(module, images, find_layers(module, images)[-1].maps) == 1


class Steps(nn.Module):
    """Returns all that it computed on its way, of which each is made from the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 4, 4)
        self.second = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, images: Tensor) -> list[Tensor]:
        first = self.first(images)
        return [first, self.second(first.sin())]


class OfTheLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = Steps()
        self.head = nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.steps(images)[-1].mean((2, 3)))


def test_what_a_module_has_used_already_is_not_read_from_it() -> None:
    torch.manual_seed(0)
    module, images = OfTheLast(), torch.randn(2, 3, 32, 32)
    layers = find_layers(module, images)
    assert [layer.name for layer in layers] == ["steps.first", "steps"]
    assert [one.output for one in layers[1].maps] == [1]
    # Every layer that is found can be read: its gradient is the one autograd gives.
    classifier = Classifier(module, Preprocessing((32, 32)))
    for layer in layers:
        ((_, gradients),) = classifier.gradients_at(layer, images, torch.tensor([0, 1]))
        assert gradients.abs().amax(dim=(1, 2, 3)).min() > 0


class Extra(nn.Module):
    """Tokens of the image with others before and behind them, the batch in either axis."""

    def __init__(self, before: int, behind: int, *, sequence_first: bool) -> None:
        super().__init__()
        self.before, self.behind, self.sequence_first = before, behind, sequence_first
        self.patches = Patches()
        block = nn.TransformerEncoderLayer(20, 2, 40, 0.0, batch_first=not sequence_first)
        self.blocks = nn.Sequential(block, Counted())
        self.head = nn.Linear(20, 4)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images)
        parts = [tokens.new_ones(len(tokens), count, 20) for count in (self.before, self.behind)]
        tokens = torch.cat([parts[0], tokens, parts[1]], dim=1)
        if self.sequence_first:
            tokens = tokens.transpose(0, 1)
        tokens, _ = self.blocks(tokens)
        return self.head(tokens.mean(0 if self.sequence_first else 1))


class Counted(nn.Module):
    """Returns a number beside its tensor, as mixtures of experts do."""

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return tokens * 1, tokens.square().mean()


@pytest.mark.parametrize("sequence_first", [False, True])
@pytest.mark.parametrize(("before", "behind"), [(0, 0), (1, 0), (0, 1), (2, 3), (0, 4)])
def test_tokens_are_found_among_others(before: int, behind: int, sequence_first: bool) -> None:
    torch.manual_seed(0)
    module = Extra(before, behind, sequence_first=sequence_first).eval()
    images = torch.randn(2, 3, 48, 64)
    layer = find_layers(module, images)[-1]
    (read,) = layer.maps
    assert layer.name == "blocks"
    assert (read.prefix, read.height, read.width) == (before, 6, 8)
    assert read.layout == ("sequence" if sequence_first else "tokens")
    assert answering_regions(module, images, layer.maps) == 1
    # By hand: Grad-CAM of the same tokens, taken out of the middle.
    classifier = Classifier(module, Preprocessing((48, 64)))
    ((activations, gradients),) = classifier.gradients_at(layer, images, torch.tensor([1, 3]))
    given: list[Tensor] = []
    with hooks([module.blocks.register_forward_hook(lambda *seen: given.append(seen[2][0]))]):
        logits = module(images)
    (expected,) = torch.autograd.grad(logits[0, 1] + logits[1, 3], given[0])
    for found, whole in ((activations, given[0]), (gradients, expected)):
        tokens = whole.transpose(0, 1) if sequence_first else whole
        grid = tokens[:, before : before + 48].reshape(2, 6, 8, 20).movedim(-1, 1)
        torch.testing.assert_close(found, grid, atol=1e-6, rtol=1e-5)


class Named(nn.Module):
    """Returns its scores in a dictionary."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"scores": images.mean((2, 3))}


def test_scores_that_are_no_tensor_are_said() -> None:
    with pytest.raises(SightlineError, match=r"Named: expected scores of shape .* got dict"):
        find_layers(Named(), torch.randn(2, 3, 16, 16))


class Windows(nn.Module):
    """Attention windows folded into the batch are no map of one image."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, 20, 4, 4)
        self.window = nn.Identity()
        self.head = nn.Linear(20, 4)

    def forward(self, images: Tensor) -> Tensor:
        grid = self.project(images).movedim(1, -1)
        count, side = len(grid), grid.shape[1] // 4
        windows = grid.unflatten(2, (side, 4)).unflatten(1, (side, 4)).transpose(2, 3)
        windows = self.window(windows.flatten(0, 2).flatten(1, 2))
        return self.head(windows.unflatten(0, (count, side * side)).mean((1, 2)))


def test_windows_in_the_batch_are_no_layer() -> None:
    torch.manual_seed(0)
    assert find_layers(Windows(), torch.randn(2, 3, 64, 64))[-1].name == "project"


class Twice(nn.Module):
    """One submodule that runs twice, the second time deeper; then an in-place operation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.same = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        features = self.same(self.stem(images)).sin()
        features = self.same(features)
        return self.head(self.last(features).mean((2, 3)))


def test_calls_of_one_submodule_are_told_apart_and_in_place_changes_do_no_harm() -> None:
    torch.manual_seed(0)
    module = Twice()
    images = torch.randn(2, 3, 32, 32)
    layers = {(layer.name, layer.maps[0].call): layer for layer in find_layers(module, images)}
    assert {("same", 0), ("same", 1)} < set(layers)
    assert layers["same", 0].depth < layers["same", 1].depth < layers["last", 0].depth
    classifier = Classifier(module, Preprocessing((32, 32)))
    for call in (0, 1):
        ((activations, gradients),) = classifier.gradients_at(
            layers["same", call], images, torch.tensor([1, 2])
        )
        # By hand, without hooks and with nothing in place.
        first = module.same(module.stem(images))
        second = module.same(first.sin())
        wanted = (first, second)[call]
        logits = module.head(second.relu().mean((2, 3)))
        (expected,) = torch.autograd.grad(logits[0, 1] + logits[1, 2], wanted)
        torch.testing.assert_close(activations, wanted, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(gradients, expected, atol=1e-7, rtol=1e-5)


class Past(nn.Module):
    """A score of a share that is pooled from positions, and one that goes past them."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.pixels = nn.Conv2d(3, 3, 1, bias=False)
        self.positions = nn.Identity()
        self.summary = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        features = self.pixels(images)
        # Half of the pixels each, so that the gradients of the two are as large as their shares.
        there = self.positions(features * 1)[..., ::2].sum((1, 2, 3))
        past = self.summary(features[..., 1::2].sum((1, 2, 3)))
        return torch.stack([self.share * there + (1 - self.share) * past, 0 * past], dim=1)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_the_share_of_the_gradient_is_what_goes_through(share: float) -> None:
    torch.manual_seed(0)
    module = Past(share)
    images = torch.randn(2, 3, 16, 16)
    layer = FeatureMap("positions", "NCHW", 16, 16, 3)
    with torch.no_grad():
        images *= module(images)[:, :1, None, None].sign()  # the first class is the best
    assert gradient_share(module, images, [layer]) == pytest.approx(share, abs=1e-5)


class SplitHeads(nn.Module):
    """Two heads that are added: one on positions, one on a summary that almost all goes through."""

    def __init__(self, positions: float) -> None:
        super().__init__()
        self.positions = positions
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.later = nn.Conv2d(8, 8, 1)
        self.summary = nn.Linear(8, 8)
        self.heads = nn.ModuleList([nn.Linear(8, 4), nn.Linear(8, 4)])

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images)
        summary = self.heads[1](self.summary(features.mean((2, 3))).tanh())
        pooled = self.heads[0](self.later(features).sin().mean((2, 3)))
        return self.positions * pooled + (1 - self.positions) * summary


def test_a_layer_that_the_score_goes_past_is_left() -> None:
    """Two heads that are added: no later layer than the stem holds all of the score."""
    torch.manual_seed(0)
    assert find_layers(SplitHeads(0.5), torch.randn(2, 3, 32, 32))[-1].name == "stem"


class Carrier(nn.Module):
    """A class token that takes its share of the positions late; the rest it has from the stem."""

    def __init__(self, late: float) -> None:
        super().__init__()
        self.late = late
        self.stem = Patches()
        self.block = nn.Identity()
        self.head = nn.Linear(20, 4)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.stem(images)
        summary = tokens.mean(1, keepdim=True)
        later = self.block(torch.cat([summary, tokens.sin()], dim=1))
        return self.head(later[:, 0] + self.late * later[:, 1:].mean(1))


@pytest.mark.parametrize(("late", "last"), [(1.0, "block"), (0.1, "block"), (1e-4, "stem")])
def test_a_layer_that_carries_next_to_nothing_is_left(late: float, last: str) -> None:
    torch.manual_seed(0)
    assert find_layers(Carrier(late), torch.randn(2, 3, 32, 32))[-1].name == last


class Alike(nn.Module):
    """Features that are the same at all positions from a layer on."""

    def __init__(self, own: float) -> None:
        super().__init__()
        self.own = own
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.mixed = nn.Identity()
        self.head = nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images)
        mean = features.mean((2, 3), keepdim=True)
        return self.head(self.mixed(mean + self.own * features).mean((2, 3)))


@pytest.mark.parametrize(("own", "last"), [(0.1, "mixed"), (1e-5, "stem")])
def test_a_layer_whose_positions_are_alike_is_left(own: float, last: str) -> None:
    torch.manual_seed(0)
    assert find_layers(Alike(own), torch.randn(2, 3, 32, 32))[-1].name == last


def test_spread_counts_positions() -> None:
    gradient = torch.zeros(1, 2, 4, 4)
    assert spread_share(gradient) == 0
    gradient[0, 0, 0] = 1.0
    assert spread_share(gradient) == 0.25
    gradient[0, 1, 1] = -0.009
    assert spread_share(gradient) == 0.25
    gradient[0, 1, 1] = -0.011
    assert spread_share(gradient) == 0.5
    gradient[0, 0, 0, 0] = torch.inf
    assert spread_share(gradient) == 0


# --- Locality -----------------------------------------------------------------------------------


def test_altered_images_differ_in_their_region_alone() -> None:
    images = altered_images((30, 50), 3)
    assert images.shape == (10, 3, 30, 50)
    covered = np.zeros((30, 50), int)
    for number, image in enumerate(images[1:]):
        rows, columns = np.nonzero((image != images[0]).all(0).numpy())
        row, column = divmod(number, 3)
        assert (rows.min(), rows.max() + 1) == (row * 10, row * 10 + 10)
        assert (columns.min(), columns.max() + 1) == tuple(np.round([column * 50 / 3, column * 50 / 3 + 50 / 3]))  # fmt: skip  # noqa: E501
        covered[rows, columns] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(("size", "regions"), [(7, 4), (4, 4), (14, 3), (3, 4), (28, 4)])
def test_answers_are_counted(size: int, regions: int) -> None:
    """Each region's own centre answers; mirrored, only regions on the mirror's axis do."""
    changed = torch.zeros(regions**2, size, size)
    for number in range(regions**2):
        row, column = divmod(number, regions)
        place = [int((one + 0.5) / regions * size) for one in (row, column)]
        changed[number, place[0], place[1]] = 1
    assert answering_share(changed) == 1
    on_axis = 1 / regions if regions % 2 else 0
    assert answering_share(changed.flip(2)) <= on_axis + (0.5 if size < regions else 1e-6)
    changed[0] = 0
    assert answering_share(changed) == pytest.approx(1 - 1 / regions**2)


class Mixing(nn.Module):
    """Blocks that each move a part of the features on, until it is most of them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.Sequential(*(Mixer() for _ in range(count)))
        self.head = nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(images)).mean((2, 3)))


class Mixer(nn.Module):
    """Adds what is two columns beside to each position's own."""

    def forward(self, features: Tensor) -> Tensor:
        return features + 0.5 * features.roll(2, 3)


def test_step_by_step_positions_are_found_where_at_once_they_are_not() -> None:
    torch.manual_seed(0)
    module = Mixing(12)
    images = torch.randn(2, 3, 32, 32)
    layers = find_layers(module, images)
    direct = answering_regions(module, images, layers[-1].maps)
    assert direct < 0.8
    assert answering_step_by_step(module, images, layers) == 1
    # A layer in between that is turned round is not found either way.
    module.blocks[5] = Turned()
    turned = find_layers(module, images)
    assert answering_step_by_step(module, images, turned) < 0.5


class Turned(nn.Module):
    """Half a turn."""

    def forward(self, features: Tensor) -> Tensor:
        return features.flip(2, 3) * 1


# --- Remembered ---------------------------------------------------------------------------------


def test_a_module_is_probed_again_only_when_its_weights_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = make_classifier("test_resnet").module
    probed = []
    monkeypatch.setattr(
        "sightline.models.classifier.find_layers",
        lambda *given: probed.append(given) or find_layers(*given),
    )
    for size, expected in ((96, 1), (96, 1), (64, 2), (96, 2)):
        layers = Classifier(module, Preprocessing((size, size))).layers
        assert layers[-1].name == "layer4"
        assert len(probed) == expected
    with torch.no_grad():
        module.fc.bias += 1
    assert Classifier(module, Preprocessing((96, 96))).layers[-1].name == "layer4"
    assert len(probed) == 3


# --- The graph ----------------------------------------------------------------------------------


def test_what_separates_the_score_from_the_image() -> None:
    image = torch.randn(3, requires_grad=True)
    one = image * 2
    left, right = one.sin(), one.cos()
    third, fourth = (right * 3).split([1, 2])
    score = left.sum() + third.sum() * fourth.sum()
    graph = Graph(score.grad_fn)
    edge = torch.autograd.graph.get_gradient_edge
    tensors = {"one": one, "left": left, "right": right, "third": third, "fourth": fourth}
    ends = {name: edge(tensor) for name, tensor in tensors.items()}

    def cut(*names: str) -> set[str]:
        nodes = graph.cut([ends[name] for name in names])
        return {name for name in names if ends[name].node in nodes}

    assert cut("one") == {"one"}
    assert cut("left") == cut("right") == cut("third") == set()
    assert cut("left", "right") == {"left", "right"}
    assert cut("left", "third") == set()  # the other part of the same split goes past
    assert cut("left", "third", "fourth") == {"left", "third", "fourth"}
    # What lies behind others is not read first.
    assert cut("one", "left", "right") == {"left", "right"}
    assert cut("right", "left", "third", "fourth") == {"left", "third", "fourth"}
    assert graph.depth([ends["one"].node]) == 2
    assert graph.depth([ends["left"].node, ends["right"].node]) == 4


# --- Plain data ---------------------------------------------------------------------------------


def test_layers_are_the_same_after_json(classifiers: dict[str, Classifier]) -> None:
    import json

    for classifier in classifiers.values():
        plain = json.loads(json.dumps(layers_to_json(classifier.layers)))
        assert layers_from_json(plain) == classifier.layers


def test_several_layers_are_named_by_plus(classifiers: dict[str, Classifier]) -> None:
    named = replace(classifiers["cnn"], layer_name="layer3+layer4").layer()
    assert [one.module for one in named.maps] == ["layer3", "layer4"]
    assert isinstance(named, Layer)


# --- Models that run otherwise ------------------------------------------------------------------

Unchanged = Callable[[nn.Module], AbstractContextManager[None]]


def maps_of(module: nn.Module) -> tuple[str, Tensor]:
    classifier = Classifier(module.eval(), Preprocessing((96, 96)))
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    found = gradcam(classifier, images, torch.tensor([1, 2]), [0, 0], GradCamSettings(relu=False))
    return classifier.layer().name, found.maps


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext"])
def test_checkpointing_changes_nothing_and_stays_on(name: str, unchanged: Unchanged) -> None:
    plain = make_classifier(name).module
    expected = maps_of(plain)
    plain.set_grad_checkpointing(True)
    before = [getattr(child, "grad_checkpointing", None) for child in plain.modules()]
    assert True in before
    with unchanged(plain):
        found = maps_of(plain)
    assert [getattr(child, "grad_checkpointing", None) for child in plain.modules()] == before
    assert found[0] == expected[0]
    torch.testing.assert_close(found[1], expected[1])


class Hoarder(nn.Module):
    """Keeps what it sees in attributes: a new one, one that was empty, and a list."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.head = nn.Linear(8, 4)
        self.last: Tensor | None = None
        self.all: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images)
        self.last = self.seen = features
        self.all.append(features)
        return self.head(features.mean((2, 3)))


def test_what_a_model_keeps_of_a_pass_is_not_left_behind(unchanged: Unchanged) -> None:
    torch.manual_seed(0)
    module = Hoarder().eval()
    with unchanged(module):
        maps_of(module)
    assert module.last is None
    assert module.all == []
    assert not hasattr(module, "seen")


@pytest.mark.parametrize("how", ["compile", "in place", "parallel", "part"])
@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_wrapped_and_compiled_models_give_the_same_maps(
    how: str, name: str, unchanged: Unchanged
) -> None:
    plain = make_classifier(name).module
    expected = maps_of(plain)
    module: Any = plain
    if how == "compile":
        module = torch.compile(plain, backend="eager")
    elif how == "in place":
        plain.compile(backend="eager")
    elif how == "parallel":
        module = nn.DataParallel(plain)
    else:
        part = "layer4" if name == "test_resnet" else "blocks"
        setattr(plain, part, torch.compile(getattr(plain, part), backend="eager"))
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = module(images)  # compiled before any hook of ours
    with unchanged(plain):
        found = maps_of(module)
    assert found[0].replace("_orig_mod.", "") == expected[0]
    torch.testing.assert_close(found[1], expected[1], atol=1e-6, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(module(images), before)
    torch.compiler.reset()


class Scriptless(nn.Module):
    """Its scores have no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, 4)

    def forward(self, images: Tensor) -> Tensor:
        return (self.stem(images) > 0).float().mean((2, 3))


def test_scores_without_a_gradient_are_said() -> None:
    with pytest.raises(SightlineError, match="Scriptless have no gradient"):
        find_layers(Scriptless(), torch.randn(2, 3, 16, 16))


def test_a_layer_that_did_not_run_is_said(classifiers: dict[str, Classifier]) -> None:
    classifier = classifiers["cnn"]
    never = replace(classifier.layer().maps[0], call=3)
    with pytest.raises(SightlineError, match="layer4 did not run as it was found"):
        classifier.gradients_at(Layer((never,), 1.0), torch.randn(1, 3, 96, 96), torch.tensor([0]))


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_images_that_a_model_cannot_take_are_said(name: str) -> None:
    classifier = make_classifier(name)
    wrong = torch.randn(2, 3, 90, 97) if name == "test_vit" else torch.randn(2, 4, 96, 96)
    with pytest.raises(SightlineError, match=r"(?s)Model \S+ cannot take images of .*input\.size"):
        classifier.scores(wrong)


def test_tensors_are_replaced_while_a_model_runs(
    classifiers: dict[str, Classifier], unchanged: Unchanged
) -> None:
    classifier = classifiers["cnn"]
    layer = classifier.layer()
    images = torch.randn(2, 3, 96, 96)
    with (
        unchanged(classifier.module),
        replaced(classifier.module, layer.maps, lambda _, output: torch.zeros_like(output)),
    ):
        found = classifier.scores(images)
    torch.testing.assert_close(found, classifier.module.fc.bias.detach().expand(2, -1))
