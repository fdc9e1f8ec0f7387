"""Which method to trust for which model: mean ranks over measures, and how sure the lead is.

A rank r among k_m methods, fewer than the k of the study, is put where it would lie among all,

    r' = 1/2 + (r - 1/2) k / k_m,

so that the first of two is 1.5 of four, and the only one in the middle. Every measure counts
once. The method with the smallest mean
rank is recommended. Its lead over the next is *certain* where its interval is clear of the
next one's on more than half of the measures that rank both, and the next one's clear of its
on none (`sightline.evaluate.ranking.summary.clear`).
"""

from __future__ import annotations

import pandas as pd

from sightline.evaluate.ranking.summary import BEATS, WORSE, clear

# In place of a model's id: over all models.
ALL = ""
COLUMNS = [
    *("model", "method", "mean_rank", "place", "measures", "controlled", "beats_controls"),
    *("worse_than_controls", "next", "clear", "next_clear", "certain"),
]
_CELL = ["experiment", "measure", "model"]


def recommend(summary: pd.DataFrame) -> pd.DataFrame:
    """Methods in the order of their mean ranks, for each model and over all.

    Parameters
    ----------
    summary
        See `sightline.evaluate.ranking.summary.summarise`.

    Returns
    -------
    DataFrame
        A row a (model, method), the model empty over all models, best first: mean_rank; place
        (1 the best; equal mean ranks share the smaller); measures, of how many ranks it is
        the mean, over all models one a model and measure; controlled, on how many controls
        are known, and on how many of them the method beats_controls or is
        worse_than_controls; next, the method after it (empty for the last), on how many
        measures it is clear of that, on how many next_clear of it, and whether its lead is
        certain.
    """
    ranked = summary[summary["rank"].notna()]
    if ranked.empty:
        return pd.DataFrame(columns=COLUMNS)
    ranked = ranked.assign(stretched=_stretched(ranked))
    # Controls are compared with on measures that do not rank a method, too.
    own = summary[~summary["control"].astype(bool) & summary["method"].isin(ranked["method"])]
    parts = [
        _ordered(ALL if model is None else model, *(_of(one, model) for one in (ranked, own)))
        for model in [None, *dict.fromkeys(ranked["model"])]
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _of(table: pd.DataFrame, model: str | None) -> pd.DataFrame:
    return table if model is None else table[table["model"] == model]


def _stretched(ranked: pd.DataFrame) -> pd.Series:
    """Ranks as they would lie among all methods of the study."""
    among = ranked.groupby(_CELL)["rank"].transform("size")
    return 0.5 + (ranked["rank"] - 0.5) * ranked["method"].nunique() / among


def _ordered(model: str, ranked: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    # Of each model first: a model on which a measure ranks nothing counts as the others do.
    by_model = ranked.groupby(["model", "method"], sort=False)["stretched"].mean()
    means = by_model.groupby("method", sort=False).mean().sort_values(kind="stable")
    known = own["beats_controls"].notna() & own["beats_controls"].ne("")
    against = own[known].groupby("method")["beats_controls"]
    table = pd.DataFrame({"model": model, "method": means.index, "mean_rank": means.to_numpy()})
    table["place"] = table["mean_rank"].round(9).rank(method="min").astype(int)
    for column, counts in (
        ("measures", ranked["method"].value_counts()),
        ("controlled", against.size()),
        ("beats_controls", against.apply(lambda told: (told == BEATS).sum())),
        ("worse_than_controls", against.apply(lambda told: (told == WORSE).sum())),
    ):
        table[column] = table["method"].map(counts).fillna(0).astype(int)
    leads = [
        _lead(ranked, one, other)
        for one, other in zip(table["method"], table["method"].iloc[1:], strict=False)
    ]
    last = {"next": "", "clear": 0, "next_clear": 0, "certain": False}
    table = table.join(pd.DataFrame([*leads, last]))
    # Methods in one place have no lead over each other.
    table["certain"] &= table["place"] != table["place"].shift(-1)
    return table


def _lead(ranked: pd.DataFrame, one: str, other: str) -> dict[str, object]:
    rows = (ranked[ranked["method"] == name].set_index(_CELL) for name in (one, other))
    first, second = (part for part in rows)
    shared = first.index.intersection(second.index)
    first, second = first.loc[shared], second.loc[shared]
    ahead, behind = int(clear(first, second).sum()), int(clear(second, first).sum())
    certain = 2 * ahead > len(shared) and behind == 0
    return {"next": other, "clear": ahead, "next_clear": behind, "certain": certain}
