"""Table: the recommended method of each model, and how sure that is."""

from __future__ import annotations

import pandas as pd

from sightline.compare.groups.verdict import OPEN
from sightline.report.words import p_value, shown

# Models in it.
ROWS = 16
COLUMNS = {
    "mean rank": "the method's place, 1 is best, on the mean over the measures",
    "next": "the method after it, with its own mean rank",
    "lead certain": "yes where the method's interval is clear of the next one's on more than half "
    "of the measures, and the next one's of its on none",
    "beats controls": "on how many measures its interval is clear of that of the best control; "
    "controls are maps that read no model: random, a Gaussian at the centre, edges",
    "measures agree": "Kendall's W, 1 where all measures put the methods in one order, 0 where "
    "their orders cancel out; p, corrected over the models, is how often chance gives as much",
}


def by_model(own: pd.DataFrame, agreement: pd.DataFrame) -> pd.DataFrame:
    """A row a model.

    Parameters
    ----------
    own
        See `sightline.evaluate.ranking.recommend.recommend`, without the rows over all models.
    agreement
        See `sightline.evaluate.ranking.judges.agreement_table`.
    """
    by_model = agreement[agreement["judges"] == "measures"].set_index("model")
    rows: dict[str, dict[str, str]] = {}
    for model, found in list(own.groupby("model", sort=False))[:ROWS]:
        firsts, others = found[found["place"] == 1], found[found["place"] > 1]
        first, second = firsts.iloc[0], None if others.empty else others.iloc[0]
        agreed = by_model.loc[model] if model in by_model.index else None
        rows[str(model)] = {
            "method": " and ".join(firsts["method"]),
            "mean rank": shown(first["mean_rank"]),
            "next": "-" if second is None else f"{second['method']} {shown(second['mean_rank'])}",
            "lead certain": "yes" if len(firsts) == 1 and bool(first["certain"]) else "no",
            "beats controls": " and ".join(
                f"{row['beats_controls']} of {row['controlled']}" for _, row in firsts.iterrows()
            ),
            "measures agree": "-" if agreed is None else _agreed(agreed),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis("model")


def _agreed(row: pd.Series) -> str:
    """W with its p; of so few methods and measures that no p could be small, without."""
    if pd.isna(row["w"]):
        return "-"
    told = "cannot be decided" if row["answer"] == OPEN else f"p {p_value(row['p_corrected'])}"
    return f"W {shown(row['w'])}, {told}"
