"""Gradients at the image against their formulas and other implementations."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop, GuidedGradCam, InputXGradient, Saliency
from torch import Tensor, nn

from conftest import make_classifier
from conftest import quick_settings as settings
from explaining import (
    SEEDS,
    TARGETS,
    assert_same_maps,
    linear,
    run,
)
from sightline.errors import SightlineError
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing

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


def test_input_x_gradient_is_captums(classifier: Classifier, images: Tensor) -> None:
    found = run("input_x_gradient", classifier, images).maps
    leaf = images.clone().requires_grad_()
    expected = InputXGradient(classifier.module).attribute(leaf, TARGETS).detach()
    assert_same_maps(found, expected.sum(1))


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
