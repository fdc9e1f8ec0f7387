"""The layers of a model that class activation maps can read, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.errors import SightlineError

Layout = Literal["NCHW", "NHWC", "tokens", "sequence"]


@dataclass(frozen=True)
class FeatureMap:
    """One tensor of a model that has one position per part of the image.

    Attributes
    ----------
    module
        The submodule that gives it, as in ``model.named_modules()``.
    call, output
        Which of the submodule's calls in one pass, and which of the tensors
        that this call returns, both counted from 0.
    layout
        ``NCHW``, ``NHWC``, ``tokens`` (N, L, C), or ``sequence`` (L, N, C).
    height, width
        Positions, at the probed input size.
    channels
        Features at each position.
    prefix
        Tokens before those of the image (class and register tokens). Others may
        follow them: L is at least prefix + height * width.
    unrolled
        How many times the tokens' grid was cut into its even and odd rows and
        columns: 0 where they are in rows. Hierarchical transformers order
        them so that pooling is a maximum over leading tokens (Hiera).
    """

    module: str
    layout: Layout
    height: int
    width: int
    channels: int
    prefix: int = 0
    call: int = 0
    output: int = 0
    unrolled: int = 0

    @property
    def in_tokens(self) -> bool:
        """Whether positions lie along one axis."""
        return self.layout in ("tokens", "sequence")

    @property
    def features_axis(self) -> int:
        """Along which axis the features lie, images first."""
        return 1 if self.layout == "NCHW" else -1

    def batch_first(self, tensor: Tensor) -> Tensor:
        """The tensor with its images along the first axis; of that, the tensor again."""
        return tensor.transpose(0, 1) if self.layout == "sequence" else tensor

    def spatial(self, activations: Tensor) -> Tensor:
        """The activations, images first, as (N, C, height, width), a view where possible."""
        if self.layout == "NCHW":
            return activations
        if self.layout == "NHWC":
            return activations.movedim(-1, 1)
        tokens, cuts = activations[:, self.image_tokens], self.unrolled
        size = (self.height >> cuts, self.width >> cuts)
        grid = tokens.unflatten(1, (2, 2) * cuts + size)
        # Rows: the coarse row, then the halves from the last cut to the first; columns likewise.
        halves = range(2 * cuts - 1, 0, -2)
        rows = [2 * cuts + 1, *halves]
        columns = [2 * cuts + 2, *(half + 1 for half in halves)]
        ordered = grid.permute(0, grid.ndim - 1, *rows, *columns)
        return ordered.reshape(len(tokens), -1, self.height, self.width)

    @property
    def image_tokens(self) -> slice:
        """Where the tokens of the image lie among all."""
        return slice(self.prefix, self.prefix + self.height * self.width)

    def without_channels(self, activations: Tensor, items: Tensor, channels: Tensor) -> Tensor:
        """A copy in which some items have one channel each that is 0 at all positions.

        Parameters
        ----------
        activations
            Images first. Tokens that are no part of the image are left as they are.
        items, channels
            int64 (n,): the items, and the channel of each.
        """
        copy = activations.clone()
        if self.layout == "NCHW":
            copy[items, channels] = 0
        elif self.layout == "NHWC":
            copy[items, :, :, channels] = 0
        else:
            copy[items, self.image_tokens, channels] = 0
        return copy

    def set_positions(self, tensor: Tensor, where: Tensor, other: Tensor) -> None:
        """Copy the features of some positions of one image's tensor from another's, in place.

        Parameters
        ----------
        tensor, other
            Of one image each, without the axis of images.
        where
            bool (height, width).
        """
        if self.in_tokens:
            numbers = torch.arange(len(tensor), device=tensor.device)[None, :, None]
            chosen = self.spatial(numbers)[0, 0][where.to(tensor.device)]
            tensor[chosen] = other[chosen]
        else:
            shape = where.to(tensor.device)
            where = shape if self.layout == "NCHW" else shape[..., None]
            torch.where(where, other, tensor, out=tensor)


@dataclass(frozen=True)
class Layer:
    """A place in the model through which the whole class score goes.

    Attributes
    ----------
    maps
        Its tensors: one, or one a branch where the model has several there.
    depth
        Share of the operations up to the last layer; the last is 1.0.
    reach
        Share of all operations, up to the score.
    """

    maps: tuple[FeatureMap, ...]
    depth: float
    reach: float = 1.0

    @property
    def name(self) -> str:
        """The submodules, joined by ``+``."""
        return "+".join(dict.fromkeys(one.module for one in self.maps))

    @property
    def height(self) -> int:
        """Rows of the finest map."""
        return max(one.height for one in self.maps)

    @property
    def width(self) -> int:
        """Columns of the finest map."""
        return max(one.width for one in self.maps)

    @property
    def layout(self) -> str:
        """How its tensors are laid out, with the number of prefix tokens, in words."""
        words = [
            one.layout
            + (f" after {one.prefix}" if one.prefix else "")
            + (f" cut {one.unrolled}x" if one.unrolled else "")
            for one in self.maps
        ]
        return "+".join(words)

    def join(self, maps: Sequence[Tensor]) -> Tensor:
        """One saliency map of the layer from one of each branch.

        A branch's map counts by its number of positions: of a score that is
        the mean of two pooled branches either then gets what it contributes,
        whatever its resolution.

        Parameters
        ----------
        maps
            Float (N, h, w) of each branch, in the order of `maps`.

        Returns
        -------
        Tensor
            (N, height, width).
        """
        if len(maps) == 1:
            return maps[0]
        size, finest = (self.height, self.width), self.height * self.width
        resized = [
            torch.nn.functional.interpolate(one[:, None], size, mode="bilinear")[:, 0]
            * (one.shape[-2] * one.shape[-1] / finest)
            for one in maps
        ]
        return torch.stack(resized).sum(dim=0)


def choose_layer(layers: tuple[Layer, ...], depth: float) -> Layer:
    """The layer nearest to a share ``depth`` in (0, 1] of the model."""
    if not 0 < depth <= 1:
        raise SightlineError(f"depth must be above 0 and at most 1, got {depth}.")
    return min(layers, key=lambda layer: (abs(layer.depth - depth), -layer.depth))


def layers_to_json(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Layers as plain data."""
    return [asdict(layer) for layer in layers]


def layers_from_json(plain: Sequence[dict[str, Any]]) -> tuple[Layer, ...]:
    """Layers from plain data."""
    return tuple(
        Layer(tuple(FeatureMap(**one) for one in layer["maps"]), layer["depth"], layer["reach"])
        for layer in plain
    )
