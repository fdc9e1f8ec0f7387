"""Section: which models agree?"""

from __future__ import annotations

import pandas as pd

from sightline.report.extremes import PAIR, extremes_table, pair_name
from sightline.report.page import Figure, Section
from sightline.report.words import listed, of_all, ranged, shown, spanned

HEADING = "Which models agree?"
# Methods whose figure is shown.
DRAWN = 3
_NOTES = (
    "Extremes were picked among all pairs: on other images they will be a little less extreme.",
    "Of ceiling: the share of what the two models reach with themselves under a second seed; known "
    "of stochastic methods that were run with a second seed.",
)


def models_section(
    similarity: pd.DataFrame, agreement: pd.DataFrame, *, measure: str, confidence: float
) -> Section:
    """The most and least alike pair of models by each method.

    Parameters
    ----------
    similarity, agreement
        See `sightline.compare.tables.Merged`; all images are taken.
    measure
        Of similarity.
    confidence
        Of its intervals.
    """
    every = similarity[(similarity["measure"] == measure) & (similarity["subset"] == "all")]
    known = every.dropna(subset=["mean"]).reset_index(drop=True)
    if known.empty:
        return Section(
            HEADING, ["No two models can be compared: no pair has a value."], "not known"
        )
    by_method = known.groupby("method", sort=False)["mean"]
    most, least = known.loc[by_method.idxmax()], known.loc[by_method.idxmin()]
    alone = bool((by_method.size() == 1).all())
    rows = {"the only pair": most} if alone else {"most alike": most, "least alike": least}
    typical = by_method.median()
    sentences = [
        _first(most, alone=alone),
        _typical(typical, measure, "The pair" if alone else "The median pair"),
        "" if alone else _apart(most, least, measure, confidence),
        _ceilings(rows),
        _missing(len(every) - len(known), len(every)),
    ]
    return Section(
        HEADING,
        sentences,
        short=_short(most, alone=alone),
        figures=[
            Figure(f"{method}/heatmap", f"Dissimilarity of every pair of models, {method}.")
            for method in most["method"].iloc[:DRAWN]
        ],
        table=extremes_table(rows, agreement, measure, confidence),
        notes=_NOTES if known["of_ceiling"].notna().any() else _NOTES[:1],
    )


def _commonest(pairs: pd.DataFrame) -> tuple[str, list[str]]:
    """The pair that is the extreme of most methods, and these methods."""
    groups = pairs.groupby(PAIR, sort=False)["method"].apply(list)
    place = groups.map(len).idxmax()
    return f"{place[0]} and {place[1]}", groups[place]


def _first(most: pd.DataFrame, *, alone: bool) -> str:
    pair, methods = _commonest(most)
    if alone:
        return f"There is one pair of models to compare, {pair}."
    if len(most) == 1:
        return f"{pair} agree most."
    if len(methods) == 1:
        return (
            "Which two models agree most depends on the method: under each of the "
            f"{len(most)} methods it is another pair."
        )
    where = "" if len(methods) == len(most) else f" ({listed(methods)})"
    return f"{pair} agree most, under {of_all(len(methods), len(most), 'method')}{where}."


def _short(most: pd.DataFrame, *, alone: bool) -> str:
    pair, methods = _commonest(most)
    if alone:
        return "there is one pair"
    if len(methods) == 1 < len(most):
        return "it depends on the method"
    return f"{pair}, under {of_all(len(methods), len(most), 'method')}"


def _typical(typical: pd.Series, measure: str, pair: str) -> str:
    if len(typical) == 1:
        return f"{pair} has a similarity ({measure}) of {shown(typical.iloc[0])}."
    return f"{pair} has a similarity ({measure}) of {ranged(typical, list(typical.index))}."


def _apart(most: pd.DataFrame, least: pd.DataFrame, measure: str, confidence: float) -> str:
    """The extremes of all methods, and whether those of each can be told apart."""
    high, low = most.loc[most["mean"].idxmax()], least.loc[least["mean"].idxmin()]
    clear = (most["mean_low"].to_numpy() > least["mean_high"].to_numpy()).sum()
    told = [
        f"{pair_name(row)} under {row['method']}, {shown(row['mean'])} "
        f"({confidence:.0%} interval {spanned(row['mean_low'], row['mean_high'])})"
        for row in (high, low)
    ]
    extremes = f"The highest {measure} of all is that of {told[0]}, the lowest that of {told[1]}."
    where = "" if len(most) == 1 else f" under {of_all(int(clear), len(most), 'method')}"
    if not clear:
        return (
            f"{extremes} Their intervals overlap{'' if len(most) == 1 else ' under every method'}."
        )
    return (
        f"{extremes} The interval of the most alike pair lies above that of the least alike{where}."
    )


def _ceilings(rows: dict[str, pd.DataFrame]) -> str:
    parts = []
    for name, pairs in rows.items():
        known = pairs.dropna(subset=["of_ceiling"])
        if len(known):
            told = ranged(known["of_ceiling"], list(known["method"]), "{:.0%}")
            parts.append(f"{name} {told}")
            methods = listed(known["method"])
    if not parts:
        return ""
    return (
        f"A second seed says how far a model agrees with itself under {methods}. Of that ceiling, "
        f"pairs reach: {'; '.join(parts)}."
    )


def _missing(count: int, total: int) -> str:
    if not count:
        return ""
    return f"{count:,} of {total:,} pairs without a value: too few images with usable maps."
