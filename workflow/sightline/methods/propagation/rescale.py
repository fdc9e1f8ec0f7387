"""DeepLIFT's rescale rule: how much of a difference each operation hands on.

Images and baselines run together, as the two halves of a batch. At an elementwise
function f the image's half of what comes back, m_out, becomes

    m_in = m_out (f(x) - f(b)) / (x - b)            (Shrikumar et al. 2017, equation 13)

with x its input for the image and b for the baseline; linear operations hand on
their gradient. Of a maximum over a window, x_p for the image and b_q for the
baseline, the difference goes to p where x_p >= b_q, else to q:

    m_in_p = m_out (x_p - b_q) / (x_p - b_p),    m_in_q = m_out (x_p - b_q) / (x_q - b_q).

Then the sum over the image of m (x - b) is the score's difference, exactly.

`Rescaled` makes the functions of PyTorch so while it lasts: modules use them, so
that whether an activation is a module, runs twice or in place makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sightline.methods.propagation.substitution import Propagation

# Below this difference of inputs the rounding of their quotient is worse than the derivative.
_NEAR = 1e-5


class Rescaled(Propagation):
    """While it lasts, activations and max pooling hand back as the rescale rule says."""

    def activation(self, given: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """By the rule's quotient."""
        found: Tensor = _Elementwise.apply(given, function)
        return found

    def layer(
        self, func: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> Tensor | None:
        """Max pooling alone."""
        if func.__name__ != "max_pool2d" or options.get("return_indices"):
            return None
        found: Tensor = _MaxPool.apply(args[0], args[1:], options | {"return_indices": True})
        return found


class _Elementwise(torch.autograd.Function):
    """A function of each value by itself."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        found = function(given)
        ctx.save_for_backward(given, found)
        ctx.function = function
        return found

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None]:
        (x, b), (f_x, f_b) = (one.chunk(2) for one in ctx.saved_tensors)
        with torch.enable_grad():
            middle = ((x + b) / 2).requires_grad_()
            (slope,) = torch.autograd.grad(ctx.function(middle).sum(), middle)
        near = (x - b).abs() < _NEAR
        ratio = torch.where(near, slope, (f_x - f_b) / torch.where(near, 1, x - b))
        return outputs[0] * torch.cat([ratio, ratio]), None


class _MaxPool(torch.autograd.Function):
    """The largest value of each window; windows may overlap."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, rest: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
        found, places = nn.functional.max_pool2d(given, *rest, **options)
        ctx.save_for_backward(given, found, places)
        return found

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None]:
        given, found, places = ctx.saved_tensors
        (largest, reference), (p, q) = found.chunk(2), places.chunk(2)
        place = torch.where(largest >= reference, p, q).flatten(-2)
        x, b = (one.flatten(-2).gather(-1, place) for one in given.chunk(2))
        rise = (largest - reference).flatten(-2)
        # Where the maxima are alike nothing is to be handed on; elsewhere x and b differ.
        ratio = rise / torch.where(rise == 0, 1, x - b)
        handed = outputs[0].chunk(2)[0].flatten(-2) * ratio
        back = torch.zeros_like(given[: len(x)]).flatten(-2).scatter_add(-1, place, handed)
        back = back.view_as(given[: len(x)])
        return torch.cat([back, torch.zeros_like(back)]), None, None


def is_rescaled(node: Any) -> bool:
    """Whether an operation of a graph hands back by the rule."""
    return isinstance(node, _Elementwise._backward_cls | _MaxPool._backward_cls)
