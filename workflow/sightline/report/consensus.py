"""Sentences on agreement with the other models, and accuracy."""

from __future__ import annotations

import pandas as pd

from sightline.report.words import listed, of_all, p_value, ranged, shown

OPEN = "cannot be decided"


def accuracy_sentences(table: pd.DataFrame) -> list[str]:
    """Whether accurate models agree with the others more, or less.

    Parameters
    ----------
    table
        A row a method, see `sightline.compare.consensus.table.accuracy_table`.
    """
    if table.empty:
        return []
    if table["models"].max() == 0:
        return ["Whether accurate models agree more is not known: no image has a label."]
    decided = table[table["answer"] == "yes"]
    more, less = decided[decided["value"] > 0], decided[decided["value"] < 0]
    forms = [
        (more, "Accurate models agree more with the others under {}"),
        (less, "Accurate models agree less with the others under {}"),
        (
            table[table["answer"] == "no evidence"],
            "There is no evidence that accuracy goes with agreement with the others under {}",
        ),
        (
            table[table["answer"] == OPEN],
            "Whether accuracy goes with agreement with the others cannot be decided under {}",
        ),
    ]
    return [
        f"{form.format(of_all(len(own), len(table), 'method'))}: {cases(own, 'value')}."
        for own, form in forms
        if len(own)
    ]


def central_sentence(table: pd.DataFrame) -> str:
    """Which models agree most and least with the others; nothing below three models.

    Parameters
    ----------
    table
        A row a method and model, see
        `sightline.compare.consensus.table.consensus_table`.
    """
    if table["model"].nunique() < 3:
        return ""
    by_method = table.groupby("method", sort=False)["mean"]
    parts = []
    for word, place in (("most", by_method.idxmax()), ("least", by_method.idxmin())):
        rows = table.loc[place]
        own = rows[rows["model"] == rows["model"].value_counts().idxmax()]
        if len(own) == 1 < len(rows):
            parts.append(f"{word}: another model under each method")
        else:
            where = of_all(len(own), len(rows), "method")
            told = ranged(own["mean"], list(own["method"]))
            parts.append(f"{word}: {own['model'].iloc[0]} under {where} (cosine {told})")
    return f"Which model agrees with the mean map of the others {'; '.join(parts)}."


def cases(table: pd.DataFrame, effect: str) -> str:
    """Methods with their correlation and p; where there is none, that there is none."""
    return listed(
        f"{row['method']} "
        + (
            "(no correlation)"
            if pd.isna(row[effect])
            else f"(correlation {shown(row[effect])}, p {p_value(row['p'])})"
        )
        for _, row in table.iterrows()
    )
