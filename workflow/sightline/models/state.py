"""Borrow a module's state and return it as it was, also after an exception."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.utils.hooks import RemovableHandle


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode and no gradient of any weight, within the context."""
    modes = {child: child.training for child in module.modules()}
    wanted = {weight: weight.requires_grad for weight in module.parameters()}
    try:
        module.eval()
        module.requires_grad_(False)
        yield module
    finally:
        for child, training in modes.items():
            child.training = training
        for weight, requires_grad in wanted.items():
            weight.requires_grad_(requires_grad)


@contextmanager
def hooks(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """Keep hooks while the context lasts; ``handles`` registers them lazily."""
    registered: list[RemovableHandle] = []
    try:
        for handle in handles:
            registered.append(handle)
        yield
    finally:
        for handle in registered:
            handle.remove()
