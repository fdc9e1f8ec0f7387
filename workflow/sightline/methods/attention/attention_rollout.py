"""Attention rollout: how much of each token's input has come to the token that is read.

    W_l = fuse_h A_lh,  its lowest share ``discard`` of entries set to 0 for each image
    R_l = N(W_l + I) R_{l-1},  R_0 = I        (Abnar and Zuidema 2020, section 3, equation 1)

with A_lh the attention of head h in layer l, I for the residual connection and N
dividing each row by its sum; of the mean W_l of all heads this is the paper's
0.5 W_l + 0.5 I. The map is R's row of the token that the score reads, at the tokens
of the image: the class token's, or the mean of the rows that are read (distilled
DeiT's two tokens, all tokens of the image where they are averaged). Where a query
pools the tokens, W of that last attention stands for the rows. Class, register and
other tokens of no place are left out.

It needs no gradient, knows of no class, and says nothing of what speaks against it.

Differs from https://github.com/jacobgil/vit-explain, which the thesis on
architectures used with ``heads: max`` and ``discard: 0.9``: rows, not columns, are
divided by the rows' sums, and its exception of one entry from being discarded is
left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.explanation import Explanation
from sightline.models.attention import Attentions
from sightline.models.state import frozen
from sightline.models.tokens import find_attention

if TYPE_CHECKING:
    from sightline.methods.catalogue.attention import RolloutSettings
    from sightline.models.classifier import Classifier


def attention_rollout(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: RolloutSettings,
) -> Explanation:
    """Attention rollout.

    Returns
    -------
    Explanation
        Maps of 0 or above, a value a token.

    Raises
    ------
    SightlineError
        For a model whose attention is not among all tokens of the image.
    """
    found = find_attention(classifier)

    def run(part: slice) -> Tensor:
        rolled: list[Tensor] = []

        def roll(attention: Tensor) -> Tensor:
            fused = fuse(attention, settings.heads, settings.discard)
            if fused.shape[-2] == fused.shape[-1]:
                fused = fused + torch.eye(fused.shape[-1], device=fused.device)
            fused = fused / fused.sum(dim=-1, keepdim=True)
            # One product is kept, of all layers until now.
            rolled[:] = [fused @ rolled[0] if rolled else fused]
            return attention

        with frozen(classifier.module), torch.inference_mode(), Attentions(roll):
            classifier.forward(images[part])
        rows = rolled[0][: len(images[part])]
        return found.map_of(rows).cpu()

    return Explanation(torch.cat([maps for _, maps in classifier.batches(len(images), run)]))


def fuse(attention: Tensor, heads: str, discard: float) -> Tensor:
    """One attention of all heads, without its lowest entries.

    Parameters
    ----------
    attention
        (n, heads, rows, tokens).
    heads
        ``mean``, ``max`` or ``min``.
    discard
        Share of an image's entries that are set to 0: the lowest.

    Returns
    -------
    Tensor
        float32 (n, rows, tokens).
    """
    attention = attention.float()
    fused = attention.mean(dim=1) if heads == "mean" else getattr(attention, f"a{heads}")(dim=1)
    entries = fused.flatten(1)
    if count := int(entries.shape[1] * discard):
        # Of equal ones none: so it depends on no order.
        least = entries.kthvalue(count + 1, dim=1, keepdim=True).values
        entries = entries.masked_fill(entries < least, 0)
    return entries.view_as(fused)
