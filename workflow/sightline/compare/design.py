"""The sums over models, methods and images that an analysis of variance needs.

Each map is a vector of unit norm and mean zero on a coarse grid; squares are
summed over its positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sightline.compare.components import Factors

FACTORS = ("model", "method", "image")
_MODEL, _METHOD, _IMAGE = (frozenset([factor]) for factor in FACTORS)
_NOTHING: Factors = frozenset()


@dataclass(frozen=True)
class Design:
    """Levels of a design, and T of every set of factors: of all images, and without each.

    Attributes
    ----------
    levels
        How many models, methods and images.
    terms
        float64 (1 + images,): first of all images, then without image 0, 1, ...
    """

    levels: Mapping[str, int]
    terms: Mapping[Factors, np.ndarray]


def collect(cells: Iterable[np.ndarray], models: int, methods: int) -> Design:
    """The sums that the analysis of variance needs, model by model.

    Memory is (methods + 4) x images x positions, however many models there are.

    Parameters
    ----------
    cells
        Of each model in turn float32 (methods, images, positions), no NaN.
    models, methods
        How many.
    """
    per_image: dict[Factors, np.ndarray] = {}
    overall: dict[Factors, np.ndarray] = {}

    def add(margin: Factors, vectors: np.ndarray) -> None:
        """Count in vectors (images, positions) of a level of the margin."""
        total = vectors.sum(axis=0)
        squares = np.einsum("ij,ij->i", vectors, vectors)
        of_all = total @ total
        # Without image i the sum is total - v_i.
        without = of_all - 2 * vectors @ total + squares
        per_image[margin] = per_image.get(margin, 0) + squares
        overall[margin] = overall.get(margin, 0) + np.concatenate([[of_all], without])

    by_method: np.ndarray | None = None
    for of_model in cells:
        of_model = of_model.astype(np.float64)
        for vectors in of_model:
            add(_MODEL | _METHOD, vectors)
        add(_MODEL, of_model.sum(axis=0))
        by_method = of_model if by_method is None else by_method + of_model
    assert by_method is not None
    for vectors in by_method:
        add(_METHOD, vectors)
    add(_NOTHING, by_method.sum(axis=0))
    count = by_method.shape[1]
    left = np.concatenate([[count], np.full(count, count - 1)])
    sizes = {"model": models, "method": methods}
    terms = {}
    for margin, squares in per_image.items():
        # Sums over the factors outside of the margin, instead of means over them.
        summed = np.prod([size for factor, size in sizes.items() if factor not in margin])
        terms[margin] = overall[margin] / (summed * left)
        rest = np.concatenate([[squares.sum()], squares.sum() - squares])
        terms[margin | _IMAGE] = rest / summed
    return Design({**sizes, "image": count}, terms)
