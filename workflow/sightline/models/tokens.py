"""Whether a model is a transformer whose attention says where its score comes from.

Every attention must be among all tokens of the image at once, nothing else may mix
tokens, and one of the model's layers must say which token lies where. All of it is
tried, on noise, not looked up. Where only one layer has the tokens, what mixes them
before it goes unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from sightline.errors import SightlineError
from sightline.models.attention import Attentions
from sightline.models.layers import FeatureMap
from sightline.models.state import frozen, replaced

if TYPE_CHECKING:
    from sightline.models.classifier import Classifier

# Gradients below this share of the largest one are rounding.
_NOTHING = 1e-6


@dataclass(frozen=True)
class TokenAttention:
    """What the attention of a model is over.

    Attributes
    ----------
    tokens
        A layer's tensor of the same tokens: which of them lie where.
    pooled
        Whether the last attention is that of a pooling query to the tokens.
    rows
        The tokens that the score reads after the last attention; none where pooled.
    """

    tokens: FeatureMap
    pooled: bool
    rows: tuple[int, ...]

    def map_of(self, relevance: Tensor) -> Tensor:
        """What the score owes to each place.

        Parameters
        ----------
        relevance
            Of each token, the last axis, for every token or pooling query: (n, rows, tokens).

        Returns
        -------
        Tensor
            (n, height, width).
        """
        read = relevance if self.pooled else relevance[:, list(self.rows)]
        return self.tokens.spatial(read.mean(dim=1)[..., None])[:, 0]


_FOUND: WeakKeyDictionary[nn.Module, dict[Any, TokenAttention]] = WeakKeyDictionary()


def no_attention(classifier: Classifier) -> str | None:
    """Why a model cannot be explained by its attention, or nothing.

    On the meta device only shapes are looked at.
    """
    try:
        if classifier.device.type == "meta":
            _seen(classifier, _noise(classifier))
        else:
            find_attention(classifier)
    except SightlineError as error:
        return str(error)
    return None


def find_attention(classifier: Classifier) -> TokenAttention:
    """What the attention of a model is over.

    Raises
    ------
    SightlineError
        Where its attention does not explain it, with the reason.
    """
    versions = sum(weight._version for weight in classifier.module.parameters())
    wanted = (classifier.preprocessing.size, classifier.layer_name, versions)
    known = _FOUND.setdefault(classifier.module, {})
    if wanted not in known:
        known[wanted] = _find_attention(classifier)
    return known[wanted]


def _find_attention(classifier: Classifier) -> TokenAttention:
    noise = _noise(classifier)
    shapes = _seen(classifier, noise)
    count, pooled = shapes[0][-1], shapes[-1][-2] != shapes[-1][-1]
    rows = () if pooled else _read_rows(classifier, noise)
    return TokenAttention(_unmixed_tokens(classifier, noise, count), pooled, rows)


def _noise(classifier: Classifier) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    size = classifier.preprocessing.size
    return torch.randn(2, 3, *size, generator=generator).to(classifier.device)


def _seen(classifier: Classifier, noise: Tensor) -> list[torch.Size]:
    """The shapes of all attentions of one pass; refuses what they do not all cover."""
    shapes: list[torch.Size] = []

    def see(attention: Tensor) -> Tensor:
        shapes.append(attention.shape)
        return attention

    with frozen(classifier.module), torch.inference_mode(), Attentions(see) as watched:
        classifier.forward(noise)
    fault = _fault(shapes, watched.unread, len(noise))
    if fault:
        raise _unfit(classifier, fault)
    return shapes


def _fault(shapes: Sequence[torch.Size], unread: Sequence[str], images: int) -> str:
    """What is in the way of reading attentions as one product over all tokens."""
    if unread:
        return "it has attention that is changed after its softmax, or hidden otherwise"
    # A pooling query attends to the tokens once, at last.
    square = shapes[:-1] if shapes and shapes[-1][-2] != shapes[-1][-1] else shapes
    if not square:
        return "it has no attention of tokens to each other"
    if any(len(one) != 4 or one[0] != images for one in shapes):
        return "it attends within windows or groups of tokens"
    if any(one[-2] != one[-1] for one in square):
        return "its tokens attend to others than themselves (pooled keys, class attention)"
    if len({one[-1] for one in shapes}) > 1:
        return "its attention is over another number of tokens in some layers than in others"
    return ""


def _unmixed_tokens(classifier: Classifier, noise: Tensor, count: int) -> FeatureMap:
    """The layer's tensor that says where the tokens lie; refuses other mixing than attention.

    With every token attending to itself alone, none may know of another.
    """
    try:
        layers = classifier.layers
    except SightlineError as error:
        fault = "no layer of it has one position per part of the image"
        raise _unfit(classifier, fault) from error
    maps = [one for layer in layers for one in layer.maps if one.in_tokens]
    kept: dict[FeatureMap, Tensor] = {}

    def keep(one: FeatureMap, output: Tensor) -> Tensor:
        if output.shape[1] != count:
            return output
        kept[one] = output if kept else output.detach().requires_grad_()
        return kept[one].clone()

    def itself(attention: Tensor) -> Tensor:
        if attention.shape[-2] != attention.shape[-1]:
            return attention
        return torch.eye(count, dtype=attention.dtype, device=attention.device).expand_as(attention)

    module = classifier.module
    with (
        frozen(module),
        torch.enable_grad(),
        replaced(module, maps, keep),
        Attentions(itself),
    ):
        classifier.forward(noise)
    if not kept:
        raise _unfit(classifier, "no layer of it has the tokens of its attention in a row")
    (first, start), *_, (last, end) = [*kept.items()] * 2
    for token in {0, last.prefix} if first != last else ():
        features = end[:, token]
        direction = torch.randn(features.shape, generator=torch.Generator().manual_seed(token))
        (gradient,) = torch.autograd.grad(
            (features * direction.to(features)).sum(), start, retain_graph=True
        )
        reached = gradient.abs().amax(dim=(0, 2))
        others = torch.arange(count, device=reached.device) != token
        if (reached[others] > _NOTHING * reached.max()).any():
            raise _unfit(classifier, "its tokens know of each other by more than attention")
    return last


def _read_rows(classifier: Classifier, noise: Tensor) -> tuple[int, ...]:
    """The tokens that the score reads after the last attention."""
    attentions: list[Tensor] = []

    def keep(attention: Tensor) -> Tensor:
        attentions[:] = [attention]
        return attention

    with frozen(classifier.module), torch.enable_grad(), Attentions(keep):
        score = classifier.forward(noise).max(dim=1).values.sum()
        (gradient,) = torch.autograd.grad(score, attentions, materialize_grads=True)
    reached = gradient.abs().amax(dim=(0, 1, 3))
    if not reached.any():
        raise _unfit(classifier, "no class score depends on its attention")
    return tuple((reached > _NOTHING * reached.max()).nonzero()[:, 0].tolist())


def _unfit(classifier: Classifier, fault: str) -> SightlineError:
    return SightlineError(
        f"Model {classifier.name} cannot be explained by its attention: {fault}. "
        "Choose a method that needs none, such as gradcam."
    )
