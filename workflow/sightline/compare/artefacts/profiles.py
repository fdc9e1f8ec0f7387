"""What maps are reduced to before their artefacts are looked for.

The lines of a grid run along rows and columns, so its energy lies on the axes of
the spectrum, and the axes of a map's spectrum are the spectra of its two
profiles: the sums along rows and along columns. A map of 224 x 224 leaves 448
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.compare.artefacts.border import peaks
from sightline.maps.series import MapSeries
from sightline.maps.store import OK

# Maps read at a time: 64 of 224 x 224 are 13 MB.
_BLOCK = 64


@dataclass(frozen=True)
class Profiles:
    """The maps of one model and method, as far as artefacts are concerned.

    Attributes
    ----------
    down
        float32 (n, h): of each map the magnitudes' sums over columns, the map
        scaled to unit norm.
    across
        float32 (n, w): sums over rows.
    peak
        (n, 2): row and column of each map's largest magnitude.
    tied
        bool (n,): it lies at more than one position; one of them is drawn.
    row
        (n,): which of the rows asked for these are: the maps that are ok.
    asked
        How many rows were asked for.
    shape
        Height and width of the maps.
    """

    down: np.ndarray
    across: np.ndarray
    peak: np.ndarray
    tied: np.ndarray
    row: np.ndarray
    asked: int
    shape: tuple[int, int]


def read_profiles(series: MapSeries, role: str, seed: int) -> Profiles:
    """Reduce the maps of a model and method, reading them by blocks.

    Parameters
    ----------
    series
        The maps.
    role
        Whose rows; those of other roles show the same images again.
    seed
        Of the draws among tied positions.

    Returns
    -------
    Profiles
        Of magnitudes: a grid in a signed map changes its sign with the evidence,
        and would average away.
    """
    chosen = series.role == role
    place = np.cumsum(chosen) - 1
    rng = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {"down": [], "across": [], "peak": [], "tied": []}
    used = np.flatnonzero(chosen & (series.status == OK))
    for part, maps in series.blocks(_BLOCK):
        rows = used[(used >= part.start) & (used < part.stop)] - part.start
        maps = unit_magnitudes(maps[rows])
        parts["down"].append(maps.sum(axis=2))
        parts["across"].append(maps.sum(axis=1))
        for name, values in zip(("peak", "tied"), peaks(maps, rng), strict=True):
            parts[name].append(values)
    return Profiles(
        **{name: np.concatenate(found) for name, found in parts.items()},
        row=place[used],
        asked=int(chosen.sum()),
        shape=series.shape,
    )


def unit_magnitudes(maps: np.ndarray) -> np.ndarray:
    """Magnitudes of maps (n, h, w), none of them zero, each divided by its Euclidean norm."""
    # A float32 map may peak where its square is no float32.
    found = np.abs(maps) / np.abs(maps).max(axis=(1, 2), keepdims=True)
    return found / np.sqrt(np.einsum("nij,nij->n", found, found))[:, None, None]


def mean_magnitudes(series: MapSeries, role: str) -> np.ndarray:
    """The mean (h, w) of the maps that are ok, as `unit_magnitudes`, over all images of a role."""
    used = (series.role == role) & (series.status == OK)
    total = np.zeros(series.shape)
    for part, maps in series.blocks(_BLOCK):
        total += unit_magnitudes(maps[used[part]]).sum(axis=0)
    return total / used.sum()
