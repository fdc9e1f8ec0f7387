"""Attention weighted by its gradient: which tokens' attention the class's score owes itself to.

    R_l = R_{l-1} + W_l R_{l-1},  W_l = mean_h (dy/dA_lh * A_lh)^+,  R_0 = I
                        (Chefer, Gur and Wolf 2021, arXiv:2103.15679, equations 5 and 6)

with A_lh the attention of head h in layer l, y the logit of the explained class, and
^+ leaving out what is negative. The map is the row of R - I of the token that the
score reads, at the tokens of the image: the class token's, or the mean of the rows
that are read. Without I, which the paper leaves in: the class token's row is the same,
of averaged tokens it would be the same at all. Where a query pools the tokens, its
row is W_l R_{l-1} (the paper's equation 10, of which the normalisation is left out).
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
    from sightline.methods.catalogue.entry import Settings
    from sightline.models.classifier import Classifier


def gradient_attention(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: Settings,
) -> Explanation:
    """Attention weighted by its gradient, of all layers.

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
        weighted = _weighted(classifier, images[part], targets[part])
        tokens = weighted[0].shape[-1]
        identity = torch.eye(tokens, device=weighted[0].device)
        gathered = torch.zeros_like(weighted[0])  # R - I
        for one in weighted:
            gathered = one @ (gathered + identity) + (0 if one.shape[1] != tokens else gathered)
        return found.map_of(gathered).cpu()

    return Explanation(torch.cat([maps for _, maps in classifier.batches(len(images), run)]))


def _weighted(classifier: Classifier, images: Tensor, targets: Tensor) -> list[Tensor]:
    """W of each layer, float32 (n, rows, tokens)."""
    attentions: list[Tensor] = []

    def keep(attention: Tensor) -> Tensor:
        attentions.append(attention)
        return attention

    with frozen(classifier.module), torch.enable_grad(), Attentions(keep):
        scores = classifier.forward(images)
        chosen = scores.gather(1, targets.to(scores.device)[:, None]).sum()
        gradients = torch.autograd.grad(chosen, attentions, materialize_grads=True)
    count = len(images)
    return [
        (one.detach()[:count].float() * gradient[:count].float()).clamp_min(0).mean(dim=1)
        for one, gradient in zip(attentions, gradients, strict=True)
    ]
