"""Rows of a model's stored maps: of the first images, by blocks of images, or those asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from sightline.errors import SightlineError
from sightline.evaluate.long import joined
from sightline.maps.series import MapSeries
from sightline.maps.store import MapSet

# Images whose maps are held at a time.
_BLOCK = 64


def first_images(series: MapSeries, count: int) -> MapSeries:
    """The rows of the first images, those of one image together."""
    codes, images = pd.factorize(series.image_id)
    order = np.argsort(codes, kind="stable")
    return series.ordered(order[: int((codes < min(count, len(images))).sum())])


def blocks_of_images(series: MapSeries) -> Iterator[slice]:
    """Rows of so many images at a time, all rows of an image in one block."""
    codes, images = pd.factorize(series.image_id)
    ends = np.flatnonzero(np.diff(codes, append=len(images))) + 1
    start = 0
    for last in [*range(_BLOCK - 1, len(ends) - 1, _BLOCK), len(ends) - 1]:
        yield slice(start, int(ends[last]))
        start = int(ends[last])


def rows_of(series: MapSeries, rows: Sequence[tuple[str, str]], name: str) -> MapSet:
    """Some rows of a series, in the order asked for.

    Raises
    ------
    SightlineError
        Where one is missing.
    """
    try:
        order = joined(series.rows(), rows)
    except KeyError as error:
        image_id, role = error.args[0]
        raise SightlineError(
            f"The maps of {name} lack {image_id!r} ({role}). Delete them and run again."
        ) from error
    return series.ordered(order).part(0, len(order))
