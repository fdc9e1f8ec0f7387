"""Whether the maps of two classes of one image differ.

    B_t = M_t >= q_p(M_t where M_t > 0)
    C_t = mean over j of |B_t xor B_j| / |B_t or B_j|

with M_t the raw map of class t, q_p a percentile of its positive values, which are the
evidence for the class, and j the other classes explained of the same image by the same
model and method (Pope et al. 2019, doi:10.1109/CVPR.2019.01103, section 3.3: two classes
there). ``contrastivity`` is the mean over the percentiles.

Two roles may mean the same class: such a pair is left out. Noise differs from itself
too. So ``independent`` says what the distance would be were the positions of both masks
drawn at random, |B_t| and |B_j| out of P:

    and = |B_t| |B_j| / P,    (|B_t| + |B_j| - 2 and) / (|B_t| + |B_j| - and)

Maps below it overlap more than random ones do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sightline.evaluate.protocol import Curve, Evidence, Values

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.sensitivity import Contrastivity


def measure(evidence: Evidence, settings: Contrastivity) -> Values:
    """``contrastivity``, ``independent`` (n,) and ``contrastivity_at``, a curve.

    NaN where no other class was explained of the image, or a map has no positive value.
    """
    maps, target = evidence.maps.maps, evidence.maps.target
    percentiles = np.array(sorted(set(settings.percentiles)))
    found, by_chance = (np.full((len(maps), len(percentiles)), np.nan) for _ in range(2))
    for rows in pd.Series(np.arange(len(maps))).groupby(evidence.maps.image_id).indices.values():
        flat = maps[rows].reshape(len(rows), -1)
        pairs = target[rows][:, None] != target[rows]
        positive = (flat > 0).any(axis=1)
        pairs &= positive[:, None] & positive
        for k, percentile in enumerate(percentiles):
            distance, independent = distances(important(flat, percentile))
            found[rows, k] = mean_where(distance, pairs)
            by_chance[rows, k] = mean_where(independent, pairs)
    return {
        "contrastivity": found.mean(axis=1),
        "independent": by_chance.mean(axis=1),
        "contrastivity_at": Curve(percentiles, found),
    }


def important(flat: np.ndarray, percentile: float) -> np.ndarray:
    """Positions of each row (n, pixels) from a percentile of its positive values on.

    None of a row without positive values, at least one of any other.
    """
    found = np.zeros(flat.shape, bool)
    for row, values in zip(found, flat, strict=True):
        positive = values[values > 0]
        if len(positive):
            row[:] = values >= np.percentile(positive, percentile)
    return found


def distances(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of each union that is in one mask alone, and what it would be by chance.

    Parameters
    ----------
    masks
        bool (n, pixels).

    Returns
    -------
    tuple of ndarray
        float64 (n, n) each, in [0, 1]; NaN where both are empty.
    """
    counted = masks.astype(np.float64)
    size = counted.sum(axis=1)
    both = size[:, None] + size
    shared = counted @ counted.T
    by_chance = size[:, None] * size / masks.shape[1]
    with np.errstate(invalid="ignore"):
        return (both - 2 * shared) / (both - shared), (both - 2 * by_chance) / (both - by_chance)


def mean_where(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Mean of each row over wanted columns, NaN where there is none."""
    count = wanted.sum(axis=1)
    total = np.where(wanted, values, 0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
