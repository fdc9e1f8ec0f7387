"""Figures of the checks of explanations."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from sightline.evaluate.sanity.verdict import CHECKS


def sanity_figure(table: pd.DataFrame, palette: str) -> Figure:
    """How many models each method passes each check on.

    Parameters
    ----------
    table
        See `sightline.evaluate.sanity.verdict.judge`.
    palette
        Colour map, from none to all models.

    Returns
    -------
    Figure
        Methods down, checks across: models passed of those judged, and the mean
        value over the models below. Without colour where nothing is expected.
    """
    made = set(table["check"])
    order = {
        "method": list(table["method"].unique()),
        "check": [check for check in CHECKS if check in made],
    }
    passed = table["passed"].astype("string").map({"True": 1.0, "False": 0.0})
    cells = table.assign(passed=passed).groupby(["method", "check"])
    share = _grid(cells["passed"].mean(), order)
    words = _grid(cells.apply(_words, include_groups=False), order).fillna("")
    width, height = 2 + 1.2 * share.shape[1], 1.2 + 0.45 * share.shape[0]
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    sns.heatmap(
        share.astype(float),
        vmin=0,
        vmax=1,
        cmap=palette,
        annot=words.to_numpy(),
        fmt="",
        linewidths=1,
        annot_kws={"fontsize": 8},
        cbar_kws={"label": "share of models that pass"},
        ax=axes,
    )
    # What nothing is expected of has no colour, and no annotation of seaborn's either.
    for (row, column), text in _uncoloured(share, words):
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    return figure


def _grid(values: pd.Series, order: dict[str, list[str]]) -> pd.DataFrame:
    return values.unstack("check").reindex(index=order["method"], columns=order["check"])


def _words(cell: pd.DataFrame) -> str:
    judged = cell["passed"].notna().sum()
    value = f"{cell['value'].mean():.2g}"
    return f"{cell['passed'].sum():.0f}/{judged}\n{value}" if judged else value


def _uncoloured(share: pd.DataFrame, words: pd.DataFrame) -> list[tuple[tuple[int, int], str]]:
    return [
        ((row, column), words.iloc[row, column])
        for row in range(share.shape[0])
        for column in range(share.shape[1])
        if pd.isna(share.iloc[row, column])
    ]
