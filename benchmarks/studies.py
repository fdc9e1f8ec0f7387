"""Simulated studies with a known truth: do the tests keep their level, what do they find?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform

from sightline.compare.aggregate import dissimilarity

# Of the simulated maps.
_IMAGES, _PIXELS, _NOISE = 24, 36, 0.5


@dataclass(frozen=True)
class Truth:
    """How the models of a study are made.

    Attributes
    ----------
    sizes
        Models of each family.
    spreads
        Standard deviation of each family's models around its centre, on every axis.
    shift
        How far each family's centre is from the one before, along one direction.
    data
        ``plane`` and ``space``: models are points in 2 and 10 dimensions, and
        their distances the dissimilarities. ``maps``: each model shifts its
        maps of 24 images by a pattern of its own, and the dissimilarity is that
        of a study, of the mean and the spread of the cosines over images.
    """

    sizes: tuple[int, ...]
    spreads: tuple[float, ...]
    shift: float
    data: Literal["plane", "space", "maps"]

    @property
    def families(self) -> list[str]:
        """Each model's family."""
        return [f"family{g}" for g, size in enumerate(self.sizes) for _ in range(size)]


def simulate(truth: Truth, seed: int) -> pd.DataFrame:
    """The dissimilarities of one study, models by models.

    Parameters
    ----------
    truth
        What is true of the families.
    seed
        Of everything random.
    """
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(truth.sizes)), truth.sizes)
    axes = {"plane": 2, "space": 10, "maps": _PIXELS}[truth.data]
    places = rng.normal(size=(len(group), axes)) * np.array(truth.spreads)[group][:, None]
    places[:, 0] += truth.shift * group
    matrix = _maps(places, rng) if truth.data == "maps" else squareform(pdist(places))
    names = [f"model{i}" for i in range(len(group))]
    return pd.DataFrame(matrix, names, names)


def simulate_number(models: int, slope: float, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Models in 10 dimensions that move along one of them with a number each has.

    Parameters
    ----------
    models
        How many.
    slope
        Standard deviations that they move for one of the number.
    seed
        Of everything random.

    Returns
    -------
    dissimilarity : DataFrame
        Models by models.
    column : Series
        The number of each model.
    """
    rng = np.random.default_rng(seed)
    column = rng.normal(size=models)
    places = rng.normal(size=(models, 10))
    places[:, 0] += slope * column
    names = [f"model{i}" for i in range(models)]
    matrix = pd.DataFrame(squareform(pdist(places)), names, names)
    return matrix, pd.Series(column, names, name="number")


def _maps(patterns: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dissimilarities of models whose maps are the image's, their own pattern, and noise."""
    image = 2 * rng.normal(size=(_IMAGES, 1, _PIXELS))
    noise = _NOISE * rng.normal(size=(_IMAGES, len(patterns), _PIXELS))
    maps = image + patterns + noise
    maps /= np.linalg.norm(maps, axis=2, keepdims=True)
    alike = maps @ maps.transpose(0, 2, 1)
    found = dissimilarity(alike.mean(axis=0), alike.std(axis=0, ddof=1))
    np.fill_diagonal(found, 0)
    return (found + found.T) / 2
