"""Borrow a module's state and return it as it was, also after an exception."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from sightline.models.layers import FeatureMap

# How timm, torchvision and transformers say that a module forgets its activations and
# computes them again: it would run twice, and with it every hook.
_CHECKPOINTING = ("grad_checkpointing", "gradient_checkpointing", "memory_efficient")


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside `torch.compile`'s or data parallelism's wrapper."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif isinstance(inner := getattr(module, "_orig_mod", None), nn.Module):
            module = inner
        else:
            return module


class _Kept:
    """A submodule's buffers and public attributes: its mode, its flags, what it keeps of a pass.

    LeViT and others fill a dictionary of biases while they evaluate; tensors of
    inference mode in it would be in the way of the next training step.
    """

    def __init__(self, child: nn.Module) -> None:
        self.attributes = vars(child)
        self.public = {name: one for name, one in self.attributes.items() if name[0] != "_"}
        self.contents = [
            (one, one.copy()) for one in self.public.values() if isinstance(one, (dict, list))
        ]
        self.contents.append((child._buffers, child._buffers.copy()))

    def restore(self) -> None:
        for name in [one for one in self.attributes if one not in self.public and one[0] != "_"]:
            del self.attributes[name]
        self.attributes.update(self.public)
        for container, content in self.contents:
            container.clear()
            container.update(content) if isinstance(container, dict) else container.extend(content)


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode, no gradient of any weight, no activation computed twice, nothing compiled.

    A compiled part would run without the hooks that are registered after its compilation.
    """
    # Once a batch, and a large model has hundreds of submodules: nothing here looks through
    # `nn.Module.__getattr__`, which is slow where there is nothing to find.
    children = list(module.modules())
    weights = [
        weight
        for child in children
        for weight in child._parameters.values()
        if weight is not None and weight.requires_grad
    ]
    kept = [_Kept(child) for child in children]
    compiled = any(
        child._compiled_call_impl is not None or "_orig_mod" in child._modules for child in children
    )
    try:
        if any(child.training for child in children):
            module.eval()
        for weight in weights:
            weight.requires_grad_(False)
        for one in kept:
            for flag in _CHECKPOINTING:
                if one.public.get(flag) is True:
                    one.attributes[flag] = False
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield module
    finally:
        for weight in weights:
            weight.requires_grad_(True)
        for one in kept:
            one.restore()


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


@contextmanager
def replaced(
    module: nn.Module,
    maps: Sequence[FeatureMap],
    change: Callable[[FeatureMap, Tensor], Tensor],
) -> Iterator[None]:
    """Put other tensors in the place of some while a model runs.

    Parameters
    ----------
    module
        The model.
    maps
        Which tensors.
    change
        From one of ``maps`` and the tensor that the submodule returned, images
        first, to the one that the rest of the model gets.
    """
    # Within one pass; a submodule that runs again in the next one starts anew.
    calls: Counter[str] = Counter()

    def replace(name: str) -> Any:
        wanted = [one for one in maps if one.module == name]

        def hook(_module: nn.Module, _args: object, output: Any) -> Any:
            tensors, structure = tree_flatten(output)
            for one in wanted:
                if one.call == calls[name]:
                    changed = change(one, one.batch_first(tensors[one.output]))
                    tensors[one.output] = one.batch_first(changed)
            calls[name] += 1
            return tree_unflatten(tensors, structure)

        return hook

    def start(_module: nn.Module, _args: object) -> None:
        calls.clear()

    names = dict.fromkeys(one.module for one in maps)
    with hooks(
        handle
        for handles in (
            [module.register_forward_pre_hook(start)],
            (module.get_submodule(name).register_forward_hook(replace(name)) for name in names),
        )
        for handle in handles
    ):
        yield
