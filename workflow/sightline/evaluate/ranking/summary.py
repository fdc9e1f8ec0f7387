"""All ranked measures of all experiments in one table: methods in order, and against controls.

A measure ranks the study's methods, not the controls, on each model by their means over the
images of which it has a value under every one of them: a method that leaves hard images out is
not the better for it. 1 is the method whose maps hold best on the side that the measure
declares, methods with one mean share the mean of their places. The method that an experiment
holds the others against has no rank in it.

Of intervals one rule is used throughout: one method is *clear* of another where
its interval lies wholly on the better side of the other's. That errs on the side of saying
nothing: both are means over nearly the same images (all of which a method has a value), so
methods can differ though their intervals overlap. (The tables hold no values of single images,
from which differences could be resampled.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

COLUMNS = [
    *("experiment", "measure", "model", "method", "control", "mean", "low", "high", "common"),
    *("chance", "better", "images", "left_out", "rank", "best_control", "beats_controls"),
]
BEATS, UNCLEAR, WORSE = "yes", "no evidence", "worse"
_NUMBERS = ["mean", "common", "low", "high", "chance", "images", "left_out"]


@dataclass(frozen=True)
class Ranking:
    """What the summary takes of an experiment.

    Attributes
    ----------
    measures
        Those that rank methods.
    references
        Methods that the others are held against.
    uncontrolled
        Measures that maps which read no image are best by, by construction.
    """

    measures: Sequence[str]
    references: Sequence[str] = ()
    uncontrolled: Sequence[str] = ()


def summarise(
    tables: Mapping[str, pd.DataFrame], rankings: Mapping[str, Ranking], role: str
) -> pd.DataFrame:
    """Every ranked measure of every experiment, with ranks and the comparison with controls.

    Parameters
    ----------
    tables
        Of each experiment, see `sightline.jobs.experiments.experiment_table.merge_experiment`.
    rankings
        What is taken of each.
    role
        Of which classes' maps: the study's first role.

    Returns
    -------
    DataFrame
        A row a (experiment, measure, model, method): control, mean, low, high, common (the mean
        over the images that every method has a value of), chance, better, images and left_out
        (the fewest and the most, where it is a mean of several), rank (by common; NaN for
        controls, references and where there is no mean), best_control (the control with the
        best mean; empty without controls, or where they cannot be beaten) and beats_controls:
        ``yes`` where the method is clear of the best control, ``worse`` where that is clear of
        the method, ``no evidence`` otherwise, empty without a best control.

    Raises
    ------
    ValueError
        Where an experiment's table lacks a measure that it declares.
    """
    parts = []
    for name, ranking in rankings.items():
        table = tables[name]
        for measure in ranking.measures:
            rows = table[(table["measure"] == measure) & (table["role"] == role)]
            if rows.empty:
                raise ValueError(f"the table of {name} has no {measure} of the role {role}")
            held = measure not in ranking.uncontrolled
            parts.append(_place(_one_number(rows), ranking.references, held))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def clear(rows: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Where one row's interval is wholly on the better side of the other's, bool (n,)."""
    low, high = rows["low"].to_numpy(float), rows["high"].to_numpy(float)
    other_low, other_high = others["low"].to_numpy(float), others["high"].to_numpy(float)
    upwards = rows["better"].to_numpy(object) == "higher"
    return np.where(upwards, low > other_high, high < other_low)


def _one_number(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a model and method: the study's own maps' and no point of a curve, where there are.

    Otherwise the mean over variants, and over points. So are the ends of its interval: the
    interval of a mean is at most as wide as the intervals are on average.
    """
    rows = _preferred(rows, rows["variant"].fillna("") == "")
    rows = _preferred(rows, rows["x"].isna())
    keys = ["experiment", "measure", "model", "method", "control", "better"]
    how = dict.fromkeys(_NUMBERS, "mean") | {"images": "min", "left_out": "max"}
    found = rows.groupby(keys, sort=False, dropna=False)
    # A mean without one of its parts would be one of other variants than other methods'.
    known = found["mean"].count() == found.size()
    numbers = found.agg(how)
    numbers.loc[~known, ["mean", "common", "low", "high"]] = np.nan
    return numbers.reset_index()


def _preferred(rows: pd.DataFrame, plain: pd.Series) -> pd.DataFrame:
    return rows[plain] if plain.any() else rows


def _place(rows: pd.DataFrame, references: Sequence[str], controlled: bool) -> pd.DataFrame:
    """Ranks and, where it says something, the comparison with controls, of one measure."""
    (better,) = rows["better"].unique()
    control = rows["control"].astype(bool)
    held = ~control & ~rows["method"].isin(list(references))
    ranks = rows["common"].where(held).groupby(rows["model"]).rank(ascending=better == "lower")
    rows = rows.assign(rank=ranks, best_control="", beats_controls="")
    if not controlled:
        return rows
    for _, own in rows[control & rows["mean"].notna()].groupby("model", sort=False):
        best = own.loc[own["mean"].idxmax() if better == "higher" else own["mean"].idxmin()]
        mine = rows.index[(rows["model"] == best["model"]) & ~control & rows["mean"].notna()]
        if mine.empty:
            continue
        others = pd.DataFrame([best] * len(mine), index=mine)
        rows.loc[mine, "best_control"] = best["method"]
        rows.loc[mine, "beats_controls"] = np.select(
            [clear(rows.loc[mine], others), clear(others, rows.loc[mine])], [BEATS, WORSE], UNCLEAR
        )
    return rows
