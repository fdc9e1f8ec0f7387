"""Find the layers whose activations class activation maps can read.

A class activation map needs tensors with one position per part of the image,
through which the class score really depends on the image. Every architecture
keeps them somewhere else and lays them out differently. Instead of a table of
names, the model is probed once:

1. One forward pass records every tensor that a submodule returns, and autograd
   the graph between them (`sightline.models.graph`).
2. The graph says what separates the score from the image: one tensor that every
   path goes through; or several, one a branch, that one submodule or the
   members of one list return. Nothing bypasses such a place.
3. Of these, tensors are kept that are laid out over the image (by shape:
   `sightline.models.layout`; tokens also by trying: `sightline.models.locality`),
   and of the places those whose gradient is spread over the positions. (Where
   the head reads a class token alone, the patch tokens of the last block have
   no gradient at all.)

The last such place is depth 1.0. The depth of the others is the share of the
operations up to it that they come after, which follows blocks and stages
without knowing them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils._pytree import tree_leaves

from sightline.errors import SightlineError, unknown
from sightline.models.examine import (
    feature_variation,
    gradient_share,
    observe_changes,
    spread_share,
)
from sightline.models.graph import Graph, Node, time_of
from sightline.models.layers import FeatureMap, Layer
from sightline.models.layout import grid_of
from sightline.models.locality import answering_share, changes, own_change
from sightline.models.state import frozen, hooks

# A gradient counts as spread out when at least this share of positions holds
# more than a hundredth of the largest one.
SPREAD = 0.25
# The positions of a layer carry at least this share of the score's gradient, see gradient_share.
# 0.05 is the least of timm's class-token models; 0.001 it is where the score has gone elsewhere.
CARRIED = 0.01
# Features that differ by less between positions, against their size, differ by rounding: the
# untrained attention of LeViT gives all positions the same mean.
VARIED = 1e-3
# Tokens lie where they seem to when they answer to more than this share of the regions. Right
# orders of timm's architectures reach 1, wrong ones less than a half.
ANSWERING = 0.6
_REGIONS = 3
_MOST_CUTS = 3


def find_layers(module: nn.Module, images: Tensor) -> tuple[Layer, ...]:
    """Probe a classifier for the layers that class activation maps can read.

    Parameters
    ----------
    module
        The classifier, called with ``images``, giving scores (N, classes).
    images
        Two or more images (N, 3, H, W) in the model's normalised space. Their
        values decide whether a gradient is seen to be spread, so they should
        be noise rather than constant.

    Returns
    -------
    tuple of Layer
        In order of execution, by depth; the last has depth 1.0.

    Raises
    ------
    SightlineError
        Where no spatial tensors with a spread-out gradient separate the score
        from the image.
    """
    with frozen(module):
        with torch.enable_grad():
            calls, score = _record(module, images)
            places = _places(calls, Graph(score.grad_fn), images.shape)
            _weigh(places, score)
        _order_tokens(module, places, images)
    for place in places:
        place.tensors = [one for one in place.tensors if one.weight.any() and one.answers]
    places = [place for place in places if place.tensors]
    last = _last(module, places, images)
    # Before the last one a gradient may be sparse (a stride, an untrained
    # residual branch) and is still the whole gradient.
    deepest = 0 if last is None else last.operations
    chosen: dict[frozenset[Node], _Place] = {}
    for place in places:
        if place.operations <= deepest:
            # Of nested modules that return the same tensors the outermost gives the name.
            known = chosen.setdefault(place.nodes, place)
            if place.nesting < known.nesting:
                chosen[place.nodes] = place
    if not chosen:
        raise SightlineError(
            f"No layer of {type(module).__name__} has one position per part of the image "
            "and a gradient of the score at each: class activation maps cannot be computed. "
            "Name a layer in the model's specification (layer: ...) if there is one."
        )
    return tuple(
        Layer(tuple(one.map for one in place.tensors), place.operations / deepest)
        for place in sorted(chosen.values(), key=lambda place: place.operations)
    )


def named_layer(module: nn.Module, images: Tensor, name: str) -> Layer:
    """Describe a layer that was named by hand, wherever in the model it lies.

    Parameters
    ----------
    module, images
        As for `find_layers`.
    name
        A submodule of ``module``, or several joined by ``+`` that are read
        together as branches.

    Raises
    ------
    SightlineError
        For an unknown submodule, or one without a spatial output.
    """
    known = [known for known, _ in module.named_modules() if known]
    with frozen(module):
        with torch.enable_grad():
            calls, _ = _record(module, images)
        found: list[_Tensor] = []
        for one in name.split("+"):
            if one not in known:
                raise unknown("layer", one, known)
            last = next((call for call in reversed(calls) if call.module == one), None)
            tensors = [] if last is None else _spatial(last, images.shape)
            if not tensors:
                shapes = (
                    [] if last is None else [str(tuple(shape)) for shape in last.shapes.values()]
                )
                raise SightlineError(
                    f"Layer {one!r} of {type(module).__name__} gives "
                    f"{', '.join(shapes) or 'no tensor'} for {len(images)} images, which has no "
                    "position per part of the image. Name another layer, or none to have one found."
                )
            found += tensors
        _try_orders(module, images, [one for one in found if one.map.layout == "tokens"], ())
    return Layer(tuple(one.map for one in found), depth=1.0)


@dataclass
class _Call:
    """What one call of a submodule returned: its tensors with a gradient, by number."""

    module: str
    number: int
    time: int
    shapes: dict[int, torch.Size]
    edges: dict[int, GradientEdge]


@dataclass
class _Tensor:
    """A tensor that may be laid out over the image."""

    map: FeatureMap
    edge: GradientEdge
    weight: Tensor = field(default_factory=lambda: torch.zeros(1, 1))  # |gradient|, (N, h * w)
    answers: bool = True


@dataclass
class _Place:
    """Tensors without which no path leads from the score to the image."""

    tensors: list[_Tensor]
    nodes: frozenset[Node]
    operations: int

    @property
    def nesting(self) -> int:
        return self.tensors[0].map.module.count(".")

    @property
    def is_spread(self) -> bool:
        return any(spread_share(one.weight) >= SPREAD for one in self.tensors)


def _record(module: nn.Module, images: Tensor) -> tuple[list[_Call], Tensor]:
    """Every call of a submodule in one pass, and the sum of the best scores."""
    calls: list[_Call] = []
    numbers: Counter[str] = Counter()

    def hook(name: str) -> Any:
        def record(_module: nn.Module, _args: Any, output: Any) -> None:
            tensors = {
                i: one
                for i, one in enumerate(tree_leaves(output))
                if isinstance(one, Tensor) and one.grad_fn is not None
            }
            shapes = {i: one.shape for i, one in tensors.items()}
            edges = {i: get_gradient_edge(one) for i, one in tensors.items()}
            if tensors:
                now = next(iter(tensors.values()))
                time = time_of(now.view_as(now).grad_fn)
                calls.append(_Call(name, numbers[name], time, shapes, edges))
            numbers[name] += 1

        return record

    named = [(name, child) for name, child in module.named_modules() if name]
    with hooks(child.register_forward_hook(hook(name)) for name, child in named):
        scores = module(images.detach().clone().requires_grad_())
    score = scores.flatten(1).max(dim=1).values.sum()
    if score.grad_fn is None:
        raise SightlineError(
            f"The scores of {type(module).__name__} have no gradient: class activation maps "
            "cannot be computed. Choose a method that needs none."
        )
    return calls, score


def _places(calls: list[_Call], graph: Graph, images: torch.Size) -> list[_Place]:
    """Where tensors separate the score from the image.

    Tried are each tensor by itself, all tensors of a call, and all tensors of
    the calls of a list's members (``stages.0``, ``stages.1``, ...).
    """
    calls = [_unread(call, graph) for call in calls]
    groups = [[_only(call, output)] for call in calls for output in call.edges]
    groups += [[call] for call in calls if len(call.edges) > 1]
    lists: dict[str, dict[str, _Call]] = {}
    for call in calls:
        parent, _, number = call.module.rpartition(".")
        if number.isdigit():
            lists.setdefault(parent, {})[number] = call
    groups += [list(members.values()) for members in lists.values()]
    places = []
    for group in groups:
        nodes = graph.cut(edge for call in group for edge in call.edges.values())
        found = [one for call in group for one in _spatial(call, images) if one.edge.node in nodes]
        if found:
            places.append(_Place(found, frozenset(nodes), graph.depth(nodes)))
    return places


def _unread(call: _Call, graph: Graph) -> _Call:
    """The call without tensors that were read before it returned them.

    Whoever replaces such a tensor comes too late: a list of all that a module
    computed on its way, of which each was made from the one before.
    """
    fresh = {i: one for i, one in call.edges.items() if graph.first_reader(one) > call.time}
    return replace(call, edges=fresh)


def _only(call: _Call, output: int) -> _Call:
    return replace(call, edges={output: call.edges[output]})


def _spatial(call: _Call, images: torch.Size) -> list[_Tensor]:
    """Those of a call's tensors that are laid out over the image."""
    found = []
    for output, edge in call.edges.items():
        grid = grid_of(call.shapes[output], images)
        if grid is not None:
            shown = FeatureMap(call.module, **grid._asdict(), call=call.number, output=output)
            found.append(_Tensor(shown, edge))
    return found


def _weigh(places: list[_Place], score: Tensor) -> None:
    """Find the absolute gradient of the score at each position."""
    tensors = [one for place in places for one in place.tensors]
    if tensors:
        edges = [one.edge for one in tensors]
        gradients = torch.autograd.grad(score, edges, allow_unused=True)
        for one, gradient in zip(tensors, gradients, strict=True):
            if gradient is not None:
                one.weight = one.map.spatial(gradient).abs().sum(dim=1).flatten(1)


def _last(module: nn.Module, places: list[_Place], images: Tensor) -> _Place | None:
    """The last place whose positions differ and are listened to."""
    for place in sorted(places, key=lambda place: -place.operations):
        maps = [one.map for one in place.tensors]
        if (
            place.is_spread
            and gradient_share(module, images, maps) >= CARRIED
            and feature_variation(module, images, maps) >= VARIED
        ):
            return place
    return None


def _order_tokens(module: nn.Module, places: list[_Place], images: Tensor) -> None:
    """Find the order of tokens, and whether in any they lie where they seem to.

    Grids (NCHW, NHWC) do by their making and are not tried. Tokens that do not
    answer to the image may still answer to the place before them, if they are
    many layers away from the image.
    """
    tokens = [one for place in places for one in place.tensors if one.map.layout == "tokens"]
    _try_orders(module, images, tokens, ())
    located: list[_Tensor] = []
    for place in sorted(places, key=lambda place: place.operations):
        lost = [one for one in place.tensors if not one.answers]
        if lost and located:
            _try_orders(module, images, lost, tuple(one.map for one in located))
        if all(one.answers for one in place.tensors):
            located = place.tensors


def _try_orders(
    module: nn.Module,
    images: Tensor,
    tensors: list[_Tensor],
    altered: tuple[FeatureMap, ...],
) -> None:
    """Take for each tensor the order in which its positions answer best."""
    found: dict[FeatureMap, tuple[FeatureMap, bool]] = {}

    def look(one: FeatureMap, output: Tensor) -> None:
        cuts = range(_MOST_CUTS + 1)
        orders = [replace(one, unrolled=n) for n in cuts if not (one.height | one.width) % 2**n]
        changed = {order: changes(order.spatial(output)) for order in orders}
        best = max(orders, key=lambda order: own_change(changed[order]))
        found[one] = (best, answering_share(changed[best]) > ANSWERING)

    maps = tuple(dict.fromkeys(one.map for one in tensors))
    if maps:
        observe_changes(module, images, maps, look, altered=altered, regions=_REGIONS)
    for one in tensors:
        one.map, one.answers = found[one.map]
