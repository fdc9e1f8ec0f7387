"""Find the layers whose activations class activation maps can read.

A class activation map needs a tensor with one position per part of the image,
through which the class score really depends on the image. Every architecture
keeps such a tensor somewhere else and lays it out differently. Instead of a
table of names, the model is probed once:

1. One forward pass records the output tensors of all submodules.
2. The autograd graph from the scores back to the image is searched for its
   *dominators*: operations that every path from image to score goes through.
   A submodule output at a dominator is a point of the model's trunk: nothing
   bypasses it, so its gradient is the whole gradient.
3. Of these, tensors with a spatial layout are kept, and of them those whose
   gradient is spread over the positions. (Where the head reads a class token
   alone, the patch tokens of the last block have no gradient at all.)

The last such point is depth 1.0. The depth of the others is the share of the
operations up to it that they come after, which follows blocks and stages
without knowing them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sightline.errors import SightlineError, unknown
from sightline.models.state import frozen, hooks

Layout = Literal["NCHW", "NHWC", "tokens"]

# A gradient counts as spread out when at least this share of positions holds
# more than a hundredth of the largest one.
SPREAD = 0.25
MAX_PREFIX_TOKENS = 16


@dataclass(frozen=True)
class Layer:
    """A tensor of the model that has one position per part of the image.

    Attributes
    ----------
    name
        The submodule whose output it is, as in ``model.named_modules()``.
    layout
        ``NCHW``, ``NHWC``, or ``tokens`` (N, prefix + height * width, C).
    height, width
        Positions, at the probed input size.
    channels
        Features at each position.
    prefix
        Leading tokens that are no part of the image (class and register tokens).
    depth
        Share of the operations up to the last layer; the last is 1.0.
    """

    name: str
    layout: Layout
    height: int
    width: int
    channels: int
    prefix: int
    depth: float

    def spatial(self, activations: Tensor) -> Tensor:
        """The activations as (N, C, height, width), a view where possible."""
        if self.layout == "NCHW":
            return activations
        if self.layout == "NHWC":
            return activations.movedim(-1, 1)
        tokens = activations[:, self.prefix :]
        grid = tokens.unflatten(1, (self.height, self.width))
        return grid.movedim(-1, 1)


@dataclass
class _Recorded:
    """A submodule's output as seen by its hook."""

    name: str
    order: int
    tensor: Tensor
    node: Any


def find_layers(module: nn.Module, image: Tensor) -> tuple[Layer, ...]:
    """Probe a classifier for the layers that class activation maps can read.

    Parameters
    ----------
    module
        The classifier, called with ``image``, giving scores (N, classes).
    image
        Tensor (1, 3, H, W) in the model's normalised space. Its values decide
        which of several equally deep gradients are seen to be spread, so it
        should be noise rather than constant.

    Returns
    -------
    tuple of Layer
        In order of execution, by depth; the last has depth 1.0.

    Raises
    ------
    SightlineError
        Where no spatial tensor with a spread-out gradient lies on the trunk.
    """
    with frozen(module), torch.enable_grad():
        probe = image.detach().clone().requires_grad_()
        recorded, scores = _record(module, probe)
        order = _topological(scores.grad_fn)
        trunk = _dominators(order)
        points = [record for record in recorded if record.node in trunk]
        gradients = torch.autograd.grad(
            _score(scores), [point.tensor for point in points], allow_unused=True
        )
    position = {node: i for i, node in enumerate(reversed(order))}
    layers, deepest = [], 0.0
    for point, gradient in zip(points, gradients, strict=True):
        shape = _layout(point.tensor, (image.shape[-2], image.shape[-1]))
        if shape is None or gradient is None:
            continue
        layer = Layer(point.name, *shape, depth=float(position[point.node]))
        layers.append(layer)
        if _is_spread(layer.spatial(gradient.detach())):
            deepest = max(deepest, layer.depth)
    # Before the deepest one a gradient may be sparse (a stride, an untrained
    # residual branch) and is still the whole gradient.
    layers = [layer for layer in layers if layer.depth <= deepest]
    if not layers:
        raise SightlineError(
            f"No layer of {type(module).__name__} has one position per part of the image "
            "and a gradient of the score at each: class activation maps cannot be computed. "
            "Name a layer in the model's specification (layer: ...) if there is one."
        )
    return _with_depth(layers)


def choose_layer(layers: tuple[Layer, ...], depth: float) -> Layer:
    """The layer nearest to a share ``depth`` in (0, 1] of the trunk."""
    if not 0 < depth <= 1:
        raise SightlineError(f"depth must be above 0 and at most 1, got {depth}.")
    return min(layers, key=lambda layer: (abs(layer.depth - depth), -layer.depth))


def named_layer(module: nn.Module, image: Tensor, name: str) -> Layer:
    """Describe a layer that was named by hand, wherever in the model it lies.

    Parameters
    ----------
    module, image
        As for `find_layers`.
    name
        A submodule of ``module``.

    Raises
    ------
    SightlineError
        For an unknown submodule, or one without a spatial output.
    """
    known = [known for known, _ in module.named_modules() if known]
    if name not in known:
        raise unknown("layer", name, known)
    with frozen(module), torch.enable_grad():
        recorded, _ = _record(module, image.detach().clone().requires_grad_())
    outputs = [record.tensor for record in recorded if record.name == name]
    shape = _layout(outputs[-1], (image.shape[-2], image.shape[-1])) if outputs else None
    if shape is None:
        seen = tuple(outputs[-1].shape) if outputs else "no tensor"
        raise SightlineError(
            f"Layer {name!r} of {type(module).__name__} gives {seen}, which has no position "
            "per part of the image. Name another layer, or none to have one found."
        )
    return Layer(name, *shape, depth=1.0)


def _record(module: nn.Module, probe: Tensor) -> tuple[list[_Recorded], Tensor]:
    recorded: list[_Recorded] = []

    def hook(name: str) -> Any:
        def record(_module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.grad_fn is not None:
                recorded.append(_Recorded(name, len(recorded), output, output.grad_fn))

        return record

    named = [(name, child) for name, child in module.named_modules() if name]
    with hooks(child.register_forward_hook(hook(name)) for name, child in named):
        scores = module(probe)
    return recorded, scores


def _score(scores: Tensor) -> Tensor:
    return scores.flatten(1).max(dim=1).values.sum()


def _topological(root: Any) -> list[Any]:
    """Autograd nodes from the scores to the image, each before its inputs."""
    # Leaf nodes other than the image do not occur: all weights are frozen.
    finished: list[Any] = []
    seen = {root}
    stack: list[tuple[Any, Iterator[Any]]] = [(root, _inputs(root))]
    while stack:
        node, rest = stack[-1]
        following = next((child for child in rest if child not in seen), None)
        if following is None:
            finished.append(node)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, _inputs(following)))
    return finished[::-1]


def _inputs(node: Any) -> Iterator[Any]:
    return iter([child for child, _ in node.next_functions if child is not None])


def _dominators(order: list[Any]) -> set[Any]:
    """Nodes that no edge of the graph bypasses, in topological ``order``."""
    index = {node: i for i, node in enumerate(order)}
    furthest, found = 0, set()
    for i, node in enumerate(order):
        if furthest <= i:
            found.add(node)
        furthest = max([furthest, *(index[child] for child in _inputs(node))])
    return found


def _layout(
    tensor: Tensor, image_size: tuple[int, int]
) -> tuple[Layout, int, int, int, int] | None:
    """Layout, height, width, channels and prefix tokens of a spatial tensor."""
    aspect = image_size[0] / image_size[1]
    if tensor.ndim == 4:
        _, a, b, c = tensor.shape
        # A grid has the image's aspect; where both readings have it, features
        # outnumber positions along a side at any depth worth explaining.
        if _is_grid(b, c, aspect) and not (_is_grid(a, b, aspect) and c > b):
            return "NCHW", b, c, a, 0
        if _is_grid(a, b, aspect):
            return "NHWC", a, b, c, 0
    if tensor.ndim == 3:
        _, count, channels = tensor.shape
        for prefix in range(min(MAX_PREFIX_TOKENS, count - 1) + 1):
            height = math.isqrt(round((count - prefix) * aspect))
            if height and (count - prefix) % height == 0:
                width = (count - prefix) // height
                if _is_grid(height, width, aspect):
                    return "tokens", height, width, channels, prefix
    return None


def _is_grid(height: int, width: int, aspect: float) -> bool:
    return min(height, width) > 1 and abs(height - width * aspect) < 1


def _is_spread(gradient: Tensor) -> bool:
    strength = gradient.abs().sum(dim=1).flatten()
    if not torch.isfinite(strength).all() or strength.max() == 0:
        return False
    return bool((strength > 0.01 * strength.max()).float().mean() >= SPREAD)


def _with_depth(layers: list[Layer]) -> tuple[Layer, ...]:
    """One layer per autograd node, depth relative to the last one's."""
    by_place: dict[float, list[Layer]] = defaultdict(list)
    for layer in layers:
        by_place[layer.depth].append(layer)
    last = max(by_place)
    # Of nested modules that return the same tensor the outermost is named.
    outermost = [
        min(by_place[place], key=lambda layer: layer.name.count(".")) for place in sorted(by_place)
    ]
    return tuple(replace(layer, depth=layer.depth / last) for layer in outermost)
