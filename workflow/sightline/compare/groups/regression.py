"""Does a number explain how far apart models are? Distance-based regression."""

from __future__ import annotations

import numpy as np

from sightline.compare.groups.dispersion import gower


def explained_by(dissimilarity: np.ndarray, values: np.ndarray) -> np.ndarray:
    r"""R^2 of dissimilarities on one predictor (McArdle and Anderson 2001).

    .. math::

        R^2 = \frac{\mathrm{tr}(H G H)}{\mathrm{tr}(G)} = \frac{x^T G x}{x^T x \; \mathrm{tr}(G)}

    with Gower's centred matrix G and the projection H onto the centred predictor x.

    Parameters
    ----------
    dissimilarity
        (models, models).
    values
        (ways, models): the predictor under each permutation, not constant.

    Returns
    -------
    ndarray
        (ways); NaN where all models are alike.
    """
    centred = values - values.mean(axis=1, keepdims=True)
    inner = gower(dissimilarity)
    along = ((centred @ inner) * centred).sum(axis=1)
    total = np.trace(inner)
    if total <= 0:
        return np.full(len(values), np.nan)
    return along / ((centred**2).sum(axis=1) * total)


def pseudo_f(r2: float, models: int) -> float:
    """The pseudo-F of one predictor, R^2 / ((1 - R^2) / (m - 2)).

    It grows with R^2, so both have the same permutation p-value. (Where
    dissimilarities are no distances, R^2 may leave [0, 1].)
    """
    return float("inf") if r2 == 1 else r2 * (models - 2) / (1 - r2)


def adjusted(r2: float, models: int) -> float:
    """R^2 without its bias, 1 - (1 - R^2) (m - 1) / (m - 2): 0 on average for no effect."""
    return 1 - (1 - r2) * (models - 1) / (models - 2)
