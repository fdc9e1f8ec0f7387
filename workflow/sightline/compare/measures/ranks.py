"""Ranks of a map's positions, and which positions are the largest.

Resampling tells values apart that were equal, by rounding: what differs by no
more is tied, or the order within a plateau would be that of rounding errors.
"""

from __future__ import annotations

import numpy as np

# Values are equal up to so many roundings of a sum: two matrix products resample a map.
_ROUNDINGS = 8
# Values that are ranked at a time.
_RANKED = 2**20


def constant(flat: np.ndarray) -> np.ndarray:
    """Whether rows (..., pixels) hold one value throughout, up to rounding."""
    low, high = flat.min(axis=-1), flat.max(axis=-1)
    same: np.ndarray = high - low <= _rounding(np.maximum(np.abs(low), np.abs(high)))
    return same


def average_ranks(flat: np.ndarray) -> np.ndarray:
    """Ranks from 0 within rows; of equal values each has the mean of theirs.

    Parameters
    ----------
    flat
        (n, pixels), finite.

    Returns
    -------
    ndarray
        float64 (n, pixels).
    """
    order = np.argsort(flat, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    begins = np.ones(flat.shape, bool)
    begins[:, 1:] = np.diff(ordered, axis=1) > _rounding(np.abs(ordered[:, 1:]))
    # No run of equal values goes on into the next row: each row begins one.
    start = np.flatnonzero(begins)
    length = np.diff(np.append(start, flat.size))
    mean = np.repeat(start + (length - 1) / 2, length).reshape(flat.shape)
    ranks = np.empty(flat.shape)
    np.put_along_axis(ranks, order, mean, axis=1)
    return ranks - flat.shape[1] * np.arange(len(flat))[:, None]


def standardised_ranks(flat: np.ndarray, dtype: type[np.floating] = np.float64) -> np.ndarray:
    """Ranks of rows less their mean, to norm 1: their inner products are Spearman's correlation.

    Parameters
    ----------
    flat
        (n, pixels).
    dtype
        Of what is returned.

    Returns
    -------
    ndarray
        (n, pixels); NaN where a row is constant or not finite, and has no ranks.
    """
    found = np.full(flat.shape, np.nan, dtype)
    step = max(1, _RANKED // max(flat.shape[1], 1))
    for start in range(0, len(flat), step):
        part = flat[start : start + step]
        usable = np.isfinite(part).all(axis=1)
        usable[usable] = ~constant(part[usable])
        ranks = average_ranks(part[usable]) - (flat.shape[1] - 1) / 2
        found[start : start + step][usable] = ranks / np.linalg.norm(ranks, axis=1, keepdims=True)
    return found


def largest(flat: np.ndarray, percent: float) -> np.ndarray:
    """Which positions are the largest so many percent of their row, at least one.

    Those that tie for the last places are taken all or none, whichever comes
    nearer to the number wanted.

    Parameters
    ----------
    flat
        (..., pixels).
    percent
        Of the pixels, rounded to whole ones.

    Returns
    -------
    ndarray
        bool (..., pixels).
    """
    wanted = max(1, round(flat.shape[-1] * percent / 100))
    last = np.partition(flat, -wanted, axis=-1)[..., -wanted, None]
    rounding = _rounding(np.abs(last))
    inside = flat > last + rounding
    with_ties = flat >= last - rounding
    missing = wanted - inside.sum(axis=-1)
    beyond = with_ties.sum(axis=-1) - wanted
    return np.where((beyond <= missing)[..., None], with_ties, inside)


def _rounding(size: np.ndarray) -> np.ndarray:
    found: np.ndarray = size * (_ROUNDINGS * np.finfo(size.dtype).eps)
    return found
