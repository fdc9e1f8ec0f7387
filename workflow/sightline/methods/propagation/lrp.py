"""Layer-wise relevance propagation: the score handed back layer by layer to the pixels.

Of a layer z_k = sum_j a_j w_jk + b_k, a position's relevance R_k goes to its inputs
by what they contribute (Bach et al. 2015; Montavon et al. 2019, section 10.2):

    R_j = sum_k q_jk / (sum_j q_jk + b_k + epsilon sign) R_k
    q_jk = a_j w_jk                                          fully connected layers
    q_jk = a_j w_jk + gamma [a_j w_jk with the sign of z_k]  convolutions

The second is the gamma rule in its general form, for inputs and outputs of either
sign. For `gamma` 0 it is the epsilon rule, in a network of rectifiers the product
of input and gradient (Ancona et al. 2018); the larger, the less is handed back
against the evidence, up to the alpha-1-beta-0 rule.

The gamma rule takes a second convolution a layer, for inputs of either sign a third,
which the catalogue's passes do not count.

An activation hands back all it gets, max pooling to the largest input; additions,
mean pooling and batch normalisation by what each input contributes. Biases keep
their share: `completeness_gap` says how far the map's sum is from the score,
relative to it.

captum 0.9 has the method for modules in a row, and silently gives another result
where tensors are added, averaged or branch outside of a module, as in any residual
network. Here relevance is the product of each value and a gradient in which every
layer's output is scaled to its rule (`Relevance`); what is neither linear nor an
activation that is 0 at 0 is refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sightline.errors import SightlineError
from sightline.methods.explanation import Explanation
from sightline.methods.propagation.operations import kind
from sightline.methods.propagation.substitution import Propagation, refusal, scores_of_noise
from sightline.models.state import frozen

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import LrpSettings
    from sightline.models.classifier import Classifier


def lrp(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: LrpSettings,
) -> Explanation:
    """Layer-wise relevance propagation from the target logit.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution, with ``completeness_gap``.

    Raises
    ------
    SightlineError
        For a model with operations that no rule is there for.
    """

    def run(part: slice) -> tuple[Tensor, Tensor]:
        with frozen(classifier.module), torch.enable_grad():
            leaf = images[part].to(classifier.device).detach().requires_grad_()
            with Relevance(settings.gamma, settings.epsilon):
                scores = classifier.forward(leaf)
            if reason := _against(classifier.name, scores):
                raise SightlineError(reason)
            chosen = scores.gather(1, targets[part].to(classifier.device)[:, None]).squeeze(1)
            (gradients,) = torch.autograd.grad(chosen.sum(), leaf)
        return (gradients * leaf.detach()).sum(dim=1).float(), chosen.detach().double()

    found = [result for _, result in classifier.batches(len(images), run)]
    maps, score = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    gap = (maps.sum(dim=(1, 2), dtype=torch.float64) - score).abs() / score.abs().clamp_min(1e-12)
    return Explanation(maps, {"completeness_gap": gap.numpy()})


class Relevance(Propagation):
    """While it lasts, the gradient of a value times the value is its relevance."""

    def __init__(self, gamma: float, epsilon: float) -> None:
        super().__init__()
        self.gamma, self.epsilon = gamma, epsilon

    def activation(self, given: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor | None:
        """Hands back all it gets, if it is 0 at 0: else a part of it would come from nowhere."""
        with torch.no_grad():
            # On the CPU: a GPU would be waited for.
            if function(torch.zeros(1, dtype=given.dtype)) != 0:
                return None
            found = function(given)
            share = torch.where(given == 0, 0, found / torch.where(given == 0, 1, given))
        return _valued(found, given, share)

    def layer(
        self, func: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> Tensor | None:
        """A convolution by the gamma rule, a fully connected layer by the epsilon rule."""
        if func.__name__ not in ("conv2d", "linear"):
            return None
        found = func(*args, **options)
        counted = found
        if func.__name__ == "conv2d" and self.gamma > 0:
            counted = found + self.gamma * _agreeing(func, args, options, found)
        with torch.no_grad():
            sign = torch.where(counted < 0, -1, 1)
            share = found / (counted + self.epsilon * sign)
        return _valued(found.detach(), counted, share)


def _agreeing(
    func: Callable[..., Tensor], args: tuple[Any, ...], options: dict[str, Any], found: Tensor
) -> Tensor:
    """What inputs add to each output of a layer in its own direction, without the bias."""
    given, weight, *rest = args
    options = dict(options)
    bias = rest[0] if rest else options.pop("bias", None)
    rest = [None, *rest[1:]]
    rising = func(given * (given > 0), weight.clamp(min=0), *rest, **options)
    if (given < 0).any():
        rising = rising + func(given * (given < 0), weight.clamp(max=0), *rest, **options)
    falling = found - rising
    if bias is not None:
        falling = falling - bias[:, None, None]
    above = found.detach() > 0
    return rising * above + falling * ~above


def _valued(value: Tensor, given: Tensor, share: Tensor) -> Tensor:
    """A value with the gradient of another, scaled."""
    return value + (given - given.detach()) * share


def fits(classifier: Classifier) -> str | None:
    """Why layer-wise relevance propagation cannot explain a model, or nothing."""
    return _against(classifier.name, scores_of_noise(classifier, Relevance(0, 1e-9)))


def _against(model: str, scores: Tensor) -> str | None:
    return refusal(
        "Layer-wise relevance propagation",
        model,
        scores,
        lambda node: kind(node) == "MaxPool2DWithIndices",
        "max pooling, and activations that are 0 at 0 (ReLU, GELU, SiLU, ...)",
    )
