"""The mean map over models, and how far each model agrees with it.

With u_m the map of model m on an image, scaled and then divided by its
Euclidean norm, the consensus is c = (1/M) sum_m u_m and a model's score its
similarity with c (Li et al. 2021, section 3, whose scores are the ``all``
below). Since c holds u_m itself, M models that have nothing in common agree
with it at 1/sqrt(M); ``others`` leaves the model out, c - u_m/M, and such
models then agree at 0. Unlike the paper's, whose images are those that all
models answer rightly, models may explain different classes of an image.

References
----------
Li, Xiong, Huang, Ji, Dou (2021), Cross-Model Consensus of Explanations and
Beyond for Image Classification Models, arXiv:2109.00707.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.compare.measures.ranks import standardised_ranks

MEASURES = ("cosine", "spearman")
REFERENCES = ("others", "all")


@dataclass(frozen=True)
class Agreement:
    """Agreement with the consensus on some images.

    Attributes
    ----------
    count
        int64 (images,): maps in the mean.
    consensus
        float32 (images, positions): c; zeros where no map is shown.
    scores
        float32 (measures, references, images, models), in the order of
        `MEASURES` and `REFERENCES`; NaN where a model's map or its reference
        is not shown or, for ranks, constant.
    """

    count: np.ndarray
    consensus: np.ndarray
    scores: np.ndarray


def agree(maps: np.ndarray, shown: np.ndarray) -> Agreement:
    """Each model's agreement with the mean of all models' maps, image by image.

    Parameters
    ----------
    maps
        float32 (images, models, positions), scaled, on one grid.
    shown
        bool (images, models): which of them are ok. A map of zeros is not.

    Returns
    -------
    Agreement
        Cosine and Spearman's rank correlation over positions (ties have their
        mean rank), each with the mean of the other models' unit maps and with
        that of all; NaN where one model alone shows a map.
    """
    units = _unit(maps, shown)
    shown = np.asarray(units.any(axis=2))
    total = units.sum(axis=1, dtype=np.float64)
    count = shown.sum(axis=1)
    scores = np.full((2, 2, *shown.shape), np.nan, np.float32)
    ranked_total = _ranks(total)
    total_norm = np.linalg.norm(total, axis=1)
    for model in range(shown.shape[1]):
        own = units[:, model].astype(np.float64)
        others = total - own
        ranked = _ranks(own)
        usable = shown[:, model] & (count > 1)
        found = scores[..., model]
        # What two maps that cancel leave of a sum is rounding, not a direction.
        norm = np.linalg.norm(others, axis=1)
        norm[norm < 1e-6] = 0
        found[0, 0] = _ratio((own * others).sum(axis=1), norm)
        found[0, 1] = _ratio((own * total).sum(axis=1), total_norm)
        found[1, 0] = np.where(norm > 0, (ranked * _ranks(others)).sum(axis=1), np.nan)
        found[1, 1] = (ranked * ranked_total).sum(axis=1)
        found[:, :, ~usable] = np.nan
    mean = total / np.maximum(count, 1)[:, None]
    return Agreement(count, mean.astype(np.float32), np.clip(scores, -1, 1))


def directions(maps: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Maps without their mean over positions, of unit norm; NaN where nothing is left.

    Parameters
    ----------
    maps
        float32 (..., positions).
    shown
        bool (...).
    """
    centred = maps - maps.mean(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    # A constant map leaves rounding, which is no direction.
    rounding = 1e-5 * np.abs(maps).max(axis=-1)
    usable = shown & (np.abs(centred).max(axis=-1) > rounding)
    found = _unit(centred, usable)
    found[~usable] = np.nan
    return found


def _unit(maps: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Maps (..., positions) of unit norm; zeros where not shown."""
    norms = np.sqrt(np.einsum("...k,...k->...", maps, maps, dtype=np.float64))[..., None]
    usable = shown[..., None] & (norms > 0)
    return np.divide(maps, norms, out=np.zeros_like(maps), where=usable, casting="same_kind")


def _ratio(products: np.ndarray, norms: np.ndarray) -> np.ndarray:
    return np.divide(products, norms, out=np.full_like(products, np.nan), where=norms > 0)


def _ranks(maps: np.ndarray) -> np.ndarray:
    """Ranks (images, positions) of unit norm; what differs by rounding of float32 is tied."""
    return standardised_ranks(maps.astype(np.float32))
