"""Cautions beside the recommended method: where a first place is no reason for trust yet."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sightline.report.words import listed, of_all

# Of each kind of thing that experiments ask: what it leaves open, and what would ask it.
_KINDS = {
    "place": (
        "of where the object is",
        "none asks what the model uses: add one that takes pixels "
        "away, such as insertion_deletion or road",
    ),
    "use": (
        "of what the model uses",
        "none asks whether a map finds the object: where objects are "
        "known, add localisation or pointing",
    ),
    "steadiness": (
        "of whether maps stay where the image hardly changes",
        "maps that read nothing "
        "do that best: add one that asks what the model uses, such as insertion_deletion or road",
    ),
}


def caution_of_controls(firsts: pd.DataFrame, total: int) -> str:
    """Where even the best is no better than a map that reads no model.

    Parameters
    ----------
    firsts
        Rows of `sightline.evaluate.ranking.recommend.recommend`: of each model the methods placed
        first.
    total
        Models.
    """
    lost = firsts[(firsts["controlled"] > 0) & (firsts["beats_controls"] == 0)]["model"].nunique()
    if not lost:
        return ""
    where = of_all(lost, total, "model")
    return f" On {where} the first beats the best control on no measure: there, trust none yet."


def caution_of_kinds(summary: pd.DataFrame, kinds: Mapping[str, str]) -> str:
    """Where all measures that rank methods ask one kind of thing.

    Parameters
    ----------
    summary
        See `sightline.evaluate.ranking.summary.summarise`.
    kinds
        Of each experiment.
    """
    ranked = summary[summary["rank"].notna()]
    found = {kinds[str(name)] for name in ranked["experiment"].unique()}
    if len(found) != 1:
        return ""
    pairs = ranked[["experiment", "measure"]].drop_duplicates().itertuples(index=False)
    names = [f"{experiment} {measure}" for experiment, measure in pairs]
    measures = "one measure" if len(names) == 1 else "measures"
    asked, missing = _KINDS[found.pop()]
    return f" The order rests only on {measures} {asked} ({listed(names)}); {missing}."
