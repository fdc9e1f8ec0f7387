"""Occlusion and the controls, which need no model's inside."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from skimage.color import rgb2gray
from torch import Tensor, nn

from explaining import SEEDS, TARGETS, assert_same_maps, linear, run
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier


@pytest.mark.parametrize(("window", "stride"), [(30, 25), (17, 17), (40, 13), (96, 96), (200, 50)])
def test_occlusion_is_captums(
    window: int, stride: int, classifier: Classifier, images: Tensor
) -> None:
    found = run("occlusion", classifier, images, window=window, stride=stride)
    within = min(window, 96)  # captum's windows may not be larger than the image
    expected = Occlusion(lambda x: classifier.scores(x)).attribute(
        images,
        sliding_window_shapes=(3, within, within),
        strides=(3, min(stride, within), min(stride, within)),
        target=TARGETS,
    )
    torch.testing.assert_close(found.maps, expected[:, 0].float(), atol=2e-5, rtol=1e-4)
    windows = max(1, math.ceil((96 - window) / stride) + 1) ** 2
    assert found.figures["passes"].tolist() == [windows + 1] * 3


def test_of_a_linear_model_windows_lose_what_they_hold(weights: Tensor, pictures: Tensor) -> None:
    """Windows side by side: each pixel has what its window adds to the logit, less the fill's."""
    classifier, targets = linear(weights, torch.ones(8)), torch.tensor([2, 0, 7])
    how = {"window": 8, "stride": 8}
    mean, std = (0.5,) * 3, (0.5,) * 3
    kernel = torch.exp(-0.5 * (torch.arange(-12, 13) / 4.0) ** 2)
    kernel /= kernel.sum()
    padded = nn.functional.pad(pictures, (12, 12, 12, 12), mode="reflect")
    blurred = nn.functional.conv2d(
        padded.flatten(0, 1)[:, None], kernel[:, None] * kernel[None, None, None]
    ).unflatten(0, (3, 3))[:, :, 0]
    fills = {
        "mean": torch.zeros_like(pictures),
        "black": torch.full_like(pictures, -mean[0] / std[0]),
        "white": torch.full_like(pictures, (1 - mean[0]) / std[0]),
        "blur": blurred,
    }
    for fill, hidden in fills.items():
        settings = CATALOGUE["occlusion"].settings(**how, fill=fill)
        found = CATALOGUE["occlusion"].load()(classifier, pictures, targets, SEEDS, settings)
        adds = (weights[targets] * (pictures - hidden)).sum(1)
        windows = adds.unflatten(2, (4, 8)).unflatten(1, (3, 8)).sum(dim=(2, 4))
        expected = windows.repeat_interleave(8, 1).repeat_interleave(8, 2)
        torch.testing.assert_close(found.maps, expected, atol=2e-4, rtol=1e-4)


def test_the_random_control_is_uniform_and_its_images_own(
    classifier: Classifier, images: Tensor
) -> None:
    found = run("random", classifier, images, cells=60).maps
    assert found.shape == (3, 60, 60)
    for one in found:
        quantiles = np.quantile(one, [0.1, 0.5, 0.9])
        np.testing.assert_allclose(quantiles, [0.1, 0.5, 0.9], atol=0.03)
    assert abs(np.corrcoef(found.flatten(1))[np.triu_indices(3, 1)]).max() < 0.05
    assert_same_maps(run("random", classifier, images, [2], cells=60).maps, found[2:])


def test_the_gaussian_is_centred(classifier: Classifier, images: Tensor) -> None:
    found = run("centred_gaussian", classifier, images[:, :, :48], sigma=0.5).maps
    assert found.shape == (3, 48, 96)
    for axis in (1, 2):
        torch.testing.assert_close(found, found.flip(axis))
    # A quarter of the side from the centre is one standard deviation.
    centre = found[0, 23:25].mean(0)
    at = np.interp([0.5, 0.75], (np.arange(96) + 0.5) / 96, centre)
    assert at[1] / at[0] == pytest.approx(math.exp(-0.5), rel=1e-3)


def test_sobel_finds_edges(classifier: Classifier, images: Tensor) -> None:
    found = run("sobel", classifier, images).maps
    seen = classifier.preprocessing.pixels(images)
    for one, rgb in zip(found, seen, strict=True):
        grey = np.pad(rgb2gray(rgb), 1, mode="symmetric")
        smooth, slope = np.array([1, 2, 1]) / 4, np.array([1, 0, -1])
        down, across = (
            sum(a[i] * b[j] * grey[i : i + 96, j : j + 96] for i in range(3) for j in range(3))
            for a, b in ((slope, smooth), (smooth, slope))
        )
        # scikit-image takes the root of the mean of the squares.
        np.testing.assert_allclose(one, np.hypot(down, across) / math.sqrt(2), atol=1e-5)
