"""Sentences on the communities that Louvain finds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sightline.report.words import listed, of_all, ranged, shown


def communities_sentence(every: pd.DataFrame, models: int, resolution: float) -> str:
    """What Louvain finds at one resolution, or where else it finds several communities.

    Parameters
    ----------
    every
        Rows of all resolutions and methods, see
        `sightline.jobs.merging.structure.find_structures`.
    models
        Of the study.
    resolution
        That is told of.
    """
    chosen = every[np.isclose(every["resolution"], resolution)]
    # One community, or each model its own, is stable for no reason of the models'.
    several = every["communities"].between(2, models - 1)
    real = chosen[several[chosen.index]].dropna(subset=["bootstrap_stability"])
    if chosen.empty:
        return ""
    if real.empty:
        text = f"Communities: none at resolution {resolution:g}, where Louvain joins all models or "
        text += "parts each from each."
        other = every[several].dropna(subset=["bootstrap_stability"]).reset_index(drop=True)
        if len(other):
            best = other.loc[other["bootstrap_stability"].idxmax()]
            text += (
                f" Of all resolutions tried the most stable split into several is that at "
                f"{best['resolution']:g} under {best['method']}, {best['communities']:.0f} "
                f"communities, found in resamples of the images to an adjusted Rand index of "
                f"{shown(best['bootstrap_stability'])}."
            )
        return text
    methods = list(real["method"])
    return (
        f"Communities: {ranged(real['communities'], methods, '{:.0f}')} at resolution "
        f"{resolution:g} under {of_all(len(real), len(chosen), 'method')}, found in resamples of "
        "the images to an adjusted Rand index of "
        f"{ranged(real['bootstrap_stability'], methods)}."
    )


def proof_sentence(chosen: pd.DataFrame) -> str:
    """Whether the communities have the greatest modularity, and where they have not."""
    if chosen.empty:
        return ""
    total = len(chosen)
    proven = chosen[chosen["proof"] == "proven"]
    best, worse = proven[proven["gap"] <= 0], proven[proven["gap"] > 0]
    sentences = []
    if len(best):
        where = of_all(len(best), total, "method")
        sentences.append(f"That no split has a greater modularity is proven under {where}.")
    if len(worse):
        gaps = listed(f"{row.method} by {row.gap:.2g}" for row in worse.itertuples())
        sentences.append(f"The greatest modularity, which is proven, is above Louvain's: {gaps}.")
    none = proven[proven["gap"].isna()]["method"]
    if len(none):
        sentences.append(f"Modularity has no value under {listed(none)}.")
    for proof, why in (("not proven", "time was up"), ("too many models", "too many models")):
        count = int((chosen["proof"] == proof).sum())
        if count:
            where = of_all(count, total, "method")
            sentences.append(f"Whether it is the best split is not proven under {where}: {why}.")
    return " ".join(sentences)


def proof_cell(row: pd.Series) -> str:
    """The same of one method, for a cell: how far the proven greatest is above Louvain's, if so."""
    if row["proof"] != "proven":
        return "-" if pd.isna(row["proof"]) else str(row["proof"])
    if pd.isna(row["gap"]):
        return "no value"
    return f"{row['gap']:.2g} above" if row["gap"] > 0 else "proven"
