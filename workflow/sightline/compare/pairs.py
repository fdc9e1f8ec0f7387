"""What structure and tests need of a method's pairs of models, merged over its images.

An HDF5 file a method; pairs (p) in the order of `sightline.compare.ordering`:

    model                   [m] str
    mean/<measure>          [p] float64    over all images used
    dissimilarity/<measure> [p] float64
    replicates/<measure>    [b, p] float32   the dissimilarity under resamples of the images
    same_class              [p] float64    share of images on which both answer the same class
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from sightline.compare.ordering import square
from sightline.sealed import sealed_reader, sealed_writer

# Attribute of the file; a layout that older readers misread has another.
_SCHEMA = 1
# Resamples that are kept for the stability of what is found among models.
REPLICATES = 200


@dataclass(frozen=True)
class Pairs:
    """The contents of a pairs file.

    Attributes
    ----------
    models
        Ids.
    means, dissimilarities
        (p,) by measure.
    resampled
        (b, p) by measure.
    same_class
        (p,), in [0, 1].
    """

    models: list[str]
    means: Mapping[str, np.ndarray]
    dissimilarities: Mapping[str, np.ndarray]
    resampled: Mapping[str, np.ndarray]
    same_class: np.ndarray

    @property
    def measures(self) -> list[str]:
        """Ids of the measures."""
        return list(self.means)

    def mean(self, measure: str) -> pd.DataFrame:
        """Mean similarities, models x models, 1 on the diagonal."""
        return square(self.means[measure], self.models, 1.0)

    def dissimilarity(self, measure: str) -> pd.DataFrame:
        """Dissimilarities, models x models, 0 on the diagonal."""
        return square(self.dissimilarities[measure], self.models, 0.0)

    def replicates(self, measure: str) -> np.ndarray:
        """Dissimilarities under resamples of the images, float32 (b, p)."""
        return self.resampled[measure]


def write_pairs(path: Path, pairs: Pairs) -> None:
    """Write a pairs file; it is complete or absent."""
    with sealed_writer(path, _SCHEMA) as file:
        file.create_dataset("model", data=np.array(pairs.models, object), dtype=h5py.string_dtype())
        file.create_dataset("same_class", data=pairs.same_class)
        groups = {
            "mean": pairs.means,
            "dissimilarity": pairs.dissimilarities,
            "replicates": pairs.resampled,
        }
        for group, measures in groups.items():
            # Measures come back in the order of the configuration.
            within = file.create_group(group, track_order=True)
            for name, values in measures.items():
                within.create_dataset(name, data=values)


def each_measure(path: Path) -> Iterator[tuple[str, Pairs]]:
    """The measures of a pairs file with their part of it, one after the other.

    The replicates of all measures of 1,000 models are gigabytes.
    """
    with sealed_reader(path, _SCHEMA) as file:
        measures = list(file["mean"])
    for measure in measures:
        yield measure, read_pairs(path, measure)


def read_pairs(path: Path, only: str | None = None) -> Pairs:
    """Read a pairs file.

    Parameters
    ----------
    path
        The file.
    only
        The one measure to read; all unless given.

    Raises
    ------
    SightlineError
        Where it is missing, damaged or of another schema.
    """
    with sealed_reader(path, _SCHEMA) as file:
        measures = list(file["mean"]) if only is None else [only]
        means, dissimilarities, resampled = (
            {name: file[group][name][:] for name in measures}
            for group in ("mean", "dissimilarity", "replicates")
        )
        return Pairs(
            models=list(file["model"].asstr()[:]),
            means=means,
            dissimilarities=dissimilarities,
            resampled=resampled,
            same_class=file["same_class"][:],
        )
