"""Record one pass of a model, and find the tensors without which no path leads to its score."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils._pytree import tree_leaves

from sightline.errors import SightlineError
from sightline.models.graph import Graph, Node, time_of
from sightline.models.layers import FeatureMap
from sightline.models.layout import grid_of
from sightline.models.output import checked_scores
from sightline.models.state import hooks


@dataclass
class Call:
    """What one call of a submodule returned: its tensors with a gradient, by number."""

    module: str
    number: int
    time: int
    shapes: dict[int, torch.Size]
    edges: dict[int, GradientEdge]


@dataclass
class SpatialTensor:
    """A tensor that may be laid out over the image.

    Attributes
    ----------
    map
        How it is read.
    edge
        Where it stands in autograd's graph.
    weight
        Absolute gradient of the score at each position, (N, height * width).
    located
        Whether its positions lie where they seem to.
    """

    map: FeatureMap
    edge: GradientEdge
    weight: Tensor = field(default_factory=lambda: torch.zeros(1, 1))
    located: bool = True


@dataclass
class Place:
    """Tensors that together separate the score from the image.

    Attributes
    ----------
    tensors
        Those that are laid out over the image.
    nodes
        The operations that made all of them.
    operations
        How many operations lead up to it.
    """

    tensors: list[SpatialTensor]
    nodes: frozenset[Node]
    operations: int

    @property
    def maps(self) -> tuple[FeatureMap, ...]:
        """How its tensors are read."""
        return tuple(one.map for one in self.tensors)

    @property
    def nesting(self) -> int:
        """How deep its submodule lies in others."""
        return self.tensors[0].map.module.count(".")


def record(module: nn.Module, images: Tensor) -> tuple[list[Call], Tensor]:
    """Every call of a submodule in one pass, and the sum of the best scores."""
    calls: list[Call] = []
    numbers: Counter[str] = Counter()

    def hook(name: str) -> Any:
        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            tensors = {
                i: one
                for i, one in enumerate(tree_leaves(output))
                if isinstance(one, Tensor) and one.grad_fn is not None
            }
            if tensors:
                now = next(iter(tensors.values()))
                shapes = {i: one.shape for i, one in tensors.items()}
                edges = {i: get_gradient_edge(one) for i, one in tensors.items()}
                time = time_of(now.view_as(now).grad_fn)
                calls.append(Call(name, numbers[name], time, shapes, edges))
            numbers[name] += 1

        return keep

    named = [(name, child) for name, child in module.named_modules() if name]
    with hooks(child.register_forward_hook(hook(name)) for name, child in named):
        scores = checked_scores(
            module(images.detach().clone().requires_grad_()), type(module).__name__
        )
    score = scores.max(dim=1).values.sum()
    if score.grad_fn is None:
        raise SightlineError(
            f"The scores of {type(module).__name__} have no gradient: class activation maps "
            "cannot be computed. Choose a method that needs none."
        )
    return calls, score


def find_places(calls: list[Call], graph: Graph, images: torch.Size) -> list[Place]:
    """Where tensors separate the score from the image.

    Tried are each tensor by itself, all tensors of a call, and all tensors of
    the calls of a list's members (``stages.0``, ``stages.1``, ...).
    """
    calls = [_unread(call, graph) for call in calls]
    groups = [[_only(call, output)] for call in calls for output in call.edges]
    groups += [[call] for call in calls if len(call.edges) > 1]
    lists: dict[str, dict[str, Call]] = {}
    for call in calls:
        parent, _, number = call.module.rpartition(".")
        if number.isdigit():
            lists.setdefault(parent, {})[number] = call
    groups += [list(members.values()) for members in lists.values()]
    places = []
    for group in groups:
        nodes = graph.cut(edge for call in group for edge in call.edges.values())
        found = [
            one for call in group for one in spatial_tensors(call, images) if one.edge.node in nodes
        ]
        if found:
            places.append(Place(found, frozenset(nodes), graph.depth(nodes)))
    return places


def _unread(call: Call, graph: Graph) -> Call:
    """The call without tensors that were read before it returned them.

    Whoever replaces such a tensor comes too late: a list of all that a module
    computed on its way, of which each was made from the one before.
    """
    fresh = {i: one for i, one in call.edges.items() if graph.first_reader(one) > call.time}
    return replace(call, edges=fresh)


def _only(call: Call, output: int) -> Call:
    return replace(call, edges={output: call.edges[output]})


def spatial_tensors(call: Call, images: torch.Size) -> list[SpatialTensor]:
    """Those of a call's tensors that are laid out over the image."""
    found = []
    for output, edge in call.edges.items():
        grid = grid_of(call.shapes[output], images)
        if grid is not None:
            shown = FeatureMap(call.module, **grid._asdict(), call=call.number, output=output)
            found.append(SpatialTensor(shown, edge))
    return found


def weigh(places: list[Place], score: Tensor) -> None:
    """Find the absolute gradient of the score at each position."""
    tensors = [one for place in places for one in place.tensors]
    if tensors:
        edges = [one.edge for one in tensors]
        gradients = torch.autograd.grad(score, edges, allow_unused=True)
        for one, gradient in zip(tensors, gradients, strict=True):
            if gradient is not None:
                features = one.map.spatial(one.map.batch_first(gradient))
                one.weight = features.abs().sum(dim=1).flatten(1)
