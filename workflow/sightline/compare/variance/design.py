"""The sums over models, methods and images that an analysis of variance needs.

Each map is a vector of unit norm and mean zero on a coarse grid; squares are
summed over its positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sightline.compare.variance.components import Factors

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


class _Margin:
    """Sums over the levels of a set of factors besides the image."""

    def __init__(self, images: int) -> None:
        self._per_image = np.zeros(images)
        self._overall = np.zeros(1 + images)

    def add(self, vectors: np.ndarray) -> None:
        """Count in the vectors (images, positions) of one level."""
        total = vectors.sum(axis=0)
        squares = np.einsum("ij,ij->i", vectors, vectors)
        of_all = total @ total
        # Without image i the sum is total - v_i.
        self._overall += np.append(of_all, of_all - 2 * vectors @ total + squares)
        self._per_image += squares

    def terms(self, summed: int) -> tuple[np.ndarray, np.ndarray]:
        """T of the margin and of the margin with the image.

        Parameters
        ----------
        summed
            Cells that are summed, not averaged, in each vector.
        """
        count = len(self._per_image)
        left = np.append(count, np.full(count, count - 1))
        rest = np.append(0, -self._per_image) + self._per_image.sum()
        return self._overall / (summed * left), rest / summed


def collect(cells: Iterable[np.ndarray]) -> Design:
    """The sums that the analysis of variance needs, model by model.

    Memory is methods x images x positions, however many models there are.

    Parameters
    ----------
    cells
        Of each model in turn float32 (methods, images, positions), no NaN.
    """
    models = 0
    by_method = np.zeros((0, 0, 0))
    both, model, method, nothing = (_Margin(0) for _ in range(4))
    for models, given in enumerate(cells, start=1):
        of_model = given.astype(np.float64)
        if models == 1:
            both, model, method, nothing = (_Margin(of_model.shape[1]) for _ in range(4))
            by_method = np.zeros(of_model.shape)
        for vectors in of_model:
            both.add(vectors)
        model.add(of_model.sum(axis=0))
        by_method += of_model
    for vectors in by_method:
        method.add(vectors)
    nothing.add(by_method.sum(axis=0))
    methods, images, _ = by_method.shape
    terms = {}
    for margin, sums, summed in (
        (_MODEL | _METHOD, both, 1),
        (_MODEL, model, methods),
        (_METHOD, method, models),
        (_NOTHING, nothing, models * methods),
    ):
        terms[margin], terms[margin | _IMAGE] = sums.terms(summed)
    return Design({"model": models, "method": methods, "image": images}, terms)
