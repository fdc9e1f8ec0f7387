"""Section: which methods agree, and how much of the variance is model, method and image?"""

from __future__ import annotations

import pandas as pd

from sightline.compare.method_pairs import RANKS
from sightline.report.page import Figure, Section
from sightline.report.words import counted, listed, percent, shown

HEADING = "Which methods agree?"
# Pairs of methods in the table: of more, the first and the last half of these.
_ROWS = 6
_NOTES = (
    "Rank correlation at 14x14 positions, which takes methods of different scales alike; means "
    "over models, in brackets the models that have the lowest and the highest.",
)
_PARTS = {
    "model": "which model it is",
    "method": "which method it is",
    "image": "which image it is",
    "model:method": "model and method together",
    "model:image": "model and image together",
    "method:image": "method and image together",
    "model:method:image": "all three together, and noise",
}


def methods_section(
    overall: pd.DataFrame | None, variance: pd.DataFrame, *, measure: str
) -> Section:
    """The most and least alike methods, and where the variance of the maps lies.

    Parameters
    ----------
    overall
        See `sightline.jobs.merging.method_pairs.merge_methods`; none of one method.
    variance
        See `sightline.jobs.merging.variance.find_variance`.
    measure
        Shown beside the rank correlation.
    """
    figures = [Figure("variance", "Shares of the variance, with intervals over images.")]
    parts = _variance(variance)
    if overall is None:
        text = "There is one method: which methods agree cannot be asked."
        return Section(HEADING, [text, *parts], "there is one method", figures=figures)
    ranks = overall[overall["measure"] == RANKS].dropna(subset=["mean"])
    if ranks.empty:
        text = "No two methods can be compared: no pair has a value on any model."
        return Section(HEADING, [text, *parts], "not known", figures=figures)
    ranks = ranks.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    best, worst = ranks.iloc[0], ranks.iloc[-1]
    alone = len(ranks) == 1
    if alone:
        first = f"Between {_names(best)} there is {_told(best)}."
    else:
        first = f"{_names(best)} agree most: {_told(best)}. "
        first += f"{_names(worst)} agree least: {_told(worst)}."
    return Section(
        HEADING,
        [first, *parts],
        short=f"{_names(best)}{' most' * (not alone)}, rank correlation {shown(best['mean'])}",
        figures=[Figure("methods", "Similarity of every pair of methods."), *figures],
        table=_table(ranks, overall[overall["measure"] == measure], measure),
        notes=[*_NOTES, *_left_out(ranks)],
    )


def _names(row: pd.Series) -> str:
    return f"{row['method_a']} and {row['method_b']}"


def _told(row: pd.Series) -> str:
    text = f"a rank correlation of {shown(row['mean'])}"
    if row["models"] < 2:
        return f"{text} on {row['lowest_model']}"
    return (
        f"{text} on average over {counted(int(row['models']), 'model')}, from "
        f"{shown(row['lowest'])} ({row['lowest_model']}) to {shown(row['highest'])} "
        f"({row['highest_model']})"
    )


def _left_out(ranks: pd.DataFrame) -> list[str]:
    hidden = len(ranks) - _ROWS
    return [f"{counted(hidden, 'pair')} in between not shown."] if hidden > 0 else []


def _table(ranks: pd.DataFrame, others: pd.DataFrame, measure: str) -> pd.DataFrame:
    rows = ranks
    if len(ranks) > _ROWS:
        rows = pd.concat([ranks.head(_ROWS // 2), ranks.tail(_ROWS // 2)])
    columns = {
        "rank correlation": [
            f"{shown(row.mean)} ({row.lowest_model} {shown(row.lowest)}, {row.highest_model} "
            f"{shown(row.highest)})"
            for row in rows.set_index("measure")[
                ["mean", "lowest", "lowest_model", "highest", "highest_model"]
            ].itertuples()
        ]
    }
    if measure != RANKS and len(others):
        known = others.set_index(["method_a", "method_b"])["mean"]
        keys = pd.MultiIndex.from_frame(rows[["method_a", "method_b"]])
        columns[measure] = [shown(value) for value in known.reindex(keys)]
    index = pd.Index([_names(row) for _, row in rows.iterrows()], name="methods")
    return pd.DataFrame(columns, index=index)


def _variance(table: pd.DataFrame) -> list[str]:
    """Shares of the variance, the largest first; what has none, and why."""
    known = table.dropna(subset=["share"]).sort_values("share", ascending=False, kind="stable")
    missing = table[table["share"].isna()]
    reasons = [str(one) for one in dict.fromkeys(missing["reason"].dropna()) if one]
    if known.empty:
        why = f": {listed(reasons)}" if reasons else ""
        return [f"How much of the variance is model, method or image is not known{why}."]
    told = "; ".join(
        f"{_PARTS[row['component']]} {percent(row['share'])} "
        f"({percent(row['share_low'])} to {percent(row['share_high'])})"
        for _, row in known.iterrows()
    )
    counts = ", ".join(
        counted(int(known[f"{noun}s"].iloc[0]), noun) for noun in ("model", "method", "image")
    )
    text = f"Of the variance of the maps ({counts}): {told}."
    if len(missing):
        nothing = listed(_PARTS[one] for one in missing["component"])
        text += f" Not known: {nothing}{f' ({listed(reasons)})' if reasons else ''}."
    return [text]
