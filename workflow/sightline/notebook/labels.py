"""Lazy arrays with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from sightline.errors import SightlineError
from sightline.maps.series import MapSeries
from sightline.maps.store import STATUS
from sightline.notebook.lazy import LazyArray, NativeMaps
from sightline.notebook.stored import StoredMaps

_EDGES = ("x0", "y0", "x1", "y1")


def native_array(
    stored: StoredMaps, whose: tuple[str, str, str], image_ids: np.ndarray, labels: np.ndarray
) -> xr.DataArray:
    """Maps as they are stored, see `sightline.notebook.opening.OpenStudy.native`.

    Parameters
    ----------
    stored
        Of the study.
    whose
        Model, method, role.
    image_ids, labels
        (n,) of the study's images.

    Raises
    ------
    SightlineError
        Where the maps are of other images.
    """
    model, method, role = whose
    series = MapSeries(stored.files(model, method))
    rows = np.flatnonzero(series.role == role)
    if series.image_id[rows].tolist() != image_ids.tolist():
        raise SightlineError(
            f"The maps of {model} under {method} are not of the study's images: these have "
            "changed since. Run the study again."
        )
    height, width = series.shape
    names = ("target", "score", "predicted", "correct")
    return labelled(
        NativeMaps(stored, whose, (len(rows), height, width)),
        {
            "image": image_ids,
            "y": (np.arange(height) + 0.5) / height,
            "x": (np.arange(width) + 0.5) / width,
        },
        {
            **{name: ("image", series.box[rows, place]) for place, name in enumerate(_EDGES)},
            "label": ("image", labels),
            "status": ("image", [STATUS[int(one)] for one in series.status[rows]]),
            "height": ("image", series.size[rows, 0]),
            "width": ("image", series.size[rows, 1]),
            **{name: ("image", getattr(series, name)[rows]) for name in names},
        },
        {"model": model, "method": method, "role": role},
    )


def labelled(
    array: LazyArray,
    dimensions: Mapping[str, Any],
    coordinates: Mapping[str, tuple[Any, Any]],
    attributes: Mapping[str, str],
) -> xr.DataArray:
    """A lazy array with its labels; writing to it changes a copy.

    Parameters
    ----------
    array
        Of these dimensions.
    dimensions
        Labels along each.
    coordinates
        Dimensions and values of what else is known.
    attributes
        Of the array.
    """
    lazy: Any = indexing.LazilyIndexedArray(array)
    variable = xr.Variable(
        list(dimensions), indexing.CopyOnWriteArray(lazy), attrs=dict(attributes), fastpath=True
    )
    return xr.DataArray(variable, coords={**dimensions, **coordinates}, name="map")
