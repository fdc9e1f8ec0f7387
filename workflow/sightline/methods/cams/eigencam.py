"""Eigen-CAM: activations projected onto their first principal direction.

    A = U S V^T,   M = A v_1       (Muhammad and Yeasin 2020)

with A the activations of a layer, positions x channels, and v_1 the first of
its right singular vectors. No class and no gradient is asked for: M is the
same whatever class is explained.

Deviations: v_1 has no sign of its own; it is chosen so that M sums to 0 or
above. Where the layer is rectified M then has no negative value; elsewhere
negative values are the other end of the direction, not evidence against a
class. A is not centred, as in the paper (pytorch-grad-cam centres it). Layers
and branches are those of Grad-CAM, each branch with a direction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sightline.methods.explanation import Explanation

if TYPE_CHECKING:
    from sightline.methods.catalogue.entry import LayerSettings
    from sightline.models.classifier import Classifier


def eigencam(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: LayerSettings,
) -> Explanation:
    """Eigen-CAM at the layer nearest to ``settings.depth``.

    Returns
    -------
    Explanation
        Maps at the layer's resolution.
    """
    layer = classifier.layer(settings.depth)

    def run(part: slice) -> Tensor:
        found, _ = classifier.activations_at(layer, images[part])
        return layer.join([first_component(one) for one in found]).float()

    return Explanation(torch.cat([maps for _, maps in classifier.batches(len(images), run)]).cpu())


def first_component(activations: Tensor) -> Tensor:
    """Activations (n, channels, height, width) along their first direction, (n, height, width).

    By the eigenvectors of the smaller of A A^T and A^T A, in double precision
    because that squares the singular values. NaN where an activation is not
    finite.
    """
    features = activations.flatten(2).double()  # A^T
    by_channels = features.shape[1] < features.shape[2]
    gram = features @ features.mT if by_channels else features.mT @ features
    finite = gram.isfinite().all(dim=2).all(dim=1)[:, None]
    squares, vectors = torch.linalg.eigh(torch.where(finite[..., None], gram, 0))
    first = vectors[..., -1]
    if by_channels:
        found = torch.einsum("nk,nkz->nz", first, features)
    else:
        found = first * squares[:, -1:].clamp_min(0).sqrt()  # u_1 times its singular value
    found = torch.where(found.sum(dim=1, keepdim=True) < 0, -found, found)
    return torch.where(finite, found, torch.nan).unflatten(1, activations.shape[2:])
