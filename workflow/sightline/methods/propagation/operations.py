"""The operations that autograd recorded of a pass, and which of them are linear.

Whatever a model did is there, by a module or by a function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch.autograd.graph import Node

# Operations, as autograd calls them, that only put values elsewhere or leave them out ...
MOVES = frozenset((
    "AccumulateGrad", "Alias", "AsStrided", "Cat", "Clone", "ConstantPadNd",
    "Expand", "Flip", "Gather", "Index", "IndexSelect", "Narrow", "Permute", "PixelShuffle",
    "PixelUnshuffle", "ReshapeAlias", "Roll", "Select", "Slice", "Split", "SplitWithSizes",
    "Squeeze", "Stack", "T", "ToCopy", "Transpose", "Unbind", "UnsafeSplit", "UnsafeView",
    "Unsqueeze", "View",
))  # fmt: skip
# ... that add values up, a number each included ...
_SUMS = frozenset((
    "AdaptiveAvgPool2D", "Add", "AvgPool2D", "CopyBackwards", "Mean", "Neg", "ReflectionPad2D",
    "Repeat", "ReplicationPad2D", "Rsub", "Sub", "Sum", "UpsampleBilinear2D", "UpsampleNearest2D",
))  # fmt: skip
# ... and that are linear where one factor alone depends on the image.
_PRODUCTS = frozenset((
    "Addmm", "Baddbmm", "Bmm", "Convolution", "CudnnBatchNorm", "Div", "MiopenBatchNorm",
    "MkldnnConvolution", "Mm", "Mul", "Mv", "NativeBatchNorm",
))  # fmt: skip


def operations(last: Node | None) -> Iterator[Node]:
    """Every operation between the inputs and the last one, once."""
    seen, waiting = set(), [last]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(following for following, _ in node.next_functions)


def kind(node: Node) -> str:
    """``Relu`` of ``ReluBackward0``."""
    return node.name().rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")


def described(node: Node) -> str:
    """An operation's name for messages: also why a product is not linear."""
    return f"{kind(node)} of two activations" if kind(node) in _PRODUCTS else kind(node)


def is_custom(node: Node) -> bool:
    """Whether it is a function written in Python, of which nothing is known."""
    return isinstance(node, torch.autograd.function.BackwardCFunction)


def is_linear(node: Node) -> bool:
    """Whether an operation is linear, up to a constant, in what depends on the image.

    All weights are taken to be frozen and normalisation to be in evaluation mode.
    """
    if is_custom(node):
        return False
    if kind(node) in MOVES | _SUMS:
        return True
    varying = [following is not None for following, _ in node.next_functions]
    return kind(node) in _PRODUCTS and sum(varying) == 1 and (kind(node) != "Div" or varying[0])
