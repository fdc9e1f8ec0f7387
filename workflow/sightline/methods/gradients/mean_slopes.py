"""Functions with a kink hand back by their mean slope over a step along a path.

What comes back from a function f at place k is multiplied by

    (f(z_right) - f(z_left)) / (z_right - z_left)

with z_left and z_right its input at the step's bounds, interpolated between the
places around them, which are neighbouring rows of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sightline.methods.propagation.substitution import Propagation

# Those of `propagation.ELEMENTWISE` whose derivative jumps.
KINKED = frozenset((
    "clamp", "clamp_max", "clamp_min", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "relu",
    "relu6", "selu",
))  # fmt: skip
# Below this difference of inputs the rounding of their quotient is worse than the derivative.
_NEAR = 1e-5
# At a time on a CPU, so that what is computed of them stays in its cache.
_ROWS = 2


class MeanSlopes(Propagation):
    """While it lasts, functions with a kink hand back by their mean slope over a step.

    Parameters
    ----------
    bounds
        The rows of the batch are places in order. Of every two neighbours, how
        far from the first to the second the bound between their steps is. What
        the first and the last row hand back is zero.
    """

    def __init__(self, bounds: Tensor) -> None:
        super().__init__()
        self.bounds = bounds

    def layer(self, *_: Any) -> None:
        """Let all others be."""

    def _activation(
        self, func: Callable[..., Tensor], args: tuple[Any, ...], given_options: dict[str, Any]
    ) -> Tensor | None:
        name = func.__name__
        (given, *rest), options = args, dict(given_options)
        if name.removesuffix("_") not in KINKED or len(given) != len(self.bounds) + 1:
            return None
        writes = name.endswith("_")
        in_place = options.pop("inplace", False) or writes

        def function(one: Tensor) -> Tensor:
            return func(one.clone() if writes else one, *rest, **options)

        # In place also where it is a part of another tensor.
        found: Tensor = _MeanSlope.apply(
            given.clone() if in_place else given, function, self.bounds
        )
        return given.copy_(found) if in_place else found


class _MeanSlope(torch.autograd.Function):
    """A function of each value by itself."""

    @staticmethod
    def forward(
        ctx: Any,
        given: Tensor,
        function: Callable[[Tensor], Tensor],
        bounds: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(given)
        ctx.function, ctx.bounds = function, bounds
        return function(given)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (z,), (out,), count = ctx.saved_tensors, outputs, len(ctx.bounds)
        handed = torch.empty_like(z)
        handed[0], handed[-1] = 0, 0
        rows = _ROWS if z.device.type == "cpu" else count
        for start in range(1, count, rows):
            stop = min(start + rows, count)
            slopes = _slopes(z[start - 1 : stop + 1], ctx.bounds[start - 1 : stop], ctx.function)
            torch.mul(out[start:stop], slopes, out=handed[start:stop])
        return handed, None, None


def _slopes(z: Tensor, bounds: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean slopes of all rows of ``z`` but the first and the last."""
    fractions = bounds.to(z.dtype).reshape(-1, *[1] * (z.dim() - 1))
    ends = torch.lerp(z[:-1], z[1:], fractions)
    values = function(ends)
    rise, run = values[1:] - values[:-1], ends[1:] - ends[:-1]
    with torch.enable_grad():
        middle = z[1:-1].detach().requires_grad_()
        (slope,) = torch.autograd.grad(function(middle).sum(), middle)
    return torch.where(run.abs() < _NEAR, slope, rise.div_(run))
