"""Controls: one formula for the methods and for experiments that load no model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2gray
from skimage.filters import sobel

from explaining import run
from sightline.errors import SightlineError
from sightline.images.controls import centred_gaussian, seen
from sightline.images.shards import Entry, png, write_shard
from sightline.jobs.experiments.control_maps import control_maps
from sightline.jobs.experiments.scenes import Scenes
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.study.evaluation import CONTROLS

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (225, 225, 3), dtype=np.uint8)
# Nearly black and white: the methods are asked for as many images as there are targets.
CLASSIFIER = Classifier(torch.nn.Flatten(), Preprocessing((20, 31)), name="flat")


def images() -> torch.Tensor:
    return torch.from_numpy(RNG.uniform(-1, 1, (3, 3, 20, 31)).astype(np.float32))


def test_random_maps_are_those_of_their_seeds() -> None:
    found = run("random", CLASSIFIER, images(), cells=7).maps.numpy()
    for one, seed in zip(found, (11, 12, 13), strict=True):
        drawn = np.random.default_rng(seed).random((7, 7), dtype=np.float32)
        np.testing.assert_array_equal(one, drawn)


def test_edges_are_those_of_what_the_model_sees() -> None:
    given = images()
    found = run("sobel", CLASSIFIER, given).maps.numpy()
    for one, shown in zip(found, CLASSIFIER.preprocessing.pixels(given), strict=True):
        np.testing.assert_array_equal(one, sobel(rgb2gray(shown)).astype(np.float32))


@pytest.mark.parametrize("sigma", [0.2, 0.5])
@pytest.mark.parametrize("side", [1, 2, 7, 96, 224, 225])
def test_the_gaussian_is_the_formula_to_the_last_digit_but_one(side: int, sigma: float) -> None:
    """As torch has it in float32, of which the last digit differs by machine."""
    across = 2 * (torch.arange(side) + 0.5) / side - 1
    bell = torch.exp(-(across**2) / (2 * sigma**2))
    found = centred_gaussian((side, 3), sigma)
    middle = found[:, 1]
    np.testing.assert_array_max_ulp(middle, bell.numpy(), maxulp=1)
    method = run("centred_gaussian", CLASSIFIER, images(), sigma=sigma).maps.numpy()
    np.testing.assert_array_equal(method[0], centred_gaussian((20, 31), sigma))


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    path = tmp_path / "images.zip"
    write_shard(path, [Entry("a", "", png(PICTURE), "a.png")])
    return Scenes([path])


def test_without_a_model_they_are_the_same(scenes: Scenes) -> None:
    whole = np.array([[0, 0, 225, 225]], np.float32)
    with scenes:
        made = {name: control_maps(name, ["a"], whole, [5], scenes) for name in CONTROLS}
        with pytest.raises(SightlineError, match="cannot be made without a model"):
            control_maps("gradcam", ["a"], whole, [5], scenes)
    drawn = np.random.default_rng(5).random((14, 14), dtype=np.float32)
    np.testing.assert_array_equal(made["random"][0], drawn)
    np.testing.assert_array_equal(made["sobel"][0], sobel(rgb2gray(PICTURE)).astype(np.float32))
    centre = made["centred_gaussian"][0]
    assert np.argwhere(centre == centre.max()).tolist() == [[112, 112]]


def test_what_is_seen_of_a_crop_and_of_a_border() -> None:
    pixels = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    np.testing.assert_array_equal(seen(image, (2, 1, 6, 5), 4), pixels[1:5, 2:6])
    # A border of one row above and below: the outermost rows go on, so that it has no edge.
    padded = np.concatenate([pixels[:1], pixels, pixels[-1:]])
    np.testing.assert_array_equal(seen(image, (0, -1, 8, 7), 8), padded)


def test_experiments_on_objects_load_no_torch() -> None:
    modules = "import sys, sightline.jobs.experiments.evaluate_objects; "
    modules += "from sightline.evaluate.experiments import localisation, peak_inside, pointing; "
    done = subprocess.run(
        [sys.executable, "-c", modules + "print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
