"""The artefacts of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightline.compare.artefacts.border import Location, border_share, corner_share
from sightline.compare.artefacts.grid import GridIndex, grid_index
from sightline.compare.artefacts.profiles import Profiles


@dataclass(frozen=True)
class ModelArtefacts:
    """What was found of one model.

    Attributes
    ----------
    shape
        Of its maps.
    asked, images
        Maps asked for, and those that are ok.
    tied
        Share of those with their maximum at more than one position.
    grid
        None where no period fits its maps, or no map is ok.
    border, corner
        Of the maxima.
    """

    shape: tuple[int, int]
    asked: int
    images: int
    tied: float
    grid: GridIndex | None
    border: Location
    corner: Location


def find_artefacts(
    profiles: Profiles, periods: Sequence[tuple[int, int]], shifts: np.ndarray
) -> ModelArtefacts:
    """Measure one model.

    Parameters
    ----------
    profiles
        See `sightline.compare.artefacts.profiles.read_profiles`.
    periods
        To try; may be none.
    shifts
        Of all rows asked for, see `sightline.compare.artefacts.phases.draw_shifts`.
    """
    grid = None
    if periods and len(profiles.row):
        own = shifts[:, profiles.row]
        grid = grid_index(profiles.down, profiles.across, periods, own)
    return ModelArtefacts(
        profiles.shape,
        profiles.asked,
        len(profiles.row),
        float(profiles.tied.mean()) if len(profiles.row) else np.nan,
        grid,
        border_share(profiles.peak, profiles.shape),
        corner_share(profiles.peak, profiles.shape),
    )
