"""What experiments are called with, and what they give.

A module has these functions, by what its experiment reads
(`sightline.evaluate.catalogue.entry.Experiment`):

``maps``
    ``measure(evidence, settings) -> Values``, of the maps of some images, all their
    roles, of one model and one method.
``objects``
    ``look(maps, scaling, settings, seeds) -> Findings``, what is read of some maps,
    drawing from a seed of each row; and ``score(findings, truth, settings) -> Values``,
    of all of them and where the objects are (`sightline.evaluate.experiments.truth.Truth`), called
    also with other images' objects.
``variants``
    ``compare(before, after, scaling, settings) -> Values``, of the same rows of the
    study's maps and of those of a variant. Where the experiment says something of
    each class also ``by_class(rows) -> DataFrame``, of all its rows of one model. Where
    maps are held against what is altered also ``by_chance(before, after, scaling, regions)
    -> Values``, of some of its measures, see `Regions`.
``model``
    ``measure(case, settings) -> Values``, of some rows with the model.

Values are of each row; what they are over all is made elsewhere, for every
experiment alike (`sightline.evaluate.long`, then `sightline.evaluate.ranking.summary`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from torch import Tensor

    from sightline.evaluate.explain import Explain
    from sightline.models.classifier import Classifier


@dataclass(frozen=True)
class Curve:
    """Values along something.

    Attributes
    ----------
    x
        (k,), increasing.
    values
        float (n, k), of each row.
    """

    x: np.ndarray
    values: np.ndarray


# By measure: float (n,), or a curve of each row; NaN where a row has none.
Values = Mapping[str, "np.ndarray | Curve"]
# By name, (n, ...): what is kept of each map until the objects are known.
Findings = dict[str, np.ndarray]


@dataclass(frozen=True)
class Evidence:
    """Maps of one model and method.

    Attributes
    ----------
    maps
        Of some images, all their roles.
    scaling
        Steps of `sightline.maps.scaling` by which they are made comparable.
    of
        From the id of another method of the study to its maps of the same rows.
    """

    maps: MapSet
    scaling: tuple[str, ...]
    of: Callable[[str], MapSet]


@dataclass(frozen=True)
class Regions:
    """What is altered on all images of a variant, for what maps give by chance.

    Attributes
    ----------
    total
        float64 (H, W): on how many images each position is altered.
    count
        Images of which any is.
    """

    total: np.ndarray
    count: int

    def others(self, region: np.ndarray) -> np.ndarray:
        """The mean over the other images, (n, H, W), of those whose own is bool (n, H, W).

        NaN where there is no other.
        """
        if self.count < 2:
            return np.full(region.shape, np.nan)
        found: np.ndarray = (self.total - region) / (self.count - 1)
        return found


@dataclass(frozen=True)
class Case:
    """Some rows of one model and method, with all that running the model needs.

    Attributes
    ----------
    classifier
        The model.
    images
        float32 (n, 3, H, W), normalised.
    targets
        int64 (n,), the outputs explained.
    maps
        As stored, raw, float32 (n, h, w); zeros where a map is not ok.
    scaling
        Steps by which they are made comparable.
    draws
        From words to a seed of each row: what an experiment draws from.
    explain
        The method, to explain other images as these were.
    seeds
        One a row, from which these maps were drawn.
    """

    classifier: Classifier
    images: Tensor
    targets: Tensor
    maps: np.ndarray
    scaling: tuple[str, ...]
    draws: Callable[..., list[int]]
    explain: Explain
    seeds: list[int]
