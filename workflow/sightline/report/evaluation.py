"""Section: which method to trust, for which model?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sightline.report.cautions import caution_of_controls, caution_of_kinds
from sightline.report.concordance import measures_agree, models_agree
from sightline.report.page import Figure, Section
from sightline.report.recommended import COLUMNS, ROWS, by_model
from sightline.report.words import counted, listed, of_all, shown

HEADING = "Which method to trust?"


def evaluation_section(
    summary: pd.DataFrame,
    methods: pd.DataFrame,
    agreement: pd.DataFrame,
    kinds: Mapping[str, str],
) -> Section:
    """The recommended methods, what beats no control, and whether the measures agree.

    Parameters
    ----------
    summary
        See `sightline.evaluate.ranking.summary.summarise`.
    methods
        See `sightline.evaluate.ranking.recommend.recommend`.
    agreement
        See `sightline.evaluate.ranking.judges.agreement_table`.
    kinds
        Of each experiment that ranks methods, what kind of thing it asks
        (`sightline.evaluate.catalogue.entry.Kind`).
    """
    if methods.empty:
        text = "Not known: no experiment of this study ranks methods."
        return Section(HEADING, [text], "not known")
    methods = methods.assign(model=methods["model"].fillna(""))
    agreement = agreement.assign(model=agreement["model"].fillna(""))
    overall, own = methods[methods["model"] == ""], methods[methods["model"] != ""]
    if len(overall) == 1:
        first, short = _alone(overall), "there is one method"
    else:
        first, short = _recommended(own), _short(own)
    hidden = own["model"].nunique() - ROWS
    single = caution_of_kinds(summary, kinds) if len(overall) > 1 else ""
    return Section(
        HEADING,
        [
            f"{first}{single}",
            _overall(overall, summary) if own["model"].nunique() > 1 and len(overall) > 1 else "",
            _controls(overall, own),
            measures_agree(agreement),
            models_agree(agreement),
        ],
        short=short,
        details=[(row["method"], _told(row, summary)) for _, row in overall.iterrows()],
        figures=[Figure("evaluation", "Mean ranks of the methods by measure; 1 is best.")],
        table=by_model(own, agreement) if len(overall) > 1 else pd.DataFrame(),
        columns=COLUMNS if len(overall) > 1 else {},
        notes=[f"{counted(hidden, 'model')} more: tables/evaluation_methods.csv."] * (hidden > 0),
    )


def _winners(own: pd.DataFrame) -> dict[str, list[str]]:
    """The models of each first method, by how many they are; ties are methods together."""
    found: dict[str, list[str]] = {}
    for model, rows in own.groupby("model", sort=False):
        best = " and ".join(rows.loc[rows["place"] == 1, "method"])
        found.setdefault(best, []).append(str(model))
    return dict(sorted(found.items(), key=lambda one: -len(one[1])))


def _short(own: pd.DataFrame) -> str:
    total = own["model"].nunique()
    return ", ".join(
        f"{method} on {of_all(len(models), total, 'model')}"
        for method, models in _winners(own).items()
    )


def _recommended(own: pd.DataFrame) -> str:
    winners, total = _winners(own), own["model"].nunique()
    told = [
        f"{method}{_verb(method) * (not at)} on {of_all(len(models), total, 'model')}"
        + (f" ({listed(models)})" if len(winners) > 1 and total > 1 else "")
        for at, (method, models) in enumerate(winners.items())
    ]
    firsts = own[own["place"] == 1]
    # Of methods that share the first place, none leads.
    leads = firsts.groupby("model")["certain"].agg(lambda found: len(found) == 1 and all(found))
    certain = int(leads.sum())
    sure = (
        "On no model is the lead over the next certain"
        if not certain
        else f"The lead over the next is certain on {of_all(certain, total, 'model')}"
    )
    return f"{listed(told, separator='; ')}. {sure}.{caution_of_controls(firsts, total)}"


def _verb(method: str) -> str:
    return f" {'have' if ' and ' in method else 'has'} the best mean rank"


def _alone(overall: pd.DataFrame) -> str:
    return f"There is one method, {overall['method'].iloc[0]}: it has nothing to be ranked with."


def _overall(overall: pd.DataFrame, summary: pd.DataFrame) -> str:
    first, second, last = overall.iloc[0], overall.iloc[1], overall.iloc[-1]
    ranked = summary[summary["rank"].notna()]
    measures = len(ranked[["experiment", "measure"]].drop_duplicates())
    text = (
        f"Over all models and {counted(measures, 'measure')} {first['method']} has a mean rank of "
        f"{shown(first['mean_rank'])} among {len(overall)} methods, {second['method']} one of "
        f"{shown(second['mean_rank'])}"
    )
    if len(overall) > 2:
        text += f"; last is {last['method']} with {shown(last['mean_rank'])}"
    return f"{text}."


def _controls(overall: pd.DataFrame, own: pd.DataFrame) -> str:
    held = overall[overall["controlled"] > 0]
    if held.empty:
        return "No measure of this study has controls beside it."
    never = list(held.loc[held["beats_controls"] == 0, "method"])
    some = own[(own["controlled"] > 0) & (own["beats_controls"] == 0)]
    partly = [
        f"{method} ({listed(rows['model'], 2)})"
        for method, rows in some[~some["method"].isin(never)].groupby("method", sort=False)
    ]
    parts = []
    if len(never) == len(overall) > 1:
        parts.append("No method beats the best control on any measure of any model.")
    elif never:
        verb = "beats" if len(never) == 1 else "beat"
        parts.append(f"{listed(never)} {verb} the best control on no measure of any model.")
    if partly:
        parts.append(f"On some models no measure tells from the best control: {listed(partly, 4)}.")
    if not parts:
        parts = ["Every method beats the best control on some measure of each model."]
    worse = held[held["worse_than_controls"] > 0]
    worse = worse.sort_values("worse_than_controls", ascending=False, kind="stable")
    if len(worse):
        told = [
            f"{row['method']} ({row['worse_than_controls']} of {row['controlled']})"
            for _, row in worse.iterrows()
        ]
        parts.append(
            f"Worse than the best control on some measure of some model: {listed(told, 4)}."
        )
    return " ".join(parts)


def _told(row: pd.Series, summary: pd.DataFrame) -> str:
    own = summary[(summary["method"] == row["method"]) & summary["rank"].notna()]
    means = own.groupby(["experiment", "measure"], sort=False)["rank"].mean()
    means = means.sort_values(kind="stable")
    text = f"mean rank {shown(row['mean_rank'])}"
    if len(means) > 1:
        ends = [f"{' '.join(means.index[at])} ({shown(means.iloc[at], 1)})" for at in (0, -1)]
        text += f", best by {ends[0]}, worst by {ends[1]}"
    if row["controlled"]:
        text += (
            f"; beats the best control on {row['beats_controls']} of "
            f"{counted(int(row['controlled']), 'measure')} and models"
        )
        if row["worse_than_controls"]:
            text += f", is worse on {row['worse_than_controls']}"
    return f"{text}."
