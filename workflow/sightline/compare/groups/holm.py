"""Correction for many tests."""

from __future__ import annotations

import numpy as np


def holm(p_values: np.ndarray) -> np.ndarray:
    r"""P-values corrected for their number (Holm 1979).

    .. math::

        \tilde p_{(i)} = \min\Big(1, \max_{j \le i} (k - j + 1) p_{(j)}\Big)

    The chance that any true hypothesis falls is at most the level, however the tests
    depend on each other. As no corrected p-value grows when another p falls, the
    correction of the smallest attainable p-values is the smallest attainable
    corrected one.

    Parameters
    ----------
    p_values
        (k); NaN is no test, and stays NaN.

    Returns
    -------
    ndarray
        (k).
    """
    corrected = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(1, np.maximum.accumulate(factors * p_values[order]))
    return corrected
