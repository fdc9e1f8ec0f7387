"""All models' maps of one method and range side by side: their consensus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sightline.compare.consensus.agreement import agree, directions
from sightline.compare.consensus.file import Consensus
from sightline.maps.align import intersect, resample
from sightline.maps.scaling import scale_maps
from sightline.maps.series import MapSeries, check_rows
from sightline.maps.store import OK

# Of float32 maps on the grid that are held at a time.
_BYTES = 64 * 2**20


def find_consensus(
    files: Mapping[str, Path], *, scaling: Sequence[str], grid: int, coarse: int
) -> tuple[Consensus, np.ndarray]:
    """Put the maps of all models together, one method and range.

    Time is linear in models. Images are taken in blocks, each map is read once.

    Parameters
    ----------
    files
        Map file of each model id.
    scaling
        Steps of `sightline.maps.scaling`.
    grid, coarse
        Positions along a side, for the consensus and for the coarse maps.

    Returns
    -------
    Consensus, ndarray
        And the ``directions`` of `sightline.compare.consensus.file`.

    Raises
    ------
    SightlineError
        Where the files do not hold the same rows.
    """
    named = {model: MapSeries([path]) for model, path in files.items()}
    check_rows(named)
    series = list(named.values())
    box, meets = shared_part(series)
    rows, models = len(series[0]), len(series)
    found = Consensus(
        model=np.array(list(named), object),
        image_id=series[0].image_id,
        role=series[0].role,
        box=box,
        size=series[0].size,
        count=np.zeros(rows, np.int32),
        correct=np.stack([one.correct for one in series], axis=1),
        shown=np.zeros((rows, models), bool),
        consensus=np.zeros((rows, grid, grid), np.float32),
        scores=np.zeros((2, 2, rows, models), np.float32),
    )
    coarse_maps = np.zeros((models, rows, coarse**2), np.float16)
    step = max(1, _BYTES // (models * grid**2 * 4))
    for start in range(0, rows, step):
        part = slice(start, min(start + step, rows))
        fine, small = _on_grids(series, box[part], part, scaling, (grid, coarse))
        ok = np.stack([one.status[part] == OK for one in series], axis=1) & meets[part, None]
        agreement = agree(fine, ok)
        found.count[part] = agreement.count
        found.consensus[part] = agreement.consensus.reshape(-1, grid, grid)
        found.scores[:, :, part] = agreement.scores
        towards = directions(small, ok)
        found.shown[part] = np.isfinite(towards).all(axis=2)
        coarse_maps[:, part] = towards.transpose(1, 0, 2)
    return found, coarse_maps


def _on_grids(
    series: Sequence[MapSeries],
    box: np.ndarray,
    part: slice,
    scaling: Sequence[str],
    grids: Sequence[int],
) -> list[np.ndarray]:
    """Scaled maps of some rows on each grid, float32 (images, models, positions)."""
    found = [np.empty((len(box), len(series), grid**2), np.float32) for grid in grids]
    for number, one in enumerate(series):
        # Maps may be of many more positions than the grid.
        step = max(1, _BYTES // (4 * int(np.prod(one.shape))))
        for start in range(part.start, part.stop, step):
            rows = slice(start, min(start + step, part.stop))
            own = slice(rows.start - part.start, rows.stop - part.start)
            scaled = scale_maps(one.read(rows.start, rows.stop), scaling)
            for maps, grid in zip(found, grids, strict=True):
                moved = resample(scaled, one.box[rows], box[own], grid)
                maps[own, number] = moved.reshape(len(moved), -1)
    return found


def shared_part(series: Sequence[MapSeries]) -> tuple[np.ndarray, np.ndarray]:
    """The boxes (n, 4) that all series show, and whether there is anything in them, (n,)."""
    size = series[0].size
    # A padded model's box reaches beyond the image: nothing is to be seen there.
    box = np.concatenate([np.zeros_like(size), size[:, ::-1]], axis=1).astype(np.float32)
    for one in series:
        box = intersect(box, one.box)
    meets = (box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1])
    # Where nothing is shared any part will do: the row is not used.
    return np.where(meets[:, None], box, series[0].box), meets
