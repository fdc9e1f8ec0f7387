"""The table of the most and least alike pairs of models."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sightline.report.words import percent, shown, spanned

PAIR = ["model_a", "model_b"]


def pair_name(row: pd.Series) -> str:
    """Both models of a row."""
    return f"{row['model_a']} and {row['model_b']}"


def extremes_table(
    rows: Mapping[str, pd.DataFrame], agreement: pd.DataFrame, measure: str, confidence: float
) -> pd.DataFrame:
    """Both pairs of each method, as text.

    Parameters
    ----------
    rows
        By what they are, a pair a method, of the table of similarities.
    agreement
        See `sightline.compare.tables.Merged`; its first measure is told.
    measure
        Of similarity.
    confidence
        Of its intervals.
    """
    kappas = agreement[agreement["subset"] == "all"]
    kappas = kappas[kappas["measure"] == kappas["measure"].iloc[0]] if len(kappas) else kappas
    parts = []
    for name, pairs in rows.items():
        joined = pairs.merge(kappas[["method", *PAIR, "kappa"]], on=["method", *PAIR], how="left")
        parts.append(joined.assign(pair=name))
    told = pd.concat(parts, ignore_index=True)
    # Both pairs of a method, one after the other.
    order = {method: place for place, method in enumerate(dict.fromkeys(told["method"]))}
    told = told.sort_values("method", key=lambda column: column.map(order), kind="stable")
    told["models"] = [pair_name(row) for _, row in told.iterrows()]
    columns = {
        measure: told["mean"].map(shown),
        f"{confidence:.0%} interval": [
            spanned(*limits) for limits in zip(told["mean_low"], told["mean_high"], strict=True)
        ],
    }
    if len(kappas):
        name = f"Cohen's kappa ({kappas['measure'].iloc[0]})"
        columns[name] = told["kappa"].map(shown)
    if told["of_ceiling"].notna().any():
        columns["of ceiling"] = told["of_ceiling"].map(percent)
    index = pd.MultiIndex.from_frame(told[["method", "pair", "models"]])
    return pd.DataFrame({name: list(column) for name, column in columns.items()}, index=index)
