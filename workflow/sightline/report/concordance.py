"""Sentences on Kendall's W: do measures, and models, put the methods in one order?"""

from __future__ import annotations

import pandas as pd

from sightline.compare.groups.verdict import OPEN, YES
from sightline.report.words import counted, listed, p_value, shown


def measures_agree(agreement: pd.DataFrame) -> str:
    """Over all models; of the table of `sightline.evaluate.ranking.judges.agreement_table`."""
    own = agreement[(agreement["judges"] == "measures") & (agreement["model"] == "")]
    if own.empty:
        return ""
    row = own.iloc[0]
    asked = f"{counted(int(row['count']), 'measure')}, {counted(int(row['methods']), 'method')}"
    if pd.isna(row["w"]):
        return f"Whether measures agree cannot be asked of {asked}."
    w = f"Kendall's W {shown(row['w'])}"
    if row["answer"] == OPEN:
        least = p_value(row["smallest_p_corrected"])
        return (
            "Whether the measures agree on the order of the methods cannot be decided: of "
            f"{asked} p cannot be below {least} ({w})."
        )
    figures = f"{w}, p {p_value(row['p_corrected'])}, {asked}"
    if row["answer"] == YES:
        return f"The measures agree on the order of the methods ({figures})."
    return (
        f"There is no evidence that the measures agree on the order of the methods ({figures}): "
        "which method is best depends on what is asked of it."
    )


def models_agree(agreement: pd.DataFrame) -> str:
    """By each measure."""
    own = agreement[(agreement["judges"] == "models") & agreement["w"].notna()]
    if own.empty:
        return ""
    told = []
    for answer, rows in own.groupby("answer", sort=False):
        names = [
            f"{row['experiment']} {row['measure']} (W {shown(row['w'])}"
            + ("" if answer == OPEN else f", p {p_value(row['p_corrected'])}")
            + ")"
            for _, row in rows.iterrows()
        ]
        words = {YES: "yes by", OPEN: "it cannot be decided by"}.get(str(answer), "no evidence by")
        told.append(f"{words} {listed(names, 3)}")
    text = "; ".join(told)
    return f"Do the models put the methods in one order? {text[0].upper()}{text[1:]}."
