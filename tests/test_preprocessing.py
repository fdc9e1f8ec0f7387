"""A model's own preprocessing, and maps of models that crop differently brought together."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import Tensor, nn

from mapfiles import write_maps
from sightline.compare.engine import CompareSettings, compare_maps
from sightline.compare.measures.protocol import resolve
from sightline.compare.statistics import Statistics
from sightline.errors import SightlineError
from sightline.images.geometry import Geometry
from sightline.maps.align import resample
from sightline.methods.cams.gradcam import gradcam
from sightline.methods.catalogue.cams import GradCamSettings
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing, from_preset, from_timm

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


# --- Presets ------------------------------------------------------------------------------------


def presets() -> dict[str, object]:
    """One of each kind that torchvision's classifiers have, and two that divide badly."""
    found = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        for weights in torchvision.models.get_model_weights(name):
            preset = weights.transforms()
            key = f"{preset.crop_size[0]}/{preset.resize_size[0]} {preset.interpolation.value}"
            found[key] = preset
    kind = type(preset)
    for crop, resize in ((192, 231), (96, 118)):
        found[f"{crop}/{resize}"] = kind(crop_size=crop, resize_size=resize)
    return found


PRESETS = presets()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_of_torchvision_is_followed_pixel_by_pixel(name: str) -> None:
    preset = PRESETS[name]
    own = from_preset(preset)
    for size in ((301, 203), (203, 301), (97, 97), (331, 400)):
        image = noise(*size)
        (found,), _ = own([image])
        # One step of a pixel's 255 would be 0.017 in this space.
        torch.testing.assert_close(found, preset(image), rtol=0, atol=1e-5)


def test_what_no_preprocessing_can_say_is_refused() -> None:
    preset = vars(torchvision.models.ResNet18_Weights.DEFAULT.transforms())
    odd = {
        "resize_size": ([200, 300], r"resizes or crops to \[200, 300\]"),
        "crop_size": ([64, 96], r"resizes or crops to \[64, 96\]"),
        "interpolation": ("hamming", "resizes by 'hamming': expected one of nearest, bilinear"),
    }
    for key, (value, message) in odd.items():
        with pytest.raises(SightlineError, match=message):
            from_preset(SimpleNamespace(**{**preset, key: value}))
    config = resolve_data_config({"crop_pct": 0.9})
    with pytest.raises(SightlineError, match="crops by 'five': expected one of center, squash"):
        from_timm(config | {"crop_mode": "five"}, "model")


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
def test_a_configuration_of_timm_is_followed_pixel_by_pixel(crop_mode: str) -> None:
    model = timm.create_model("test_vit", pretrained=False)
    config = resolve_data_config({"crop_mode": crop_mode, "crop_pct": 0.9}, model=model)
    own = from_timm(config, "model")
    for size in ((301, 203), (203, 301)):
        (found,), _ = own([noise(*size)])
        expected = create_transform(**config)(noise(*size))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_the_border_is_the_baseline_of_the_methods() -> None:
    own = Preprocessing((60, 60), **IMAGENET, geometry="pad")
    (found,), _ = own([Image.new("RGB", (60, 30), (255, 255, 255))])
    # Colours are whole numbers: half a step of 255, divided by the least deviation.
    assert found[:, :15].abs().max() <= 0.5 / 255 / 0.224 + 1e-6
    assert found[:, 45:].abs().max() <= 0.5 / 255 / 0.224 + 1e-6
    assert found[:, 15:45].min() > 2
    assert own.fill == (124, 116, 104)
    assert replace(own, geometry="model").fill == (0, 0, 0)


# --- Alignment ----------------------------------------------------------------------------------

# A photograph's size, and a bright spot upon it that is off the centre both ways.
WIDTH, HEIGHT, SPREAD = 640, 480, 20.0
SPOT = (190.0, 120.0)


def spotted(x: float, y: float) -> Image.Image:
    """A dark, textured picture with one bright spot."""
    columns, rows = np.arange(WIDTH) + 0.5, np.arange(HEIGHT)[:, None] + 0.5
    light = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * SPREAD**2))
    texture = np.random.default_rng(0).integers(0, 40, (HEIGHT, WIDTH))
    grey = np.maximum(255 * light, texture).round().astype(np.uint8)
    return Image.fromarray(np.dstack([grey] * 3))


class Watcher(nn.Module):
    """Scores how bright a spot there is anywhere: a fixed convolution, a threshold, the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Conv2d(3, 1, kernel_size=3, stride=2, padding=1, bias=True)
        self.spot = nn.ReLU()
        with torch.no_grad():
            self.blur.weight.fill_(1 / 27)
            self.blur.bias.fill_(-0.25)  # above the texture

    def forward(self, images: Tensor) -> Tensor:
        found = self.spot(self.blur(images)).mean(dim=(2, 3))
        return torch.cat([found, -found], dim=1)


def watcher(size: tuple[int, int], geometry: Geometry, crop_pct: float = 1.0) -> Classifier:
    own = Preprocessing(size, mean=(0, 0, 0), std=(1, 1, 1), geometry=geometry, crop_pct=crop_pct)
    return Classifier(Watcher(), own, name=geometry, layer_name="spot")


WATCHERS = {
    "crops": watcher((96, 96), "model", 0.875),
    "pads": watcher((128, 128), "pad"),
    "squashes": watcher((144, 176), "squash"),
}
PAIRS = list(combinations(WATCHERS, 2))


def look(classifier: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """The library's own Grad-CAM of the spot: the map, and the part that it covers."""
    images, boxes = classifier.preprocessing([spotted(*SPOT)])
    found = gradcam(classifier, images, torch.tensor([0]), [0], GradCamSettings())
    return found.maps.numpy(), np.array(boxes, np.float64)


def peak(maps: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Where a map is largest, x and y in pixels of the original."""
    row, column = np.unravel_index(maps[0].argmax(), maps[0].shape)
    share = np.array([(column + 0.5) / maps.shape[2], (row + 0.5) / maps.shape[1]])
    return box[0, :2] + share * (box[0, 2:] - box[0, :2])


def cell(maps: np.ndarray, box: np.ndarray) -> np.ndarray:
    return (box[0, 2:] - box[0, :2]) / np.array(maps.shape[:0:-1])


def cosine_of(files: dict[str, list[Path]], grid: int, tmp_path: Path) -> float:
    """The cosine of the first maps of two models."""
    measures = {"cosine": resolve({"measure": "cosine"})}
    settings = CompareSettings(grid, measures, {"": ("positive", "minmax")})
    compare_maps(files, settings, tmp_path / "statistics.h5")
    found = Statistics([tmp_path / "statistics.h5"])
    assert found.used(slice(None)).all()
    return float(found.similarity("cosine", slice(None))[0, 0])


def compared(tmp_path: Path, pair: tuple[str, str], *, aligned: bool) -> float:
    """The cosine of two models' maps by the comparison of a study."""
    files = {}
    for name in pair:
        maps, box = look(WATCHERS[name])
        boxes = box if aligned else np.array([[0, 0, WIDTH, HEIGHT]])
        write_maps(tmp_path / f"{name}.h5", maps, boxes, size=(HEIGHT, WIDTH))
        files[name] = [tmp_path / f"{name}.h5"]
    return cosine_of(files, 224, tmp_path)


@pytest.mark.parametrize("name", WATCHERS)
def test_a_map_and_its_box_point_at_what_the_model_watches(name: str) -> None:
    maps, box = look(WATCHERS[name])
    assert (np.abs(peak(maps, box) - SPOT) <= cell(maps, box)).all()
    # As if it covered the whole picture, the map would point beside it, but for one that does.
    whole = np.array([[0.0, 0, WIDTH, HEIGHT]])
    missed = np.abs(peak(maps, whole) - SPOT) > cell(maps, whole)
    assert missed.any() == (name != "squashes")


@pytest.mark.parametrize("pair", PAIRS)
def test_models_of_other_size_and_crop_agree_once_aligned(
    tmp_path: Path, pair: tuple[str, str]
) -> None:
    # Two Gaussians whose widths differ by a tenth have a cosine of 0.991; grid cells of 6 to 10
    # pixels and a kernel of three input pixels widen a spot of 20 pixels by less.
    assert compared(tmp_path, pair, aligned=True) > 0.99


@pytest.mark.parametrize("pair", PAIRS)
def test_without_their_boxes_they_would_not(tmp_path: Path, pair: tuple[str, str]) -> None:
    # Where each places the spot if its map is taken to cover the whole picture, and how wide.
    whole = np.array([0, 0, WIDTH, HEIGHT])
    places, widths = [], []
    for name in pair:
        box = look(WATCHERS[name])[1][0]
        scale = (whole[2:] - whole[:2]) / (box[2:] - box[:2])
        places.append((np.array(SPOT) - box[:2]) * scale)
        widths.append(SPREAD * scale)
    apart = np.abs(places[0] - places[1])
    # The cosine of two Gaussians, axis by axis; the threshold narrows the spots, so less.
    total = widths[0] ** 2 + widths[1] ** 2
    expected = np.sqrt(2 * widths[0] * widths[1] / total) * np.exp(-(apart**2) / (2 * total))
    assert expected.prod() < 0.7
    assert compared(tmp_path, pair, aligned=False) < expected.prod() + 0.05


def test_what_lies_beside_the_image_is_not_compared(tmp_path: Path) -> None:
    """Two padded models that differ in the border alone, where one looks and the other does not."""
    rng = np.random.default_rng(0)
    one = rng.random((1, 12, 12)).astype(np.float32)
    one[:, 5, 5:7] = 0, 1
    other = one.copy()
    one[:, [0, 1, 10, 11]], other[:, [0, 1, 10, 11]] = 1, 0
    # Twelve cells of 10 pixels over 120 x 80: two rows above and two below lie outside.
    box, image = np.array([[0.0, -20, 120, 100]]), np.array([[0.0, 0, 120, 80]])
    for name, maps in (("a", one), ("b", other)):
        write_maps(tmp_path / f"{name}.h5", maps, box, size=(80, 120))
    files = {name: [tmp_path / f"{name}.h5"] for name in ("a", "b")}

    def cosine(onto: np.ndarray) -> float:
        first, second = (resample(maps, box, onto, 24).ravel() for maps in (one, other))
        return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))

    assert cosine_of(files, 24, tmp_path) == pytest.approx(cosine(image), abs=1e-3)
    assert cosine(box) < cosine(image) - 0.1
