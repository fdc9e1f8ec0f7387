"""Which periods a model's lattices can have in its maps."""

from __future__ import annotations

from collections.abc import Iterable

_LEAST = 2


def lattice_periods(
    input_size: tuple[int, int],
    positions: Iterable[tuple[int, int]],
    shape: tuple[int, int],
) -> list[tuple[int, int]]:
    """Periods of a model's lattices, in positions of its maps.

    Parameters
    ----------
    input_size
        Height and width of the images that the model takes.
    positions
        Height and width of its layers' activations: of a transformer of uniform
        scale its patches alone, of a CNN one for each stride.
    shape
        Height and width of the maps.

    Returns
    -------
    list of (int, int)
        (down, across), increasing, without lattices that are too fine for the
        map (below two positions a period), too coarse (below two periods), or
        whose positions do not divide image and map (padded at an edge, so that
        their stride is not known from here).
    """
    found = set()
    for cells in positions:
        sides = (*zip(input_size, cells, strict=True), *zip(shape, cells, strict=True))
        if min(cells) < _LEAST or any(side % count for side, count in sides):
            continue
        period = (shape[0] // cells[0], shape[1] // cells[1])
        if min(period) >= _LEAST:
            found.add(period)
    return sorted(found)


def all_periods(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Whole periods, the same down and across, from two positions to half the shorter side."""
    return [(period, period) for period in range(_LEAST, min(shape) // 2 + 1)]
