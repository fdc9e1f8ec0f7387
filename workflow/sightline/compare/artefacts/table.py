"""Artefacts of all models under one method, tested together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sightline.compare.artefacts.border import Location
from sightline.compare.artefacts.models import ModelArtefacts
from sightline.compare.groups.holm import holm

LEVEL = 0.05
# A flag asks for more than significance, which many images give to anything:
# a grid of a twentieth of the map's mean, a border that leaves a quarter of what
# is above chance elsewhere (a photograph's own brightness, 7 x 7, reaches a half),
# a quarter of all maxima in one corner.
LEAST = {"grid": 0.05, "border": 0.75, "corner": 0.25}


def artefact_table(found: Mapping[str, ModelArtefacts], method: str) -> pd.DataFrame:
    """Put all models of a method together and correct for their number.

    Parameters
    ----------
    found
        By model.
    method
        Its id.

    Returns
    -------
    DataFrame
        A row a (model, artefact), see `sightline.jobs.merging.artefacts.find_method_artefacts`.
        Grids are corrected by the largest score of any model under the same shifts
        (Westfall and Young 1993), which needs no more of them for more models;
        borders and corners by Holm.
    """
    grids = [one.grid.shifted for one in found.values() if one.grid is not None]
    highest = np.max(grids, axis=0) if grids else np.empty(0)
    rows = []
    for model, one in found.items():
        for artefact in ("grid", "border", "corner"):
            rows.append(
                {
                    "method": method,
                    "model": model,
                    "artefact": artefact,
                    "images": one.images,
                    "left_out": one.asked - one.images,
                    **_values(one, artefact, highest),
                }
            )
    table = pd.DataFrame(rows)
    for artefact in ("border", "corner"):
        chosen = table["artefact"] == artefact
        table.loc[chosen, "p_corrected"] = holm(table.loc[chosen, "p"].to_numpy())
        lowest = table["smallest_p"] * table.loc[chosen, "p"].notna().sum()
        hopeless = chosen & table["p"].notna() & (lowest > LEVEL)
        table.loc[hopeless, "reason"] = "cannot be decided by so few images"
    least = table["artefact"].map(LEAST)
    flagged = (table["p_corrected"] <= LEVEL) & (table["effect"] >= least)
    table.insert(
        table.columns.get_loc("p_corrected") + 1,
        "flagged",
        flagged.where(table["reason"] == "", None),
    )
    return table


def _values(one: ModelArtefacts, artefact: str, highest: np.ndarray) -> dict[str, Any]:
    if artefact == "grid":
        return _grid_values(one, highest)
    location: Location = getattr(one, artefact)
    corner = artefact == "corner"
    return {
        "value": location.share,
        "reference": location.reference,
        "effect": location.share if corner else location.excess,
        "p": location.p,
        # Were all maxima there.
        "smallest_p": min(1.0, 4 * 0.25**one.images) if corner else location.reference**one.images,
        "p_corrected": np.nan,
        "period": pd.NA,
        "corner": location.corner,
        "tied": one.tied,
        "reason": "" if one.images else "no map is ok",
    }


def _grid_values(one: ModelArtefacts, highest: np.ndarray) -> dict[str, Any]:
    grid = one.grid
    if grid is None:
        missing = ("value", "reference", "effect", "p", "smallest_p", "p_corrected", "tied")
        reason = "no map is ok"
        if one.images:
            reason = "not applicable: maps of {}x{} hold no lattice of two positions a period"
            reason = reason.format(*one.shape)
        return dict.fromkeys(missing, np.nan) | {"period": pd.NA, "corner": "", "reason": reason}
    corrected = (1 + int((highest >= grid.score).sum())) / (1 + len(highest))
    return {
        "value": grid.index,
        "reference": grid.reference,
        "effect": grid.contrast,
        "p": grid.p,
        "smallest_p": 1 / (1 + len(highest)),
        "p_corrected": corrected,
        "period": grid.period[0],
        "corner": "",
        "tied": np.nan,
        "reason": "",
    }
