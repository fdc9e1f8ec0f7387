"""Layer-wise relevance propagation against matrices, conservation and captum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LRP
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, GammaRule
from torch import Tensor, nn

from conftest import make_classifier
from conftest import quick_settings as settings
from explaining import SEEDS, assert_same_maps, run
from sightline.errors import SightlineError
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.propagation.lrp import lrp
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing

F = nn.functional
TARGETS = torch.tensor([1, 3, 0])


def classifier_of(*layers: nn.Module, bias: bool = True) -> Classifier:
    """Layers for images of 12 pixels, then a linear map to 4 classes, in double precision."""
    torch.manual_seed(0)
    module = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(4)).double().eval()
    module(torch.zeros(2, 3, 12, 12).double())
    for child in module.modules():
        if not bias and isinstance(getattr(child, "bias", None), nn.Parameter):
            nn.init.zeros_(child.bias)
    return Classifier(module, Preprocessing((12, 12)), name="odd")


def pictures() -> Tensor:
    return torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(3)).double()


def explained(classifier: Classifier, images: Tensor, **how: float) -> Any:
    return lrp(classifier, images, TARGETS, SEEDS, settings("lrp", **how))


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.inner = nn.ModuleList(modules)

    def forward(self, given: Tensor) -> Tensor:
        return self.function(given, *self.inner)


# --- The formula --------------------------------------------------------------------------------


def handed_back(
    weights: Tensor, bias: Tensor, a: Tensor, relevance: Tensor, gamma: float, epsilon: float
) -> Tensor:
    """One layer, its weights a matrix (outputs, inputs), as the formula has it."""
    shares = weights * a
    for k in range(len(shares)):
        agreeing = shares[k] > 0 if shares[k].sum() + bias[k] > 0 else shares[k] < 0
        shares[k] += gamma * shares[k] * agreeing
    below = shares.sum(1) + bias
    below += epsilon * torch.where(below < 0, -1, 1)
    return (shares / below[:, None] * relevance[:, None]).sum(0)


def matrix(layer: nn.Module, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """An affine layer's matrix and bias, by what it makes of each single input."""
    size = int(np.prod(shape))
    with torch.inference_mode():
        bias = layer(torch.zeros(1, *shape).double()).flatten()
        columns = layer(torch.eye(size).double().view(size, *shape)).flatten(1) - bias
    return columns.T.clone(), bias.clone()


@pytest.mark.parametrize("gamma", [0.0, 0.25, 5.0])
@pytest.mark.parametrize("epsilon", [1e-9, 0.3])
def test_it_is_the_formula(gamma: float, epsilon: float) -> None:
    torch.manual_seed(1)
    first, second = nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 5, 2, padding=1)
    last = nn.Linear(5 * 3 * 3, 4)
    module = nn.Sequential(first, nn.ReLU(), second, nn.LeakyReLU(0.3), nn.Flatten(), last).double()
    images = torch.randn(3, 3, 6, 6).double()
    classifier = Classifier(module, Preprocessing((6, 6)))
    found = explained(classifier, images, gamma=gamma, epsilon=epsilon).maps
    layers = [matrix(first, (3, 6, 6)), matrix(second, (4, 2, 2)), matrix(last, (45,))]
    for i, target in enumerate(TARGETS.tolist()):
        inputs, value = [], images[i].flatten()
        for (weights, bias), activation in zip(
            layers, (F.relu, lambda z: F.leaky_relu(z, 0.3), lambda z: z), strict=True
        ):
            inputs.append(value)
            value = activation(weights @ value + bias)
        relevance = torch.zeros(4).double()
        relevance[target] = value[target]
        relevance = handed_back(*layers[2], inputs[2], relevance, 0, epsilon)
        relevance = handed_back(*layers[1], inputs[1], relevance, gamma, epsilon)
        relevance = handed_back(*layers[0], inputs[0], relevance, gamma, epsilon)
        expected = relevance.view(3, 6, 6).sum(0).float()
        torch.testing.assert_close(found[i], expected, atol=1e-6, rtol=1e-5)


def test_without_gamma_it_is_input_times_gradient(
    classifiers: dict[str, Classifier], images: Tensor
) -> None:
    for kind in ("cnn", "plain"):
        found = run("lrp", classifiers[kind], images, gamma=0, epsilon=1e-12).maps
        assert_same_maps(found, run("input_x_gradient", classifiers[kind], images).maps)


# --- Conservation -------------------------------------------------------------------------------


def residual(z: Tensor, inner: nn.Module) -> Tensor:
    return F.relu(z + inner(z))


CONSERVING: dict[str, tuple[nn.Module, ...]] = {
    "rectifiers": (nn.ReLU(inplace=True),),
    "functions": (Apply(F.relu_), Apply(lambda z: F.max_pool2d(z, 2))),
    "GELU": (nn.GELU(), nn.Conv2d(6, 5, 3), nn.SiLU(inplace=True)),
    "tanh": (nn.Tanh(), nn.Conv2d(6, 5, 3), nn.Hardswish(), nn.LeakyReLU(), nn.Mish()),
    "residual": (nn.ReLU(), Apply(residual, nn.Conv2d(6, 6, 1))),
    "in place addition": (Apply(lambda z, one: one(z).add_(z), nn.Conv2d(6, 6, 1)),),
    "dense": (Apply(lambda z, one: torch.cat([z, F.relu(one(z))], 1), nn.Conv2d(6, 5, 1)),),
    "pooling": (nn.ReLU(), nn.MaxPool2d(3, 2), nn.AvgPool2d(2), Apply(lambda z: z.mean((2, 3)))),
    "one module twice": (Apply(lambda z, one: one(F.gelu(one(z))), nn.Conv2d(6, 6, 1)),),
    "groups": (nn.ReLU(), nn.Conv2d(6, 6, 3, groups=3, padding="same", padding_mode="reflect")),
}


@pytest.mark.parametrize("gamma", [0.0, 0.25, 1e6])
@pytest.mark.parametrize("name", CONSERVING)
def test_without_biases_maps_sum_to_the_score(name: str, gamma: float) -> None:
    classifier = classifier_of(nn.Conv2d(3, 6, 3), *CONSERVING[name], bias=False)
    found = explained(classifier, pictures(), gamma=gamma, epsilon=1e-12)
    with torch.inference_mode():
        scores = classifier.module(pictures())[range(3), TARGETS]
    total = found.maps.double().sum(dim=(1, 2))
    torch.testing.assert_close(total, scores, atol=1e-5 * scores.abs().max().item(), rtol=0)
    assert (found.figures["completeness_gap"] < 1e-3).all()


def test_the_gap_is_what_biases_and_epsilon_keep(
    classifiers: dict[str, Classifier], images: Tensor
) -> None:
    found = run("lrp", classifiers["cnn"], images)
    scores = classifiers["cnn"].scores(images)[range(3), torch.tensor([0, 3, 5])].double()
    expected = (found.maps.double().sum(dim=(1, 2)) - scores).abs() / scores.abs()
    np.testing.assert_allclose(found.figures["completeness_gap"], expected, rtol=1e-3)


def test_gamma_hands_less_back_against_the_evidence(
    classifiers: dict[str, Classifier], images: Tensor
) -> None:
    shares = []
    for gamma in (0.0, 0.25, 2.0):
        maps = run("lrp", classifiers["cnn"], images, gamma=gamma).maps
        shares.append((maps.sum(dim=(1, 2)).abs() / maps.abs().sum(dim=(1, 2))).mean().item())
    assert shares == sorted(shares)
    assert shares[2] > 2 * shares[0]


# --- captum -------------------------------------------------------------------------------------


def captums(classifier: Classifier, images: Tensor, rule: Callable[[], Any]) -> Tensor:
    """captum's, a rule of its own for each convolution."""
    module = classifier.module
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            child.rule = rule()
        elif isinstance(child, nn.Flatten | Apply):
            child.rule = EpsilonRule()
    found = LRP(module).attribute(images.clone().requires_grad_(), TARGETS)
    return found.detach().sum(1).float()


IN_A_ROW = (
    *(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(6, 8, 2), nn.ReLU()),
    *(nn.AvgPool2d(2), nn.Dropout(), nn.Conv2d(8, 9, 1), nn.ReLU()),
)


@pytest.mark.parametrize(
    ("gamma", "epsilon", "rule"),
    [
        (0.0, 1e-9, EpsilonRule),
        (0.25, 1e-9, lambda: GammaRule(0.25)),
        (3.0, 1e-9, lambda: GammaRule(3.0)),
        (1e6, 1e-9, Alpha1_Beta0_Rule),
    ],
)
def test_of_modules_in_a_row_it_is_captums(gamma: float, epsilon: float, rule: Any) -> None:
    # captum's rules take inputs of 0 or above, and its last one biases of 0.
    classifier = classifier_of(*IN_A_ROW, bias=gamma < 1e6)
    images = pictures().abs()
    found = explained(classifier, images, gamma=gamma, epsilon=epsilon).maps
    expected = captums(classifier, images, rule)
    peak = expected.abs().max().item()
    torch.testing.assert_close(found, expected, atol=2e-5 * peak, rtol=0)


@pytest.mark.parametrize("name", ["residual", "dense"])
def test_captum_does_not_conserve_where_ours_does(name: str) -> None:
    # Should this fail, captum may be able to take our place.
    def functions(z: Tensor, one: nn.Module) -> Tensor:
        return z + F.relu(one(z)) if name == "residual" else torch.cat([z, F.relu(one(z))], 1)

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.one = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1)
            self.last = nn.Linear(600 * (1 if name == "residual" else 2), 4)

        def forward(self, images: Tensor) -> Tensor:
            return self.last(functions(F.relu(self.first(images)), self.one).flatten(1))

    torch.manual_seed(0)
    module = Whole().double()
    for child in (module.first, module.one, module.last):
        nn.init.zeros_(child.bias)
    classifier = Classifier(module, Preprocessing((12, 12)))
    scores = module(pictures())[range(3), TARGETS].detach()
    ours = explained(classifier, pictures(), gamma=0).maps.double().sum(dim=(1, 2))
    torch.testing.assert_close(ours, scores, atol=1e-4, rtol=1e-3)
    theirs = captums(classifier, pictures(), EpsilonRule).double().sum(dim=(1, 2))
    assert ((theirs - scores).abs() > 0.02 * scores.abs()).all()


# --- What is refused ----------------------------------------------------------------------------

REFUSED: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (lambda z: z * z.tanh(), "Mul of two activations,"),
    (torch.sigmoid, "Sigmoid,"),
    (nn.Softplus(), "Softplus,"),
    (lambda z: z.clamp(min=0.5), "Clamp,"),
    (lambda z: z.softmax(1), "Softmax,"),
    (nn.PReLU(), "PreluKernel,"),
    (nn.GroupNorm(2, 6), "NativeGroupNorm,"),
    (lambda z: z.abs(), "Abs,"),
]


@pytest.mark.parametrize(("function", "named"), REFUSED)
def test_what_has_no_rule_is_refused_by_name(
    function: Callable[[Tensor], Tensor], named: str
) -> None:
    classifier = classifier_of(nn.Conv2d(3, 6, 3), Apply(function))
    classifier.module.float()
    said = f"Layer-wise relevance propagation has no rule for {named}"
    with pytest.raises(SightlineError, match=said):
        explained(classifier, pictures().float())
    assert (CATALOGUE["lrp"].misfit(classifier) or "").startswith(said)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_convnext"])
def test_models_beyond_it_are_refused(name: str, images: Tensor) -> None:
    with pytest.raises(SightlineError, match="has no rule for"):
        run("lrp", make_classifier(name), images)
