"""The least time that a method's passes could take: bare passes, measured beside it.

A bare pass is the module alone: channels_last, weights that need no gradient, no check, no copy.
Three kinds: forward in inference mode; forward and backward to the images; forward and backward
from the logits to a layer, where all before the layer runs without a graph. The last is done by
cutting the model in two by hand, without any hook.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from sightline.models.classifier import Classifier

KINDS = ("forward", "to image", "to layer")


class Floors:
    """Bare passes of one model and one of its layers."""

    def __init__(self, classifier: Classifier, layer: str) -> None:
        self.module = deepcopy(classifier.module).eval().requires_grad_(False)
        self.module.to(memory_format=torch.channels_last)
        self.device = classifier.device
        self.layer = layer

    def run(self, kind: str, images: Tensor, targets: Tensor, batch: int) -> None:
        """Take all images through passes of a kind, so many at a time."""
        placed = images.to(self.device, memory_format=torch.channels_last)
        chosen = targets.to(self.device)[:, None]
        bare = getattr(self, "_" + kind.replace(" ", "_"))
        for some, which in zip(placed.split(batch), chosen.split(batch), strict=True):
            bare(some, which)

    def _forward(self, images: Tensor, _targets: Tensor) -> None:
        with torch.inference_mode():
            self.module(images)

    def _to_image(self, images: Tensor, targets: Tensor) -> None:
        leaf = images.detach().requires_grad_()
        torch.autograd.grad(self.module(leaf).gather(1, targets).sum(), leaf)

    def _to_layer(self, images: Tensor, targets: Tensor) -> None:
        first, rest = cut(self.module, self.layer)
        with torch.no_grad():
            leaf = first(images)
        leaf.requires_grad_()
        torch.autograd.grad(rest(leaf).gather(1, targets).sum(), leaf)


def cut(module: Any, layer: str) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """One of timm's ResNets or vision transformers in two, after a submodule."""
    if layer.startswith("blocks."):
        after = int(layer.removeprefix("blocks.")) + 1

        def tokens(images: Tensor) -> Tensor:
            return module.norm_pre(module.patch_drop(module._pos_embed(module.patch_embed(images))))

        return (
            lambda images: module.blocks[:after](tokens(images)),
            lambda kept: module.forward_head(module.norm(module.blocks[after:](kept))),
        )
    stages = ["conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4"]
    after = stages.index(layer) + 1
    first, rest = (
        nn.Sequential(*(getattr(module, name) for name in names))
        for names in (stages[:after], stages[after:])
    )
    return first, lambda kept: module.forward_head(rest(kept))


def passes(classifier: Classifier, run: Callable[[], object]) -> Counter[str]:
    """How many images a run takes through the model, by kind of pass; counted, not declared."""
    waiting: list[int] = []  # of each pass forward, until it is known to have one backward
    counts: Counter[str] = Counter()
    inside = False
    forward, grad = Classifier.forward, torch.autograd.grad
    size = tuple(classifier.preprocessing.size)

    def counted_forward(self: Classifier, images: Tensor) -> Tensor:
        nonlocal inside
        waiting.append(len(images))
        inside = True
        try:
            return forward(self, images)
        finally:
            inside = False

    def hook(_module: nn.Module, given: tuple[Any, ...]) -> None:
        if not inside:  # called past the classifier
            waiting.append(len(given[0]))

    def counted_grad(outputs: Any, inputs: Any, *others: Any, **more: Any) -> Any:
        found = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        shape = tuple(found[0].shape[1:])
        to_layer = len(found) == 1 and shape != (3, *size)
        counts["to layer" if to_layer else "to image"] += waiting.pop() if waiting else 0
        return grad(outputs, inputs, *others, **more)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(Classifier, "forward", counted_forward))
        stack.enter_context(mock.patch.object(torch.autograd, "grad", counted_grad))
        stack.callback(classifier.module.register_forward_pre_hook(hook).remove)
        run()
    counts["forward"] += sum(waiting)
    return +counts
