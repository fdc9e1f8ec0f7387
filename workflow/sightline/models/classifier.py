"""A classifier with all that explaining it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from sightline.errors import SightlineError
from sightline.models.layers import FeatureMap, Layer, choose_layer
from sightline.models.output import checked_scores
from sightline.models.precision import Precision, as_precision
from sightline.models.preprocessing import Preprocessing
from sightline.models.probe import find_layers, named_layer
from sightline.models.state import frozen, replaced, unwrapped

Score = Literal["logit", "probability"]
Task = Literal["single", "multilabel"]
Result = TypeVar("Result")

# How the CPU's allocator and CUDA's libraries say in a plain RuntimeError that memory ran out.
_NO_MEMORY = (
    "can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)  # fmt: skip
# The most images at a time. On a CPU 32 take 6 % longer an image than 16 (ResNet-18 at 224 pixels,
# 14 % with a backward pass): what they keep no longer fits near it. Fewer leave a GPU waiting.
BATCH_SIZES = {"cpu": 16, "cuda": 256}

_FOUND: WeakKeyDictionary[nn.Module, dict[tuple[Any, ...], tuple[Layer, ...]]] = WeakKeyDictionary()


@dataclass
class Classifier:
    """A torch module in evaluation mode, its preprocessing and its layers.

    Attributes
    ----------
    module
        Images (N, 3, H, W) in its normalised space to scores (N, classes).
        Its state is borrowed while it runs and returned.
    preprocessing
        From RGB images to its input.
    name
        For messages.
    device
        Where it runs.
    batch_size
        The most images at a time; halved when memory runs out. Chosen for the
        device where it is 0.
    precision
        Of the model's operations, as `torch.autocast` has it: below float32
        only those that it deems safe, chiefly products of matrices and
        convolutions. What a classifier returns is float32 in any case.
    task
        ``single``: an image is of one class, and probabilities are the softmax
        of the logits; ``multilabel``: of any number, and each output has a
        probability of its own, the sigmoid of its logit.
    layer_name
        The layer that CAMs read, where it is not to be found.
    known_layers
        Layers that were found before; they are not looked for again.
    """

    module: nn.Module
    preprocessing: Preprocessing
    name: str = "model"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    batch_size: int = 0
    precision: Precision = "float32"
    task: Task = "single"
    layer_name: str | None = None
    known_layers: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        self.module = unwrapped(self.module)
        if self.batch_size == 0:
            self.batch_size = BATCH_SIZES.get(self.device.type, BATCH_SIZES["cpu"])
        self.precision = as_precision(self.precision)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that class activation maps can read, by depth."""
        if self.known_layers:
            return self.known_layers
        # The same module with the same weights is not probed again: a notebook explains image
        # after image. Every change of a weight in place counts its version up.
        versions = sum(weight._version for weight in self.module.parameters())
        wanted = (self.preprocessing.size, self.layer_name, versions)
        known = _FOUND.setdefault(self.module, {})
        if wanted not in known:
            known[wanted] = self._find_layers()
        return known[wanted]

    def _find_layers(self) -> tuple[Layer, ...]:
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(2, 3, *self.preprocessing.size, generator=generator).to(self.device)
        with self._taking(noise):
            if self.layer_name is not None:
                return (named_layer(self.module, noise, self.layer_name),)
            return find_layers(self.module, noise)

    def layer(self, depth: float = 1.0) -> Layer:
        """The layer nearest to a share of the depth; a named one in any case."""
        return choose_layer(self.layers, depth)

    def batches(self, total: int, run: Callable[[slice], Result]) -> Iterator[tuple[slice, Result]]:
        """Run work over ``total`` items in batches that fit into memory.

        Out of memory halves the batch, for good, and the failed part is run
        again: results do not change, as no method mixes items.

        Parameters
        ----------
        total
            Number of items: images, or masked copies of them.
        run
            From a slice of the items to their result.

        Yields
        ------
        part, result
            In order.

        Raises
        ------
        SightlineError
            When a single item does not fit.
        """
        start = 0
        while start < total:
            part = slice(start, min(start + self.batch_size, total))
            result = self._try(run, part)
            if result is not None:
                yield part, result
                start = part.stop

    def _try(self, run: Callable[[slice], Result], part: slice) -> Result | None:
        try:
            return run(part)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if self.batch_size == 1:
                raise SightlineError(
                    f"Model {self.name}: one image does not fit into the memory of {self.device}."
                ) from error
        # Outside the handler: its traceback would keep the failed batch alive.
        self.batch_size = max(1, min(self.batch_size, part.stop - part.start) // 2)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def forward(self, images: Tensor) -> Tensor:
        """Scores (N, classes) of one batch, on the device, with the caller's gradient mode."""
        placed = images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        if len(placed) == 1 and self.device.type == "cpu":
            # A batch of one is computed by other kernels than a larger one. Their rounding turns
            # the sign of some ReLU's input, and with it a map by more than rounding.
            placed = placed.expand(2, -1, -1, -1)
        with self._taking(placed), self._autocast():
            scores = self.module(placed)
        return self._whole(checked_scores(scores, self.name)[: len(images)])

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "float32":
            return nullcontext()  # a caller's own stays in force
        return torch.autocast(self.device.type, dtype=getattr(torch, self.precision))

    def _whole(self, tensor: Tensor) -> Tensor:
        """What the model computed with fewer bits, as float32."""
        return tensor if self.precision == "float32" else tensor.float()

    def scores(self, images: Tensor, kind: Score = "logit") -> Tensor:
        """Scores of any number of images.

        Parameters
        ----------
        images
            float32 (N, 3, H, W), normalised.
        kind
            ``logit``, or ``probability``, see `probabilities`.

        Returns
        -------
        Tensor
            float32 (N, classes) on the CPU.
        """

        def run(part: slice) -> Tensor:
            scores = self.forward(images[part]).float()
            return scores if kind == "logit" else self.probabilities(scores)

        with frozen(self.module), torch.inference_mode():
            return torch.cat([scores for _, scores in self.batches(len(images), run)]).cpu()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities (N, classes) of logits, as the model's task has them."""
        return logits.sigmoid() if self.task == "multilabel" else logits.softmax(dim=1)

    def gradients_at(
        self, layer: Layer, images: Tensor, targets: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """Activations of a layer and the gradient of the target logits there.

        The part of the model before the layer runs without a graph, so the
        backward pass reaches no further than the layer.

        Parameters
        ----------
        layer
            One of `layers`.
        images
            One batch, float32 (n, 3, H, W).
        targets
            int64 (n,).

        Returns
        -------
        list of (activations, gradients)
            Of each of the layer's maps, float (n, channels, height, width), on
            the device.

        Raises
        ------
        SightlineError
            Where the logits do not depend on the layer.
        """
        kept: dict[FeatureMap, Tensor] = {}

        def start_graph(one: FeatureMap, output: Tensor) -> Tensor:
            kept[one] = output.detach().requires_grad_()
            return kept[one].clone()  # a following in-place operation may not change the leaf

        with (
            frozen(self.module),
            torch.enable_grad(),
            replaced(self.module, layer.maps, start_graph),
        ):
            scores = self.forward(images)
            chosen = scores.gather(1, targets.to(self.device)[:, None]).sum()
            wanted = self._all_of(layer, kept)
            if not chosen.requires_grad:
                raise SightlineError(
                    f"Model {self.name}: no class score depends on the layer {layer.name}."
                )
            gradients = torch.autograd.grad(chosen, wanted, materialize_grads=True)
        count = len(images)
        return [
            (
                self._whole(one.spatial(leaf.detach()[:count])),
                self._whole(one.spatial(gradient[:count])),
            )
            for one, leaf, gradient in zip(layer.maps, wanted, gradients, strict=True)
        ]

    def activations_at(self, layer: Layer, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Activations of a layer and the logits, without gradients.

        Parameters
        ----------
        layer
            One of `layers`.
        images
            One batch, float32 (n, 3, H, W).

        Returns
        -------
        activations
            Of each of the layer's maps, float (n, channels, height, width), on
            the device.
        scores
            (n, classes), on the device.
        """
        kept: dict[FeatureMap, Tensor] = {}

        def keep(one: FeatureMap, output: Tensor) -> Tensor:
            kept[one] = output
            return output.clone()  # a following in-place operation may not change what is kept

        with (
            frozen(self.module),
            torch.inference_mode(),
            replaced(self.module, layer.maps, keep),
        ):
            scores = self.forward(images)
            wanted = self._all_of(layer, kept)
            found = [
                self._whole(one.spatial(output[: len(images)]))
                for one, output in zip(layer.maps, wanted, strict=True)
            ]
            return found, scores

    def _all_of(self, layer: Layer, kept: dict[FeatureMap, Tensor]) -> list[Tensor]:
        """What was kept of a layer in one pass, in the order of its maps."""
        if set(layer.maps) - set(kept):
            raise SightlineError(
                f"Model {self.name}: the layer {layer.name} did not run as it was found."
            )
        return [kept[one] for one in layer.maps]

    def input_gradients(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Target logits (n,) of one batch and their gradient (n, 3, H, W), on the device."""
        with frozen(self.module), torch.enable_grad():
            # In the model's own layout, or the backward pass would have to go back to another.
            leaf = images.to(self.device, memory_format=torch.channels_last)
            leaf = leaf.detach().requires_grad_()
            chosen = self.forward(leaf).gather(1, targets.to(self.device)[:, None]).squeeze(1)
            # A score that does not depend on the image has a gradient of zeros.
            gradient = torch.zeros_like(leaf)
            if chosen.requires_grad:
                (gradient,) = torch.autograd.grad(chosen.sum(), leaf, materialize_grads=True)
        return chosen.detach(), gradient

    @contextmanager
    def _taking(self, images: Tensor) -> Iterator[None]:
        """Say on which images the model failed, and how."""
        try:
            yield
        except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
            if _is_out_of_memory(error):
                raise
            size = "x".join(str(side) for side in images.shape[-2:])
            raise SightlineError(
                f"Model {self.name} cannot take images of {size} pixels and {images.shape[1]} "
                f"channels, or fails on any: {type(error).__name__}: {error}\n"
                "If it wants others: in a configuration check input.size, and args such as "
                "img_size and in_chans; in a notebook give a preprocessing=."
            ) from error


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(one in str(error) for one in _NO_MEMORY)
