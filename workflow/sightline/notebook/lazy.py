"""Arrays of maps that read what is asked of them, and nothing before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from sightline.maps.align import resample
from sightline.maps.scaling import scale_maps
from sightline.maps.series import MapSeries
from sightline.maps.store import NON_FINITE
from sightline.notebook.stored import StoredMaps, Use


class LazyArray(BackendArray):
    """An array of which parts are computed by the numbers along each dimension."""

    dtype = np.dtype(np.float32)
    shape: tuple[int, ...]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._part
        )

    def _part(self, key: tuple[Any, ...]) -> np.ndarray:
        chosen = [np.arange(size)[one] for size, one in zip(self.shape, key, strict=True)]
        found = self._read([np.atleast_1d(one) for one in chosen])
        return found[tuple(slice(None) if one.ndim else 0 for one in chosen)]

    @abstractmethod
    def _read(self, chosen: list[np.ndarray]) -> np.ndarray:
        """Values at the numbers chosen along each dimension."""


class GridMaps(LazyArray):
    """Maps (model, method, image, y, x), resampled to a grid over the whole original image.

    NaN where a model does not see the image, and where a map is not finite.
    """

    def __init__(
        self,
        stored: StoredMaps,
        models: Sequence[str],
        scaling: Mapping[str, Sequence[str]],
        role: str,
        images: int,
        grid: int,
    ) -> None:
        self._stored = stored
        self._models = list(models)
        self._methods = list(scaling)
        self._scaling = scaling
        self._role = role
        self._grid = grid
        self.shape = (len(self._models), len(self._methods), images, grid, grid)

    def _read(self, chosen: list[np.ndarray]) -> np.ndarray:
        models, methods, images, down, across = chosen
        out = np.empty(tuple(map(len, chosen)), self.dtype)
        for j, method in enumerate(self._methods[number] for number in methods):
            use = self._use(self._scaling[method], down, across)
            for i, model in enumerate(self._models[number] for number in models):
                out[i, j] = self._stored.gather(
                    model, method, self._role, images, (len(down), len(across)), use
                )
        return out

    def _use(self, scaling: Sequence[str], down: np.ndarray, across: np.ndarray) -> Use:
        def use(maps: np.ndarray, series: MapSeries, rows: np.ndarray) -> np.ndarray:
            return self._resampled(maps, series, rows, scaling)[:, down][:, :, across]

        return use

    def _resampled(
        self, maps: np.ndarray, series: MapSeries, rows: np.ndarray, scaling: Sequence[str]
    ) -> np.ndarray:
        box, size = series.box[rows], series.size[rows]
        whole = np.zeros_like(box)
        whole[:, 2:] = size[:, ::-1]
        found = resample(scale_maps(maps, scaling), box, whole, self._grid)
        centres = (np.arange(self._grid) + 0.5) / self._grid
        x, y = (size[:, axis, None] * centres for axis in (1, 0))
        across = (x >= box[:, 0, None]) & (x <= box[:, 2, None])
        down = (y >= box[:, 1, None]) & (y <= box[:, 3, None])
        seen = down[:, :, None] & across[:, None]
        finite = series.status[rows] != NON_FINITE
        return np.where(seen & finite[:, None, None], found, np.nan).astype(np.float32)


class NativeMaps(LazyArray):
    """Raw maps (image, y, x) of a model, method and role, at the resolution they are stored in.

    NaN where a map is not finite.
    """

    def __init__(
        self, stored: StoredMaps, whose: tuple[str, str, str], shape: tuple[int, int, int]
    ) -> None:
        self._stored = stored
        self._whose = whose
        self.shape = shape

    def _read(self, chosen: list[np.ndarray]) -> np.ndarray:
        images, down, across = chosen

        def use(maps: np.ndarray, series: MapSeries, rows: np.ndarray) -> np.ndarray:
            unknown = series.status[rows] == NON_FINITE
            return np.where(unknown[:, None, None], np.nan, maps[:, down][:, :, across])

        return self._stored.gather(*self._whose, images, (len(down), len(across)), use)
