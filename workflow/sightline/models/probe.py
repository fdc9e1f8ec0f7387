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

from collections import defaultdict
from dataclasses import replace

import torch
from torch import Tensor, nn

from sightline.errors import SightlineError, unknown
from sightline.models.examine import (
    changes_with_regions,
    feature_variation,
    gradient_share,
    spread_share,
)
from sightline.models.graph import Graph, Node
from sightline.models.layers import FeatureMap, Layer
from sightline.models.locality import answering_share, own_change
from sightline.models.places import (
    Place,
    SpatialTensor,
    find_places,
    record,
    spatial_tensors,
    weigh,
)
from sightline.models.state import frozen

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
            calls, score = record(module, images)
            graph = Graph(score.grad_fn)
            places = find_places(calls, graph, images.shape)
            weigh(places, score)
        _order_tokens(module, places, images)
    for place in places:
        place.tensors = [one for one in place.tensors if one.weight.any() and one.located]
    places = [place for place in places if place.tensors]
    last = _last(module, places, images)
    # Before the last one a gradient may be sparse (a stride, an untrained
    # residual branch) and is still the whole gradient.
    deepest = 0 if last is None else last.operations
    chosen: dict[frozenset[Node], Place] = {}
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
        Layer(place.maps, place.operations / deepest, place.operations / len(graph.order))
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
            calls, score = record(module, images)
        graph = Graph(score.grad_fn)
        found: list[SpatialTensor] = []
        for one in name.split("+"):
            if one not in known:
                raise unknown("layer", one, known)
            last = next((call for call in reversed(calls) if call.module == one), None)
            tensors = [] if last is None else spatial_tensors(last, images.shape)
            if not tensors:
                shapes = [] if last is None else [tuple(shape) for shape in last.shapes.values()]
                raise SightlineError(
                    f"Layer {one!r} of {type(module).__name__} gives "
                    f"{', '.join(map(str, shapes)) or 'no tensor'} for {len(images)} images: no "
                    "position per part of the image. Name another layer, or none to have one found."
                )
            found += tensors
        _try_orders(module, images, [one for one in found if one.map.in_tokens], ())
    nodes = {one.edge.node for one in found} & graph.place.keys()
    reach = graph.depth(nodes) / len(graph.order)
    return Layer(tuple(one.map for one in found), depth=1.0, reach=reach)


def _last(module: nn.Module, places: list[Place], images: Tensor) -> Place | None:
    """The last place whose positions differ and are listened to."""
    for place in sorted(places, key=lambda place: -place.operations):
        if (
            any(spread_share(one.weight) >= SPREAD for one in place.tensors)
            and gradient_share(module, images, place.maps) >= CARRIED
            and feature_variation(module, images, place.maps) >= VARIED
        ):
            return place
    return None


def _order_tokens(module: nn.Module, places: list[Place], images: Tensor) -> None:
    """Find the order of tokens, and whether in any they lie where they seem to.

    Grids (NCHW, NHWC) do by their making and are not tried. Tokens that do not
    answer to the image may still answer to the place before them, if they are
    many layers away from the image.
    """
    tokens = [one for place in places for one in place.tensors if one.map.in_tokens]
    _try_orders(module, images, tokens, ())
    located: Place | None = None
    for place in sorted(places, key=lambda place: place.operations):
        lost = [one for one in place.tensors if not one.located]
        if lost and located is not None:
            _try_orders(module, images, lost, located.maps)
        if all(one.located for one in place.tensors):
            located = place


def _try_orders(
    module: nn.Module,
    images: Tensor,
    tensors: list[SpatialTensor],
    altered: tuple[FeatureMap, ...],
) -> None:
    """Take for tokens the order in which their positions answer best.

    Tokens of one number are all ordered alike, as those nearest to the image
    show best.
    """
    if not tensors:
        return
    maps = tuple(dict.fromkeys(one.map for one in tensors))
    changed = changes_with_regions(module, images, maps, altered=altered, regions=_REGIONS)
    answers: dict[tuple[int, int], dict[tuple[int, int], float]] = defaultdict(
        lambda: defaultdict(float)
    )
    for one, tokens in changed.items():
        for order in _orders(one, tokens.shape[1]):
            count = (tokens.shape[1], one.height)
            arranged = order.spatial(tokens)[:, 0]
            answers[count][order.prefix, order.unrolled] += own_change(arranged)
    for tensor in tensors:
        tokens = changed[tensor.map]
        tried = answers[tokens.shape[1], tensor.map.height]
        prefix, unrolled = max(tried, key=lambda order: tried[order])
        tensor.map = replace(tensor.map, prefix=prefix, unrolled=unrolled)
        tensor.located = answering_share(tensor.map.spatial(tokens)[:, 0]) > ANSWERING


def _orders(one: FeatureMap, count: int) -> list[FeatureMap]:
    """Ways to read tokens: how many come before the image's, how often their grid was cut."""
    extra = count - one.height * one.width
    cuts = [n for n in range(_MOST_CUTS + 1) if not (one.height | one.width) % 2**n]
    return [replace(one, prefix=k, unrolled=n) for k in range(extra, -1, -1) for n in cuts]
