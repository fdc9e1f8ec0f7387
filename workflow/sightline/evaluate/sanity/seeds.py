"""How alike maps of one model are under two seeds: no two models can be more alike than that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from sightline.evaluate.alike import cosine_of_scaled, rank_correlation
from sightline.evaluate.explain import Explain
from sightline.models.classifier import Classifier


def seed_agreement(
    explain: Explain,
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    maps: np.ndarray,
    *,
    scaling: Sequence[str],
    grid: int,
) -> dict[str, np.ndarray]:
    """Agreement of maps with those by other seeds.

    Parameters
    ----------
    seeds
        The other ones, one an image.
    maps
        Raw maps of the images, by the first seeds.
    scaling, grid
        As maps of different models are compared.

    Returns
    -------
    dict
        ``cosine`` of scaled maps and ``rank``, Spearman's correlation of raw
        ones, float64 (n,) each.
    """
    other = explain(classifier, images, targets, seeds)
    return {
        "cosine": cosine_of_scaled(maps, other, scaling, grid),
        "rank": rank_correlation(maps, other),
    }
