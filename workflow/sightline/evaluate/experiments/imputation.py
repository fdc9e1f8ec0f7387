"""Missing pixels as the weighted mean of those around them, all at once.

    x_p sum_q w_pq = sum_q w_pq x_q       for each missing pixel p

over the neighbours q of p within the image, known or missing, with w_pq = 1/6 beside,
above and below, 1/12 across a corner (Rong et al. 2022, arXiv:2202.00449, section 5;
weights as in their code). One sparse system for all missing pixels of an image, symmetric,
with as many right-hand sides as colours.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve

_SIDE, _CORNER = 1 / 6, 1 / 12
_WEIGHTS = {
    (down, across): _CORNER if down and across else _SIDE
    for down in (-1, 0, 1)
    for across in (-1, 0, 1)
    if down or across
}


def impute(image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """An image whose missing pixels follow from the others.

    Parameters
    ----------
    image
        float (channels, H, W).
    missing
        bool (H, W), not all of them.

    Returns
    -------
    ndarray
        float64 (channels, H, W).
    """
    filled = image.astype(np.float64)
    if missing.any():
        matrix, right = _system(filled, missing)
        filled[:, missing] = spsolve(matrix, right).reshape(right.shape).T
    return filled


def _system(image: np.ndarray, missing: np.ndarray) -> tuple[csc_array, np.ndarray]:
    """The matrix (m, m) and the right-hand sides (m, channels) of m missing pixels."""
    number = np.cumsum(missing).reshape(missing.shape) - 1
    total, known = np.zeros(missing.shape), np.zeros(image.shape)
    rows, columns, entries = [number[missing]], [number[missing]], []
    for (down, across), weight in _WEIGHTS.items():
        here = _part(-down), _part(-across)
        there = _part(down), _part(across)
        total[here] += weight
        known[:, *here] += weight * np.where(missing[there], 0, image[:, *there])
        both = missing[here] & missing[there]
        rows.append(number[here][both])
        columns.append(number[there][both])
        entries.append(np.full(both.sum(), -weight))
    where = (np.concatenate(rows), np.concatenate(columns))
    entries.insert(0, total[missing])
    size = int(missing.sum())
    matrix = csc_array((np.concatenate(entries), where), shape=(size, size))
    return matrix, known[:, missing].T


def _part(shift: int) -> slice:
    """Of a side, what has a neighbour so far back, or is one so far ahead."""
    return slice(max(shift, 0), None if shift >= 0 else shift)
