"""Look for artefacts in the maps of all models under one method."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sightline.compare.artefacts.models import ModelArtefacts, find_artefacts
from sightline.compare.artefacts.periods import all_periods, lattice_periods
from sightline.compare.artefacts.phases import draw_shifts, locked_spectrum
from sightline.compare.artefacts.profiles import mean_magnitudes, read_profiles
from sightline.compare.artefacts.table import artefact_table
from sightline.errors import SightlineError
from sightline.maps.series import MapSeries
from sightline.sealed import sealed_writer
from sightline.tabular import write_table

PERMUTATIONS = 999
# Models whose mean maps are kept for the figure: the flagged ones first.
SHOWN = 8
# Of the file of their mean maps.
MEANS_SCHEMA = 1


def find_method_artefacts(
    method: str,
    files: Mapping[str, Sequence[Path]],
    layers: Mapping[str, Path],
    table: Path,
    means: Path,
    *,
    role: str,
    seed: int,
) -> None:
    """Measure the patch grid, the border and the corners of every model's maps.

    One model's profiles are held at a time; its maps are read by blocks.

    Parameters
    ----------
    method
        Its id.
    files
        Map files of each model, in the order of their ranges.
    layers
        What `sightline.jobs.layers.find_model_layers` wrote, of the models of which
        it is known. Their lattices' periods are tried, of other models all whole
        periods from two positions to half a side.
    table
        CSV, a row a (model, artefact): method, model, artefact (``grid``,
        ``border``, ``corner``), images (maps used: those that are ok, of the first
        role), left_out, value (grid: energy on the lattice over that beside it;
        border: share of images with their maximum there; corner: in the corner that
        has most), reference (grid: its median under shifts; border, corner: share of
        the area), effect (grid: largest less least of the mean period, over its
        mean; border: how far the share is from the area's to 1; corner: the share),
        p, smallest_p (that could have come out), p_corrected (over the models of
        the method), flagged (empty where there is a reason), period (grid, in positions
        of the map, down), corner, tied (share of images with their maximum at more
        than one position, of which one was drawn), reason (of what is missing, or
        cannot be decided because smallest_p, times the models, is above 0.05).
    means
        HDF5, a group a model: ``mean`` (h, w), its mean map of magnitudes, each
        scaled to unit norm, and ``spectrum``, see
        `sightline.compare.artefacts.phases.locked_spectrum`, the mean of both axes;
        attribute ``place``. Of at most 8 models, flagged ones first, then those
        with the smallest p.
    role
        The role whose maps are read.
    seed
        Of the shifts and of draws among ties.
    """
    found: dict[str, ModelArtefacts] = {}
    shifts = None
    for model, parts in files.items():
        series = MapSeries(parts)
        profiles = read_profiles(series, role, seed)
        if shifts is None:
            shifts = draw_shifts(profiles.asked, PERMUTATIONS, seed)
        if profiles.asked != shifts.shape[1]:
            raise SightlineError(
                f"The maps of {model} under {method} are of {profiles.asked} images, those of "
                f"{next(iter(files))} of {shifts.shape[1]}. Delete them and run again."
            )
        periods = model_periods(layers.get(model), series.shape)
        found[model] = find_artefacts(profiles, periods, shifts)
    rows = artefact_table(found, method)
    write_table(table, rows)
    _write_means(means, files, rows, role)


def model_periods(layers: Path | None, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Periods to try in maps of a shape: of the model's layers where they are known."""
    if layers is None:
        return all_periods(shape)
    known = json.loads(layers.read_text())
    height, width = known["size"]
    positions = {
        (one["height"], one["width"]) for layer in known["layers"] for one in layer["maps"]
    }
    return lattice_periods((height, width), positions, shape)


def _write_means(
    path: Path, files: Mapping[str, Sequence[Path]], rows: pd.DataFrame, role: str
) -> None:
    order = rows[rows["images"] > 0].assign(clear=rows["flagged"].ne(True))
    order = order.sort_values(["clear", "p_corrected", "p"], kind="stable")
    with sealed_writer(path, MEANS_SCHEMA) as file:
        for place, model in enumerate(order["model"].unique()[:SHOWN]):
            series = MapSeries(files[model])
            profiles = read_profiles(series, role, 0)
            spectra = [locked_spectrum(one) for one in (profiles.down, profiles.across)]
            bins = min(map(len, spectra))
            group = file.create_group(model)
            group["mean"] = mean_magnitudes(series, role)
            group["spectrum"] = np.mean([one[:bins] for one in spectra], axis=0)
            group.attrs["place"] = place
            file.check()
