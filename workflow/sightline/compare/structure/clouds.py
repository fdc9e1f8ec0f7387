"""Clouds of points without clusters, and how tightly points cluster."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import linkage

# Coordinates drawn at a time: 32 MB.
_CHUNK = 4_000_000


def log_dispersion(points: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The log W_k of Ward's clusters: a merge at height h adds h² / 2."""
    heights = linkage(points, "ward")[:, 2]
    within = np.append(0.0, np.cumsum(heights**2) / 2)
    total = within[-1]
    # Models that are all but equal: beyond rounding, tighter is not more clustered.
    return np.log(np.maximum(within[len(points) - counts], 1e-12 * total))


def cloud_dispersions(
    rng: np.random.Generator,
    kind: str,
    count: int,
    spread: np.ndarray,
    counts: np.ndarray,
    clouds: int,
) -> np.ndarray:
    """The log W_k of clouds without clusters.

    Parameters
    ----------
    rng
        Draws the clouds.
    kind
        ``gaussian`` or ``even``.
    count
        Points of a cloud.
    spread
        (axes,): the sum of squares along each, which every cloud has exactly.
    counts
        Numbers of clusters.
    clouds
        How many.

    Returns
    -------
    array
        (clouds, counts).
    """
    chunk = max(1, _CHUNK // (count * len(spread)))
    found = []
    for start in range(0, clouds, chunk):
        shape = (min(chunk, clouds - start), count, len(spread))
        draws = rng.standard_normal(shape) if kind == "gaussian" else rng.uniform(-1, 1, shape)
        frames = np.linalg.qr(draws - draws.mean(axis=1, keepdims=True))[0]
        found += [log_dispersion(cloud, counts) for cloud in frames * np.sqrt(spread)]
    return np.array(found)
