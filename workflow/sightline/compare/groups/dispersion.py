"""Are groups of models as widely spread as each other? PERMDISP."""

from __future__ import annotations

import numpy as np

from sightline.compare.groups.permutations import Arrangements

_STEPS = 500
_NEAR = 1e-9
# A step of the spatial median that is shorter than this share of the group's size ends it.
_STILL = 1e-8


def coordinates(dissimilarity: np.ndarray) -> np.ndarray:
    """Principal coordinates of models, on the axes that are real (Gower 1966).

    Dissimilarities that are no Euclidean distances have axes of negative
    variance too; these are left out, as in scikit-bio.

    Parameters
    ----------
    dissimilarity
        (models, models).

    Returns
    -------
    ndarray
        (models, axes).
    """
    values, vectors = np.linalg.eigh(gower(dissimilarity))
    kept = values > _NEAR * max(np.abs(values).max(), np.finfo(float).tiny)
    return vectors[:, kept] * np.sqrt(values[kept])


def gower(dissimilarity: np.ndarray) -> np.ndarray:
    """Gower's centred matrix -C D^2 C / 2, of inner products around the centre."""
    half = -(dissimilarity**2) / 2
    return half - half.mean(axis=0) - half.mean(axis=1)[:, None] + half.mean()


def distances_to_median(places: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Each model's distance to the spatial median of its group.

    Parameters
    ----------
    places
        (models, axes).
    codes
        Group of each model.

    Returns
    -------
    ndarray
        (models).
    """
    found = np.empty(len(places))
    for group in np.unique(codes):
        own = places[codes == group]
        found[codes == group] = np.linalg.norm(own - spatial_median(own), axis=1)
    # Models that are all alike are at no distance: rounding would pass for unequal spread.
    size = np.linalg.norm(places, axis=1).max(initial=0.0)
    return np.where(found > _NEAR * size, found, 0.0)


def spatial_median(places: np.ndarray) -> np.ndarray:
    """The point with the least sum of distances (Vardi and Zhang 2000).

    Weiszfeld's iteration, changed where it meets one of the points.

    Parameters
    ----------
    places
        (points, axes).
    """
    here = places.mean(axis=0)
    size = float(np.linalg.norm(places - here, axis=1).max(initial=0.0))
    for _ in range(_STEPS):
        away = np.linalg.norm(places - here, axis=1)
        far = away > _NEAR * size
        if not far.any():
            return here
        inverse = 1 / away[far]
        there = inverse @ places[far] / inverse.sum()
        pull = float(np.linalg.norm((there - here) * inverse.sum()))
        met = len(places) - int(far.sum())
        stay = min(1.0, met / pull) if pull > 0 else 1.0
        step = (1 - stay) * (there - here)
        here = here + step
        if np.linalg.norm(step) <= _STILL * size:
            break
    return here


def spread_f(distances: np.ndarray, arrangements: Arrangements) -> np.ndarray:
    """F of a one-way analysis of variance of distances, for each arrangement.

    Parameters
    ----------
    distances
        (models): `distances_to_median`, under the observed groups. They stay as
        they are and change groups, as in vegan: were places permuted (as in
        scikit-bio), groups that differ in place alone would seem to differ in
        spread.
    arrangements
        Of the group labels.

    Returns
    -------
    ndarray
        (ways); NaN where all distances are equal.
    """
    sizes = np.bincount(arrangements.codes[0])
    centred = distances - distances.mean()
    total = (centred**2).sum()
    explained = np.zeros(len(arrangements.codes))
    for group, size in enumerate(sizes):
        explained += ((arrangements.codes == group) @ centred) ** 2 / size
    if total <= _NEAR**2 * (distances**2).sum():
        return np.full(len(explained), np.nan)
    groups, count = len(sizes), len(distances)
    left = np.maximum(total - explained, 0)
    with np.errstate(divide="ignore"):
        return (explained / (groups - 1)) / (left / (count - groups))
