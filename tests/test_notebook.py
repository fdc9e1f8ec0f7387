"""One line in a notebook, for whatever model and image a person holds."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from skimage import data
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

import sightline
from conftest import make_classifier
from project import ROOT
from sightline.errors import SightlineError
from sightline.models.preprocessing import Preprocessing
from sightline.notebook import Explained
from sightline.notebook.models import _is_imagenet

Unchanged = Callable[[nn.Module], AbstractContextManager[None]]
CAT = data.chelsea()  # 300 high, 451 wide
HEIGHT, WIDTH = CAT.shape[:2]
OWN = Preprocessing((48, 64), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), interpolation="bicubic")


class Small(nn.Module):
    """Small enough to explain by hand: a convolution, a ReLU, the mean, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            # By this seed every class has evidence for it, and against.
            torch.manual_seed(4)
            self.convolution = nn.Conv2d(3, 6, kernel_size=4, stride=4)
            self.relu = nn.ReLU()
            self.dropout = nn.Dropout(0.5)
            self.head = nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        found = self.relu(self.convolution(images)).mean(dim=(2, 3))
        return self.head(self.dropout(found))


class Evidence(nn.Module):
    """Output 0 is the mean of what is bright, output 1 its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.bright = nn.Conv2d(3, 1, 4, stride=4, bias=False)
        self.spot = nn.ReLU()
        nn.init.constant_(self.bright.weight, 1 / 48)

    def forward(self, images: Tensor) -> Tensor:
        mean = self.spot(self.bright(images)).mean(dim=(2, 3))
        return torch.cat([mean, -mean], dim=1)


class Root(Evidence):
    """The square root of nothing: finite, but its slope is not."""

    def forward(self, images: Tensor) -> Tensor:
        return (0 * super().forward(images)).sqrt()


class Flat(nn.Module):
    """No layer with positions: the pixels are flattened at once."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 16 * 16, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1))


class Deaf(Small):
    """Takes no gradient, as a service that only predicts."""

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)


@pytest.fixture
def small() -> Small:
    return Small().eval()


def by_hand(model: Small, images: Tensor, target: int) -> np.ndarray:
    """Grad-CAM by the paper's equations 1 and 2, the gradient taken with a pencil."""
    activations = conv2d(images, model.convolution.weight, model.convolution.bias, stride=4).relu()
    positions = activations.shape[2] * activations.shape[3]
    weights = model.head.weight[target] / positions
    found = (weights[:, None, None] * activations[0]).sum(dim=0).detach().numpy()
    assert found.min() < 0 < found.max()  # or there would be nothing to see
    return np.maximum(found, 0)


# --- What comes back ----------------------------------------------------------------------------


def test_a_held_modules_map_is_what_the_paper_says(small: Small) -> None:
    images, _ = OWN([Image.fromarray(CAT)])
    logits = small(images)[0].detach()
    for target in (None, 0, 4):
        found = sightline.explain(small, CAT, preprocessing=OWN, target=target)
        wanted = int(logits.argmax()) if target is None else target
        assert found.target == wanted
        assert found.score == pytest.approx(logits[wanted].item(), rel=1e-5)
        assert found.probability == pytest.approx(logits.softmax(0)[wanted].item(), rel=1e-5)
        np.testing.assert_allclose(found.map, by_hand(small, images, wanted), atol=1e-7)
        assert found.map.dtype == np.float32
        assert found.status == "ok"
        assert (found.box, found.size) == ((0, 0, WIDTH, HEIGHT), (HEIGHT, WIDTH))
        assert (found.method, found.layer, found.score_kind) == ("gradcam", "relu", "logit")
        assert found.settings == {"depth": 1.0, "relu": True}


def test_a_name_and_its_module_give_one_map() -> None:
    zoo = {"name": "test_resnet", "args": {"num_classes": 8}, "input": {"size": (96, 96)}}
    named = sightline.explain(zoo, CAT, pretrained=False, target=3)
    held = make_module("test_resnet", num_classes=8)
    found = sightline.explain(
        held, CAT, target=3, preprocessing=Preprocessing((96, 96), interpolation="bicubic")
    )
    np.testing.assert_allclose(found.map, named.map, rtol=1e-4, atol=1e-6 * named.map.max())
    assert (found.model, found.layer) == (named.model, named.layer)


def make_module(name: str, **args: Any) -> nn.Module:
    """As load_classifier makes it with random weights of seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm.create_model(name, pretrained=False, **args).eval()


def test_the_map_on_the_image_lies_where_the_box_says(small: Small) -> None:
    found = sightline.explain(small, CAT, preprocessing=OWN)
    # Squashed, the map covers the image: torch's bilinear sampling, in float64.
    exact = torch.from_numpy(found.map).double()[None, None]
    expected = interpolate(exact, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(found.on_image(), expected, atol=1e-6)

    cropped = sightline.explain(small, CAT, preprocessing=OWN, geometry="model")
    x0, y0, x1, y1 = cropped.box
    # 451 x 300 becomes 72 x 48, of which 64 columns are kept.
    assert (x1 - x0, y1 - y0) == pytest.approx((64 / 72 * WIDTH, HEIGHT))
    seen = np.isfinite(cropped.on_image())
    columns = np.arange(WIDTH) + 0.5
    np.testing.assert_array_equal(seen, np.tile((columns >= x0) & (columns < x1), (HEIGHT, 1)))

    padded = sightline.explain(small, CAT, preprocessing=OWN, geometry="pad")
    assert padded.box[1] < 0
    assert padded.box[3] > HEIGHT
    assert np.isfinite(padded.on_image()).all()


@pytest.mark.parametrize("geometry", ["squash", "model", "pad"])
def test_the_overlay_is_coloured_where_the_model_looks(geometry: Any) -> None:
    x, y = 190, 140  # within the middle 300 pixels, which all of them show
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[y - 12 : y + 12, x - 12 : x + 12] = 255
    own = Preprocessing((96, 96), mean=(0, 0, 0), std=(1, 1, 1))
    found = sightline.explain(
        Evidence(), picture, target=0, preprocessing=own, geometry=geometry, layer="spot"
    )
    overlay = np.asarray(found.overlay(palette="Reds_r", side=WIDTH), float)
    assert overlay.shape == (HEIGHT, WIDTH, 3)
    grey = np.asarray(Image.fromarray(picture), float)
    # By red more than by any other: the map's colour on black.
    red = (overlay - grey)[..., 0] - (overlay - grey)[..., 2]
    weights = np.where(red > 0.5 * red.max(), red, 0)
    rows, columns = np.indices(red.shape)
    cell = 4 * max(found.box[2] - found.box[0], found.box[3] - found.box[1]) / 96
    assert abs((weights * columns).sum() / weights.sum() - x) < cell / 2
    assert abs((weights * rows).sum() / weights.sum() - y) < cell / 2


def test_it_shows_itself(small: Small, tmp_path: Path) -> None:
    names = [
        "cat",
        "dog",
        "a bird with a name too long for the width of a narrow picture",
        "x",
        "y",
    ]
    found = sightline.explain(small, CAT, preprocessing=OWN, classes=names, target=2)
    shown = Image.open(io.BytesIO(found._repr_png_()))
    page = np.asarray(shown.convert("RGB"), float)
    left = np.asarray(Image.fromarray(CAT).resize((448, 298), Image.Resampling.BICUBIC), float)
    np.testing.assert_array_equal(page[:298, :448], left)
    np.testing.assert_array_equal(page[:298, 448:], np.asarray(found.overlay(), float))
    caption = page[298:]
    assert (caption == 255).mean() > 0.8
    assert (caption < 100).any()
    # A tall picture breaks the caption into more lines.
    tall = sightline.explain(
        small, CAT[:, :40].copy(), preprocessing=OWN, classes=names, target=2
    ).figure()
    assert tall.height > 448 + 2 * 18
    assert tall.width >= 448
    found.save(tmp_path / "sub" / "cat.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sub" / "cat.png")), page)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["cat.png"]
    said = repr(found)
    for part in (
        "gradcam of Small",
        "a bird with",
        "output 2",
        f"probability {found.probability:.1%}",
        "map 12 x 16, ok, over (0, 0, 451, 300)",
        "layer relu",
    ):
        assert part in said
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.map, found.map)


@pytest.mark.parametrize("name", ["x", "x.xyz", "x.xbm", ".png"])
def test_a_figure_is_not_written_in_any_format(small: Small, tmp_path: Path, name: str) -> None:
    found = sightline.explain(small, CAT, preprocessing=OWN)
    with pytest.raises(SightlineError, match=r"no figure can be written with the ending .*\.png"):
        found.save(tmp_path / "sub" / name)
    assert not list(tmp_path.iterdir())
    for ending in ("png", "JPG", "webp", "tif", "pdf"):
        found.save(tmp_path / f"x.{ending}")
        assert (tmp_path / f"x.{ending}").stat().st_size > 1000


def test_figures_of_the_method_come_with_the_map(small: Small) -> None:
    found = sightline.explain(
        small, CAT, method="integrated_gradients", preprocessing=OWN, settings={"steps": 64}
    )
    images, _ = OWN([Image.fromarray(CAT)])
    change = small(images)[0, found.target] - small(torch.zeros_like(images))[0, found.target]
    gap = abs(found.map.sum(dtype=np.float64) - change.item()) / abs(change.item())
    assert found.figures["completeness_gap"] == pytest.approx(gap, abs=1e-5)
    assert found.map.shape == (48, 64)
    assert found.layer is None
    assert f"completeness_gap {found.figures['completeness_gap']:.4g}" in repr(found)


# --- Images -------------------------------------------------------------------------------------


def test_an_image_in_any_form_gives_one_map(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    Image.fromarray(CAT).save(path)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: upright after a quarter turn clockwise
    Image.fromarray(np.rot90(CAT)).save(tmp_path / "turned.png", exif=exif)
    images, _ = OWN([Image.fromarray(CAT)])
    how = {"preprocessing": OWN, "target": 1}
    for method in ("gradcam", "kernelshap"):
        settings = {"samples": 40, "segments": 12} if method == "kernelshap" else {}
        expected = sightline.explain(small, CAT, method=method, settings=settings, **how)
        for form in (
            path,
            str(path),
            Image.fromarray(CAT),
            Image.fromarray(CAT).convert("RGBA"),
            Image.open(tmp_path / "turned.png"),
        ):
            found = sightline.explain(small, form, method=method, settings=settings, **how)
            np.testing.assert_array_equal(found.map, expected.map)
            np.testing.assert_array_equal(np.asarray(found.image), CAT)
    for tensor in (images, images[0], images.double(), images.clone().requires_grad_()):
        found = sightline.explain(small, tensor, target=1)
        np.testing.assert_allclose(found.map, by_hand(small, images, 1), atol=1e-7)
        assert (found.box, found.size) == ((0, 0, 64, 48), (48, 64))
        with torch.inference_mode():
            within = sightline.explain(small, tensor * 1, target=1)
        np.testing.assert_array_equal(within.map, found.map)


def test_a_tensor_is_drawn_in_its_colours(small: Small) -> None:
    images, _ = OWN([Image.fromarray(CAT)])
    squashed = np.asarray(Image.fromarray(CAT).resize((64, 48), Image.Resampling.BICUBIC), int)
    known = np.asarray(sightline.explain(small, images, preprocessing=OWN).image, int)
    assert np.abs(known - squashed).max() <= 1
    # Not knowing the normalisation, its range is stretched to that of colours.
    low, high = images.min(), images.max()
    stretched = ((images[0] - low) / (high - low) * 255).round().permute(1, 2, 0).numpy()
    found = np.asarray(sightline.explain(small, images).image, int)
    assert np.abs(found - stretched).max() <= 1


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("none.jpg", r"none\.jpg cannot be read: No such file"),
        (b"bytes", "image is a bytes: expected a path, a PIL image"),
        (CAT / 255, r"float64, shape \(300, 451, 3\): expected uint8 pixels"),
        (CAT[..., 0], r"uint8, shape \(300, 451\): expected uint8 pixels"),
        (torch.zeros(2, 3, 9, 9), r"shape \(2, 3, 9, 9\): expected one image"),
        (torch.zeros(9, 9, 3), r"shape \(9, 9, 3\): expected one image"),
        (torch.zeros(9, 9), r"shape \(9, 9\): expected one image"),
        (torch.zeros(3, 9, 9, dtype=torch.uint8), "of torch.uint8: .* floats are expected"),
        (torch.full((3, 9, 9), torch.nan), "not finite"),
    ],
)
def test_what_is_no_image_is_said(small: Small, image: Any, message: str) -> None:
    with pytest.raises(SightlineError, match=message):
        sightline.explain(small, image, preprocessing=OWN)


# --- Targets and settings -----------------------------------------------------------------------


def test_a_target_is_a_number_a_name_or_a_rank(small: Small) -> None:
    names = ["tabby cat", "dog", "crane", "crane", "fox"]
    called = ["tabby cat", "dog", "crane (2)", "crane (3)", "fox"]
    images, _ = OWN([Image.fromarray(CAT)])
    order = small(images)[0].argsort(descending=True).tolist()
    for target, expected in (
        (4, 4),
        (np.int64(4), 4),
        (torch.tensor(4), 4),
        ("Tabby-cat", 0),
        ("fox", 4),
        ("top2", order[1]),
        ("predicted", order[0]),
        ("class:3", 3),
        ("crane (3)", 3),
    ):
        found = sightline.explain(small, images, classes=names, target=target)
        assert (found.target, found.class_name) == (expected, called[expected])
        np.testing.assert_allclose(found.map, by_hand(small, images, expected), atol=1e-7)
    for target, message in (
        (5, "has the outputs 0 to 4, not 5"),
        (-1, "target is -1: expected an output's number, 0 or above"),
        (True, "target is True: expected"),
        (1.0, "target is a float: expected"),
        ("doge", "Unknown class 'doge'. Did you mean 'dog'"),
        ("crane", "Unknown class 'crane'"),
        ("label", "Unknown class 'label'"),
    ):
        with pytest.raises(SightlineError, match=message):
            sightline.explain(small, images, classes=names, target=target)
    with pytest.raises(SightlineError, match="names of the outputs of Small are not known"):
        sightline.explain(small, images, target="dog")
    with pytest.raises(SightlineError, match="Small has 5 outputs, classes names 2"):
        sightline.explain(small, images, classes=["a", "b"])


def test_methods_and_settings_are_checked_before_anything_runs() -> None:
    for how, message in (
        ({"method": "gradcan"}, "Unknown method 'gradcan'. Did you mean 'gradcam'"),
        ({"settings": {"reluu": True}}, r"reluu: Unknown key 'reluu'. Did you mean 'relu'"),
        ({"settings": {"depth": 2}}, "depth: .*less than or equal to 1"),
        ({"settings": {"method": "kernelshap"}}, "name it by method="),
        ({"method": "gradcam@deep"}, "after @ a depth is expected"),
    ):
        with pytest.raises(SightlineError, match=message):
            sightline.explain(object(), "none.jpg", **how)


def test_settings_depth_layer_and_seed_change_the_map() -> None:
    module = make_module("test_resnet", num_classes=8)
    how = {"preprocessing": Preprocessing((96, 96))}
    deep, half = (
        sightline.explain(module, CAT, method=f"gradcam@{depth}", **how) for depth in (1.0, 0.5)
    )
    assert half.settings["depth"] == 0.5
    assert half.map.shape[0] > deep.map.shape[0]
    assert half.layer != deep.layer
    named = sightline.explain(module, CAT, layer=half.layer, **how)
    np.testing.assert_allclose(named.map, half.map, rtol=1e-4, atol=1e-6 * half.map.max())
    signed, cut = (
        sightline.explain(Small(), CAT, preprocessing=OWN, target=1, settings={"relu": relu})
        for relu in (False, True)
    )
    np.testing.assert_array_equal(np.maximum(signed.map, 0), cut.map)
    assert signed.map.min() < 0 < signed.map.max()
    shap = {"method": "kernelshap", "settings": {"samples": 20}, **how}
    one, same, other = (sightline.explain(module, CAT, seed=seed, **shap) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.map, same.map)
    assert np.abs(one.map - other.map).max() > 0.01 * np.abs(one.map).max()


def test_draws_do_not_depend_on_how_a_class_is_asked_for(small: Small) -> None:
    how = {"preprocessing": OWN, "method": "kernelshap", "settings": {"samples": 20}}
    names = ["a", "b", "c", "d", "e"]
    expected = sightline.explain(small, CAT, **how)
    for target in ("predicted", expected.target, names[expected.target]):
        found = sightline.explain(small, CAT, target=target, classes=names, **how)
        assert found.target == expected.target
        np.testing.assert_array_equal(found.map, expected.map)


# --- Models -------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("training", [True, False])
def test_a_held_module_is_left_as_it_was(
    unchanged: Unchanged, context: Any, training: bool
) -> None:
    module = Small().train(training)
    module.head.weight.requires_grad_(False)
    module.relu.eval()
    calls = []
    module.relu.register_forward_hook(lambda *_: calls.append(1))
    images = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = by_hand(module, images[None], 2)
    with unchanged(module):
        for method in ("gradcam", "integrated_gradients", "kernelshap"):
            with context():
                found = sightline.explain(module, images, method=method, target=2)
            if method == "gradcam":  # in evaluation mode: nothing was dropped
                np.testing.assert_allclose(found.map, expected, atol=1e-7)
    assert calls
    for broken, message in ((Flat(), "No layer of Flat"), (Deaf(), "without a gradient")):
        with unchanged(broken.train()), pytest.raises(SightlineError, match=message):
            sightline.explain(broken, images)


def test_a_held_module_keeps_its_place_in_memory(small: Small) -> None:
    def places() -> list[tuple[int, tuple[int, ...]]]:
        return [(weight.data_ptr(), weight.stride()) for weight in small.parameters()]

    before = places()
    sightline.explain(small, CAT, preprocessing=OWN)
    assert places() == before


def test_nothing_else_is_taken_for_what_cannot_be_explained(small: Small) -> None:
    images = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    flat = Flat()
    with pytest.raises(SightlineError, match="No layer of Flat has one position per part"):
        sightline.explain(flat, images)
    # What needs no layer explains it: a linear model's gradients are its weights.
    found = sightline.explain(flat, images, method="integrated_gradients", target=1)
    expected = (flat.head.weight[1].detach().view(3, 16, 16) * images).sum(0)
    np.testing.assert_allclose(found.map, expected, atol=1e-5)
    with pytest.raises(SightlineError, match=r"gradcam needs one\. These methods .*kernelshap"):
        sightline.explain(Deaf(), images)
    assert sightline.explain(Deaf(), images, method="kernelshap").status == "ok"
    with pytest.raises(SightlineError, match=r"Unknown layer 'reluu'\. Did you mean 'relu'"):
        sightline.explain(small, images, layer="reluu")
    with pytest.raises(SightlineError, match=r"cannot take images of 12x12 pixels and 3"):
        sightline.explain(flat, images[:, :12, :12])


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, TypeError, IndexError, AssertionError])
def test_how_a_model_fails_is_said(kind: type[Exception]) -> None:
    class Fails(Small):
        def forward(self, images: Tensor) -> Tensor:
            raise kind("the flux is off")

    said = rf"(?s)images of 48x64 .*{kind.__name__}: the flux is off.*input\.size.*preprocessing="
    for method in ("gradcam", "kernelshap"):
        with pytest.raises(SightlineError, match=said):
            sightline.explain(Fails(), CAT, preprocessing=OWN, method=method)


def test_a_zero_map_and_one_that_is_not_finite_say_so() -> None:
    picture = np.full((40, 40, 3), 200, np.uint8)
    own = Preprocessing((16, 16), mean=(0, 0, 0), std=(1, 1, 1))
    statuses = []
    for model, target in ((Evidence(), 0), (Evidence(), 1), (Root(), 0)):
        found = sightline.explain(model, picture, preprocessing=own, target=target, layer="spot")
        statuses.append(found.status)
        overlay = np.asarray(found.overlay())
        if found.status != "ok":
            assert (overlay == round(0.4 * 200)).all()
            assert f", {found.status}, over" in repr(found)
            assert f", {found.status} map" in found._caption()
        found._repr_png_()
    assert statuses == ["ok", "zero", "non-finite"]
    assert not np.isfinite(found.map).all()


def test_a_module_of_timm_knows_its_preprocessing() -> None:
    module = make_module("test_vit", num_classes=8, img_size=96)
    found = sightline.explain(module, CAT, target=0)
    assert found.model == "test_vit"
    config = module.pretrained_cfg
    own = Preprocessing(
        (96, 96), config["mean"], config["std"], config["interpolation"], config["crop_pct"]
    )
    expected = sightline.explain(module, CAT, target=0, preprocessing=own)
    np.testing.assert_array_equal(found.map, expected.map)
    cropped = sightline.explain(module, CAT, target=0, geometry="model")
    # The crop is a share of the shorter side, rounded down: 96 of 101 pixels for 0.95.
    resized = int(96 / config["crop_pct"])
    assert cropped.box[3] - cropped.box[1] == pytest.approx(HEIGHT * 96 / resized)


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_a_wrapped_module_is_what_it_wraps(wrap: Any) -> None:
    module = make_module("test_resnet", num_classes=8)
    expected = sightline.explain(module, CAT, target=0)
    found = sightline.explain(wrap(module), CAT, target=0)
    assert found.model == "test_resnet"
    np.testing.assert_array_equal(found.map, expected.map)


def test_torchvisions_weights_are_a_preprocessing_and_names() -> None:
    module = torchvision.models.squeezenet1_1(weights=None).eval()
    weights = torchvision.models.SqueezeNet1_1_Weights.DEFAULT
    found = sightline.explain(module, CAT, preprocessing=weights, target="tabby")
    assert (found.target, found.class_name) == (281, "tabby")
    assert weights.transforms().resize_size == [256]
    assert found.box[3] - found.box[1] == pytest.approx(300 * 224 / 256)
    given = sightline.explain(module, CAT, preprocessing=weights.transforms(), target=281)
    np.testing.assert_array_equal(given.map, found.map)
    assert given.class_name is None
    whole = sightline.explain(module, CAT, preprocessing=weights, target=0, geometry="squash")
    assert whole.box == (0, 0, WIDTH, HEIGHT)


def test_a_module_that_says_nothing_needs_a_preprocessing(small: Small) -> None:
    with pytest.raises(SightlineError, match=r"Small says nothing .*Give preprocessing=: torchvis"):
        sightline.explain(small, CAT)
    with pytest.raises(SightlineError, match=r"preprocessing is a tuple, .*Give preprocessing=:"):
        sightline.explain(small, CAT, preprocessing=(224, 224))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"device": "cuda"}, "Small lies on cpu, device is cuda: .* is not moved"),
        ({"weights": "a.pth"}, "Small is a module that has its weights"),
        ({"pretrained": False}, "Small is a module that has its weights"),
        ({"geometry": "pad"}, "geometry is 'pad', but image is a tensor"),
    ],
)
def test_what_does_not_go_with_a_held_module_is_said(
    small: Small, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(SightlineError, match=message):
        sightline.explain(small, torch.randn(3, 16, 16), **how)


def test_modules_that_cannot_run_as_they_are_are_named(small: Small) -> None:
    images = torch.zeros(3, 16, 16)
    with pytest.raises(SightlineError, match=r"weights of torch.float16: .*deepcopy"):
        sightline.explain(Small().half(), images)
    with pytest.raises(SightlineError, match="lies on meta"):
        sightline.explain(Small().to("meta"), images)
    with pytest.raises(SightlineError, match="expected scores of shape"):
        sightline.explain(small.convolution, images)
    with torch.no_grad():
        small.head.bias.fill_(torch.inf)
    with pytest.raises(SightlineError, match="scores that are not finite"):
        sightline.explain(small, images)
    for model, message in (
        (42, "model is a int: expected a name"),
        ({"args": {}}, "model has no name"),
        ("resnet81", "Unknown timm model 'resnet81'. Did you mean"),
        ({"name": "test_vit", "nmae": 1}, "model.nmae: Unknown key 'nmae'"),
    ):
        with pytest.raises(SightlineError, match=message):
            sightline.explain(model, images)
    with pytest.raises(SightlineError, match="device is 'gpu': expected auto, cpu or cuda"):
        sightline.explain("test_vit", images, pretrained=False, device="gpu")


def test_a_names_weights_and_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = make_module("test_resnet")
    with torch.no_grad():
        module.fc.bias[281] += 50
    save_file(module.state_dict(), tmp_path / "own.safetensors")
    own = sightline.explain("test_resnet", CAT, weights="own.safetensors")
    assert (own.target, own.class_name, own.name) == (281, None, "output 281")
    assert own.probability > 0.99
    named = sightline.explain(
        "test_resnet", CAT, weights=tmp_path / "own.safetensors", classes="imagenet-1k"
    )
    assert named.class_name == "tabby"
    # As the model hub's: for these timm says that they are ImageNet's 1,000 classes.
    hub = tmp_path / "resources" / "weights" / "timm"
    hub.mkdir(parents=True)
    (tmp_path / "own.safetensors").rename(hub / "test_resnet.safetensors")
    fetched = sightline.explain("test_resnet", CAT, target="tabby cat")
    assert (fetched.target, fetched.class_name) == (281, "tabby")
    np.testing.assert_array_equal(fetched.map, own.map)
    assert sightline.explain("test_resnet", CAT, pretrained=False).class_name is None


def test_torchvisions_weights_by_name_know_their_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = torchvision.models.SqueezeNet1_1_Weights.DEFAULT
    file = tmp_path / "resources" / "weights" / "torchvision" / "squeezenet1_1.pth"
    file.parent.mkdir(parents=True)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(weights.value, "url", f"https://none.invalid/squeezenet1_1-{digest}.pth")
    found = sightline.explain("torchvision:squeezenet1_1", CAT, target="tabby")
    assert (found.target, found.class_name) == (281, "tabby")
    named = {"name": "torchvision:squeezenet1_1", "classes": [f"c{i}" for i in range(1000)]}
    assert sightline.explain(named, CAT, target="c281").class_name == "c281"
    assert sightline.explain("torchvision:squeezenet1_1", CAT, pretrained=False, target=0).name == (
        "output 0"
    )


@pytest.mark.parametrize(
    ("tag", "known"),
    [
        ("a1_in1k", True),
        ("fb_in22k_ft_in1k_384", True),
        ("in1k_ft_in22k", False),
        ("in21k", False),
        ("in1k_ijepa", False),
    ],
)
def test_tags_of_timm_that_mean_imagenet(tag: str, known: bool) -> None:
    module = make_module("test_resnet")
    module.pretrained_cfg = module.pretrained_cfg | {"tag": tag}
    assert _is_imagenet(module) is known
    module.num_classes = 8
    assert not _is_imagenet(module)


# --- The package --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "import sightline; assert 'explain' in dir(sightline)",
        "import runpy; sys.argv = ['sightline', '--help']\n"
        "try: runpy.run_module('sightline', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code",
    ],
)
def test_starting_imports_nothing_heavy(code: str) -> None:
    heavy = "{'torch', 'timm', 'numpy', 'pandas', 'PIL', 'matplotlib', 'h5py', 'pydantic'}"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nfound = {heavy} & set(sys.modules)\n"
         "assert not found, found"],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        text=True,
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_the_package_does_not_have_is_no_attribute() -> None:
    assert sightline.explain.__module__ == "sightline.notebook.explaining"
    with pytest.raises(AttributeError, match="has no attribute 'explian'"):
        sightline.explian  # noqa: B018


def test_the_readmes_line_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (
        one
        for one in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        if "sightline.explain" in one
    )
    monkeypatch.chdir(tmp_path)
    Image.fromarray(CAT).save("photo.jpg")
    weights = tmp_path / "resources" / "weights" / "timm" / "resnet18.safetensors"
    weights.parent.mkdir(parents=True)
    save_file(make_module("resnet18").state_dict(), weights)
    held = torchvision.models.squeezenet1_1(weights=None)
    preset = torchvision.models.SqueezeNet1_1_Weights.DEFAULT
    found: dict[str, Any] = {"my_module": held, "weights": preset}
    exec(block, found)
    assert isinstance(found["found"], Explained)
    assert found["found"].map.shape == (7, 7)
    assert list(tmp_path.glob("*.png"))


def test_the_classifier_of_the_tests_is_explained_like_a_study() -> None:
    """The same classifier through the notebook and through the method itself."""
    own = make_classifier("test_resnet")
    images, boxes = own.preprocessing([Image.fromarray(CAT)])
    from sightline.methods.cams.gradcam import gradcam
    from sightline.methods.catalogue.cams import GradCamSettings

    expected = gradcam(own, images, torch.tensor([6]), [0], GradCamSettings()).maps[0]
    found = sightline.explain(own.module, CAT, preprocessing=own.preprocessing, target=6)
    np.testing.assert_array_equal(found.map, expected)
    assert found.box == boxes[0]


# --- Several methods ----------------------------------------------------------------------------


def test_several_methods_are_those_asked_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module, passes = Small(), []
    module.convolution.register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))
    ids = ["gradcam", "layercam", "gradcam@0.5", "kernelshap"]
    how = {"kernelshap": {"samples": 20}, "layercam": {"relu": False}}
    sightline.explain(module, CAT, preprocessing=OWN)  # finds the layers
    passes.clear()
    single = sightline.explain(module, CAT, method="gradcam", preprocessing=OWN)
    one = sum(passes)
    passes.clear()
    cams = sightline.explain(module, CAT, method=["gradcam", "xgradcam"], preprocessing=OWN)
    # One more asks whether there is a gradient, and one for the score; the rest is shared.
    together = sum(passes)
    passes.clear()
    sightline.explain(module, CAT, method="xgradcam", preprocessing=OWN)
    assert together < one + sum(passes)
    assert cams["gradcam"].figures == single.figures
    np.testing.assert_array_equal(cams["gradcam"].map, single.map)
    found = sightline.explain(module, CAT, method=ids, settings=how, preprocessing=OWN)
    assert list(found) == ids
    for name, several in found.items():
        alone = sightline.explain(
            module, CAT, method=name, settings=how.get(name), preprocessing=OWN
        )
        np.testing.assert_array_equal(several.map, alone.map)
        assert (several.method, several.layer) == (name, alone.layer)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ([], None, "method is empty"),
        (["gradcam"], {"depth": 0.5}, "settings has depth, which is none of the methods"),
        (["gradcam"], {"gradcam": 0.5}, "settings of gradcam: expected a mapping, got 0.5"),
        (["gradcam", "nonesuch"], None, "nonesuch"),
        (["gradcam"], {"gradcam": {"method": "rise"}}, "name it by method="),
    ],
)
def test_several_methods_that_are_wrong(method: Any, settings: Any, message: str) -> None:
    with pytest.raises(SightlineError, match=message):
        sightline.explain(Small(), CAT, method=method, settings=settings, preprocessing=OWN)
