"""DeepLiftSHAP: sums, the formula, other implementations, and what it refuses."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import DeepLiftShap
from torch import Tensor, nn

from conftest import make_classifier
from conftest import quick_settings as settings
from explaining import SEEDS, TARGETS, linear, run
from sightline.errors import SightlineError
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.propagation.deeplift_shap import baseline, contributions, deeplift_shap
from sightline.methods.propagation.rescale import Rescaled
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing

F = nn.functional


def classifier_of(*layers: nn.Module) -> Classifier:
    """Layers for images of 12 pixels, then a linear map to 4 classes, in double precision."""
    torch.manual_seed(0)
    module = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(4)).double().eval()
    module(torch.zeros(2, 3, 12, 12).double())
    return Classifier(module, Preprocessing((12, 12)), name="odd")


def pairs(count: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Images, baselines, targets."""
    generator = torch.Generator().manual_seed(3)
    images, baselines = torch.randn(2, count, 3, 12, 12, generator=generator).double()
    return images, baselines, torch.arange(count) % 4


def captums(classifier: Classifier, images: Tensor, baselines: Tensor, targets: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it sets gradients and hooks
        return DeepLiftShap(classifier.module).attribute(images, baselines, targets).detach()


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, given: Tensor) -> Tensor:
        return self.function(given)


# --- Sums ---------------------------------------------------------------------------------------

twice = nn.ReLU()
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "module twice": lambda z: twice(twice(z) - 0.3),
    "function": F.relu,
    "function of torch": torch.relu,
    "method": Tensor.relu,
    "method in place": Tensor.relu_,
    "in place, by its other name": lambda z: (F.relu_(z), z)[1],
    "relu6": nn.ReLU6(),
    "clamp": lambda z: z.clamp(-0.5, max=0.7),
    "clamp_min": lambda z: torch.clamp_min(z, 0.1),
    "leaky_relu": nn.LeakyReLU(0.2, inplace=True),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "celu": nn.CELU(),
    "gelu": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(inplace=True),
    "mish": nn.Mish(),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardtanh": nn.Hardtanh(),
    "sigmoid": torch.sigmoid,
    "tanh": Tensor.tanh,
    "softplus": nn.Softplus(),
    "logsigmoid": nn.LogSigmoid(),
    "residual": lambda z: F.relu(z + F.relu(z) / 2),
    "pooled": lambda z: F.max_pool2d(F.relu(z), 2),
    "pooled, overlapping": lambda z: nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)(F.relu(z)),
    "pooled, dilated": lambda z: torch.max_pool2d(z, 2, 1, 0, 2),
    "pooled to the mean": lambda z: F.avg_pool2d(z, 2).mean((2, 3), keepdim=True),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_contributions_sum_to_the_difference(name: str) -> None:
    function = Apply(ACTIVATIONS[name])
    classifier = classifier_of(nn.Conv2d(3, 6, 3), function, nn.Conv2d(6, 5, 1), nn.ReLU())
    images, baselines, targets = pairs()
    found, change = contributions(classifier, images, baselines, targets)
    with torch.inference_mode():
        scores = [classifier.module(one)[range(3), targets] for one in (images, baselines)]
    torch.testing.assert_close(change, scores[0] - scores[1])
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), change, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["cnn", "plain", "densenet"])
def test_maps_sum_to_what_is_over_the_mean_baseline(
    name: str, classifiers: dict[str, Classifier], images: Tensor
) -> None:
    if name == "densenet":
        args = {"num_classes": 8, "growth_rate": 4, "block_config": (2, 2)}
        classifier = make_classifier("densenet121", args=args)
    else:
        classifier = classifiers[name]
    assert CATALOGUE["deeplift_shap"].misfit(classifier) is None
    found = run("deeplift_shap", classifier, images, baselines=3)
    at_image = classifier.scores(images)[range(3), TARGETS].double()
    at_baselines = torch.stack(
        [
            classifier.scores(torch.cat([baseline(one, k) for one in images]))[range(3), TARGETS]
            for k in range(3)
        ]
    )
    change = at_image - at_baselines.double().mean(0)
    total = found.maps.double().sum(dim=(1, 2))
    torch.testing.assert_close(total, change, atol=2e-4 * change.abs().max().item(), rtol=0)
    gap = (total - change).abs() / change.abs()
    np.testing.assert_allclose(found.figures["completeness_gap"], gap, atol=2e-4)


def test_of_a_linear_model_it_is_exact(weights: Tensor, pictures: Tensor) -> None:
    targets = torch.tensor([2, 0, 7])
    how = settings("deeplift_shap", baselines=3)
    found = deeplift_shap(linear(weights, torch.ones(8)), pictures, targets, SEEDS, how)
    means = torch.stack(
        [torch.cat([baseline(one, k) for k in range(3)]).mean(0) for one in pictures]
    )
    torch.testing.assert_close(found.maps, (weights[targets] * (pictures - means)).sum(dim=1))
    assert (found.figures["completeness_gap"] < 1e-4).all()


def test_baselines_are_zero_and_the_images_own_colours() -> None:
    image = torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(1))
    assert not baseline(image, 0).any()
    mean = image.mean(dim=(1, 2))
    torch.testing.assert_close(baseline(image, 1), mean[None, :, None, None].expand(1, 3, 16, 24))
    torch.testing.assert_close(baseline(image, 2)[0, :, 0, 0], image[:, :8, :12].mean(dim=(1, 2)))
    distances = [(image - baseline(image, k)[0]).square().mean().item() for k in range(1, 6)]
    assert distances == sorted(distances, reverse=True)


# --- The formula and other implementations ------------------------------------------------------


def test_it_is_the_rescale_rule() -> None:
    torch.manual_seed(1)
    first, second = nn.Linear(27, 10).double(), nn.Linear(10, 4).double()
    module = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second)
    classifier = Classifier(module, Preprocessing((3, 3)))
    images, baselines = torch.randn(2, 5, 3, 3, 3).double()
    targets = torch.tensor([0, 1, 2, 3, 0])
    found, _ = contributions(classifier, images, baselines, targets)
    with torch.inference_mode():
        for i, target in enumerate(targets.tolist()):
            z, z_0 = (first(one[i].flatten()) for one in (images, baselines))
            ratio = (z.relu() - z_0.relu()) / (z - z_0)
            multipliers = first.weight.T @ (second.weight[target] * ratio)
            expected = multipliers * (images[i] - baselines[i]).flatten()
            torch.testing.assert_close(found[i].flatten(), expected)


@pytest.mark.parametrize(
    ("image", "reference", "expected"),
    [
        ([5.0, 1, 0, 0], [0, 3, 0, 0], [2, 0, 0, 0]),  # the image's maximum is the larger
        ([1.0, 1, 2, 0], [0, 9, 0, 0], [0, -7, 0, 0]),  # the baseline's
        ([4.0, 0, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0]),
        ([4.0, 0, 0, 0], [1, 0, 0, 0], [3, 0, 0, 0]),
    ],
)
def test_a_maximums_difference_goes_where_the_larger_one_is(
    image: list[float], reference: list[float], expected: list[float]
) -> None:
    class Largest(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return F.max_pool2d(images, 2).flatten(1)

    def square(values: list[float]) -> Tensor:
        return torch.tensor(values).view(1, 1, 2, 2).expand(1, 3, 2, 2)

    classifier = Classifier(Largest(), Preprocessing((2, 2)))
    found, _ = contributions(classifier, square(image), square(reference), torch.tensor([1]))
    torch.testing.assert_close(found[0, 1].flatten(), torch.tensor(expected, dtype=torch.float32))
    assert not found[0, [0, 2]].any()


def test_where_captum_sums_right_it_is_captums() -> None:
    classifier = classifier_of(
        *(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3, stride=2)),
        *(nn.ELU(), nn.AvgPool2d(2), nn.Conv2d(5, 8, 1), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(8, 9), nn.Tanh(), nn.Linear(9, 7), nn.Softplus()),
    )
    images, baselines, targets = pairs()
    expected = captums(classifier, images, baselines, targets)
    means = torch.stack(
        [
            torch.stack(
                [
                    contributions(classifier, images[i, None], one[None], targets[i, None])[0][0]
                    for one in baselines
                ]
            ).mean(0)
            for i in range(len(images))
        ]
    )
    torch.testing.assert_close(means, expected, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize(
    "layers",
    [
        (nn.ReLU(), nn.MaxPool2d(2)),
        (nn.MaxPool2d(3, 2),),
        (Apply(F.relu),),
        (nn.GELU(),),
    ],
)
def test_captums_contributions_do_not_sum_where_ours_do(layers: tuple[nn.Module, ...]) -> None:
    # Should this fail, captum may be able to take our place.
    classifier = classifier_of(nn.Conv2d(3, 6, 3), *layers, nn.Conv2d(6, 4, 1))
    images, baselines, targets = pairs()
    _, change = contributions(classifier, images, baselines[:1].expand_as(images), targets)
    theirs = captums(classifier, images, baselines[:1].repeat(2, 1, 1, 1), targets)
    assert ((theirs.sum(dim=(1, 2, 3)) - change).abs() > 1e-3 * change.abs()).any()


# --- What is refused, and what is left ----------------------------------------------------------


class Odd(torch.autograd.Function):
    """An activation that nothing is known of."""

    @staticmethod
    def forward(ctx: Any, given: Tensor) -> Tensor:
        return given.clone()

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        return outputs[0]


REFUSED: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (lambda z: z * z.sigmoid(), "Mul of two activations,"),
    (lambda z: z / (1 + z.abs()), "Abs, Div of two activations,"),
    (lambda z: 1 / (3 + z.relu()), "Reciprocal,"),
    (torch.exp, "Exp,"),
    (lambda z: z.softmax(1), "Softmax,"),
    (nn.PReLU(), "PreluKernel,"),
    (nn.GroupNorm(2, 6), "NativeGroupNorm,"),
    (lambda z: F.adaptive_max_pool2d(z, 2), "AdaptiveMaxPool2D,"),
    (lambda z: z.amax((2, 3), keepdim=True), "Amax,"),
    (lambda z: Odd.apply(z), "Odd,"),
    (lambda z: torch.where(z > 0, z, 0), "Where,"),
]


@pytest.mark.parametrize(("function", "named"), REFUSED)
def test_what_has_no_rule_is_refused_by_name(
    function: Callable[[Tensor], Tensor], named: str
) -> None:
    classifier = classifier_of(nn.Conv2d(3, 6, 3), Apply(function))
    classifier.module.float()
    images, _, targets = pairs()
    with pytest.raises(SightlineError, match=f"DeepLiftSHAP has no rule for {named}"):
        deeplift_shap(classifier, images.float(), targets, SEEDS, settings("deeplift_shap"))
    reason = CATALOGUE["deeplift_shap"].misfit(classifier)
    assert reason is not None
    assert reason.startswith(f"DeepLiftSHAP has no rule for {named}")


def test_scores_without_a_gradient_are_refused() -> None:
    classifier = classifier_of(Apply(torch.sign), nn.Conv2d(3, 6, 3))
    classifier.module.insert(0, Apply(Tensor.detach))
    images, _, targets = pairs()
    with pytest.raises(SightlineError, match="without a gradient"):
        deeplift_shap(classifier, images, targets, SEEDS, settings("deeplift_shap"))


def test_nothing_of_a_pass_is_kept() -> None:
    # A graph that held itself would keep all activations of all batches.
    for activation in (nn.ReLU(), nn.ReLU(inplace=True), nn.MaxPool2d(2)):
        kept = []
        see = Apply(lambda z: (kept.append(weakref.ref(z)), z)[1])  # noqa: B023
        classifier = classifier_of(nn.Conv2d(3, 6, 3), activation, see)
        images, baselines, targets = pairs()
        gc.collect()
        gc.disable()
        try:
            contributions(classifier, images, baselines, targets)
            assert kept
            assert all(one() is None for one in kept)
        finally:
            gc.enable()


def test_outside_of_it_functions_are_as_ever() -> None:
    given = torch.randn(4, requires_grad=True)
    with Rescaled():
        inside = F.relu(given)
    assert "Elementwise" in type(inside.grad_fn).__name__
    assert type(F.relu(given).grad_fn).__name__ == "ReluBackward0"
    with Rescaled(), torch.no_grad():
        assert F.relu(given).grad_fn is None
