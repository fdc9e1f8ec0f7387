"""Guided backpropagation: the gradient, of which only positive parts pass each rectifier.

    g_in = f'(z) 1[z > 0] ReLU(g_out)        (Springenberg et al. 2015)
    M_ij = sum_c g_cij at the image, or max_c |g_cij| for ``colours: largest``

for each rectifier f with input z, g_out being what comes back from the logit of
the explained class. Of a ReLU f'(z) is 1.

It acts on the graph that autograd recorded of the forward pass, so a function or
an in-place operation counts like a module, and nothing of the model is touched.
Rectifiers are ReLU, ReLU6 and clamping at 0; GELU, SiLU, Hardswish and Mish,
which the paper does not have, let pass what the formula says. Where a model has
none of these, another kind of activation, or an operation of its own that cannot
be looked into, it is refused by its name: the result would be the plain gradient,
or something between the two. An activation that is put together from other
operations, such as x * sigmoid(x), is not seen as one; tanh and sigmoid, which gates
have too, keep their own derivative.

Known limits: the map depends on the class only weakly, because the rectified
signal resembles the image whatever was explained (Adebayo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from sightline.errors import SightlineError
from sightline.methods.explanation import Explanation
from sightline.methods.gradients.colours import over_colours
from sightline.methods.propagation.operations import is_custom, kind, operations
from sightline.models.state import frozen, hooks

if TYPE_CHECKING:
    from torch.autograd.graph import Node

    from sightline.methods.catalogue.gradients import SaliencySettings
    from sightline.models.classifier import Classifier

# Operations as autograd calls them. Those whose own derivative is 0 at negative inputs ...
RECTIFIERS = ("Relu", "Hardtanh", "Clamp", "ClampMin", "Threshold")
# ... those that pass something there ...
SMOOTH = ("Gelu", "Silu", "Hardswish", "Mish")
# ... and those of which neither is meant.
REFUSED = (
    "LeakyRelu", "RreluWithNoise", "PreluKernel", "Elu", "Celu", "Softplus", "Softshrink",
    "Hardshrink", "LogSigmoid", "CopySlices",
)  # fmt: skip


def guided_backprop(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: SaliencySettings,
) -> Explanation:
    """Guided backpropagation.

    Returns
    -------
    Explanation
        Maps at the input's resolution; signed for ``colours: sum``.

    Raises
    ------
    SightlineError
        For a model with no rectifier, or one that cannot be guided.
    """

    def run(part: slice) -> Tensor:
        gradients = guided_gradients(classifier, images[part], targets[part])
        return over_colours(gradients, settings.colours).float()

    return Explanation(torch.cat([maps for _, maps in classifier.batches(len(images), run)]).cpu())


def guided_gradients(classifier: Classifier, images: Tensor, targets: Tensor) -> Tensor:
    """The guided gradient of one batch (n, 3, H, W), on the device."""
    with frozen(classifier.module), torch.enable_grad():
        leaf = images.to(classifier.device).detach().requires_grad_()
        chosen = classifier.forward(leaf).gather(1, targets.to(classifier.device)[:, None]).sum()
        rectifiers = _rectifiers(classifier.name, chosen)
        with hooks(handle for node in rectifiers for handle in _guide(node)):
            (gradient,) = torch.autograd.grad(chosen, leaf, materialize_grads=True)
    return gradient


def cannot_be_guided(classifier: Classifier) -> str | None:
    """Why a model cannot be guided, or nothing: found in the graph of one pass."""
    size = classifier.preprocessing.size
    image = torch.zeros(1, 3, *size, device=classifier.device, requires_grad=True)
    try:
        with frozen(classifier.module), torch.enable_grad():
            _rectifiers(classifier.name, classifier.forward(image).sum())
    except SightlineError as error:
        return str(error)
    return None


def _rectifiers(model: str, score: Tensor) -> list[Node]:
    """The operations to guide; refuses a model that has others or none."""
    if not score.requires_grad:
        raise SightlineError(
            f"Model {model} computes its scores without a gradient, which guided "
            "backpropagation needs."
        )
    nodes = list(operations(score.grad_fn))
    odd = sorted({kind(node) for node in nodes if _is_odd(node)})
    if odd:
        raise SightlineError(
            f"Guided backpropagation is not defined for {', '.join(odd)}, which the model {model} "
            f"has. It knows {', '.join((*RECTIFIERS, *SMOOTH))}."
        )
    found = [node for node in nodes if kind(node) in SMOOTH or _cuts_at_zero(node)]
    if not found:
        raise SightlineError(
            f"Model {model} has no rectifier (ReLU, GELU, ...): guided backpropagation would be "
            "its plain gradient, which the method saliency gives."
        )
    return found


def _is_odd(node: Node) -> bool:
    # A function written in Python may be an activation of any kind.
    return kind(node) in REFUSED or is_custom(node)


def _cuts_at_zero(node: Any) -> bool:
    name = kind(node)
    if name == "Hardtanh":
        return bool(node._saved_min_val == 0)
    if name in ("Clamp", "ClampMin"):
        return bool(getattr(node, "_saved_min", None) == 0)
    if name == "Threshold":
        return bool(node._saved_threshold == 0)
    return name == "Relu"


def _guide(node: Any) -> Iterator[RemovableHandle]:
    yield node.register_prehook(lambda outputs: tuple(_positive(one) for one in outputs))
    if kind(node) in SMOOTH:
        # Not the node itself: a hook that held it would keep the graph alive.
        shown = node._saved_self > 0
        yield node.register_hook(lambda inputs, _: tuple(one * shown for one in inputs))


def _positive(gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient.clamp_min(0)
