"""Propagate something else than the gradient: other functions in the place of PyTorch's.

Methods that do so have rules for some operations. They look at all that a model
did in a pass, and refuse by their names those that no rule is there for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from sightline.methods.propagation.operations import described, is_linear, operations
from sightline.models.state import frozen

if TYPE_CHECKING:
    from torch.autograd.graph import Node

    from sightline.models.classifier import Classifier

# Activations, as PyTorch calls them: functions of each value by itself.
ELEMENTWISE = frozenset((
    "celu", "clamp", "clamp_max", "clamp_min", "elu", "gelu", "hardsigmoid", "hardswish",
    "hardtanh", "leaky_relu", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "softplus", "tanh",
))  # fmt: skip


class Propagation(TorchFunctionMode):
    """While it lasts, others stand in for functions of PyTorch whose result depends on the image.

    Modules call these functions: whether an activation is a module, runs twice
    or in place makes no difference. Nothing is changed outside of the context.
    """

    def __enter__(self) -> Propagation:
        """Attention in its parts besides, which have the same names on any device."""
        self._in_parts = sdpa_kernel(SDPBackend.MATH)
        self._in_parts.__enter__()
        entered: Propagation = super().__enter__()
        return entered

    def __exit__(self, *raised: Any) -> None:
        """Both end."""
        super().__exit__(*raised)
        self._in_parts.__exit__(*raised)

    def activation(self, given: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor | None:
        """What stands in for an activation; nothing, to let it be."""
        raise NotImplementedError

    def layer(
        self, func: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> Tensor | None:
        """What stands in for any other function; nothing, to let it be."""
        raise NotImplementedError

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function of PyTorch, or what stands in for it."""
        options, found = dict(kwargs or {}), None
        if torch.is_grad_enabled() and args and isinstance(args[0], Tensor):
            name = getattr(func, "__name__", "").removesuffix("_")
            others = [one for one in (*args[1:], *options.values()) if isinstance(one, Tensor)]
            if not args[0].requires_grad or any(one.requires_grad for one in others):
                pass
            elif name in ELEMENTWISE and not others:
                found = self._activation(func, args, options)
            elif name:
                found = self.layer(func, args, options)
        return func(*args, **options) if found is None else found

    def _activation(
        self, func: Callable[..., Tensor], args: tuple[Any, ...], given_options: dict[str, Any]
    ) -> Tensor | None:
        # A function whose name ends with an underscore writes into what it gets.
        (given, *rest), options = args, dict(given_options)
        writes = func.__name__.endswith("_")
        in_place = options.pop("inplace", False) or writes

        def function(one: Tensor) -> Tensor:
            return func(one.clone() if writes else one, *rest, **options)

        found = self.activation(given.clone() if in_place else given, function)
        return given.copy_(found) if in_place and found is not None else found


def refusal(
    method: str, model: str, scores: Tensor, known: Callable[[Node], bool], rules: str
) -> str | None:
    """Why a method that propagates by rules cannot explain a model, or nothing.

    Parameters
    ----------
    method, model
        As a sentence has them.
    scores
        Of a pass that ran within the method's `Propagation`.
    known
        Whether the method has a rule for an operation; it has for linear ones.
    rules
        For what it has rules, in words.
    """
    if not scores.requires_grad:
        return f"Model {model} computes its scores without a gradient, which {method} needs."
    nodes = operations(scores.grad_fn)
    odd = sorted({described(node) for node in nodes if not is_linear(node) and not known(node)})
    if not odd:
        return None
    return (
        f"{method} has no rule for {', '.join(odd)}, which the model {model} has. It has rules for "
        f"linear operations, {rules}; integrated_gradients needs none."
    )


def scores_of_noise(classifier: Classifier, propagation: Propagation) -> Tensor:
    """Scores of two images of noise, with their graph, within a method's propagation."""
    size = classifier.preprocessing.size
    noise = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with frozen(classifier.module), torch.enable_grad(), propagation:
        return classifier.forward(noise.to(classifier.device).requires_grad_())
