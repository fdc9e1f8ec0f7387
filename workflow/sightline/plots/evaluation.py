"""Figure of all experiments: measures by methods, mean ranks over models and how firm they are."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sightline.compare.groups.verdict import OPEN
from sightline.plots.groups import empty_figure

_MEAN = "mean rank"
_P_LEAST = 0.0001
# Of more methods columns are narrower.
_FEW = 10


def evaluation_figure(
    summary: pd.DataFrame, methods: pd.DataFrame, agreement: pd.DataFrame, palette: str
) -> Figure:
    """Mean ranks over models, a row a measure; W over models beside, over measures above.

    Parameters
    ----------
    summary
        See `sightline.evaluate.ranking.summary.summarise`.
    methods
        See `sightline.evaluate.ranking.recommend.recommend`: the best method comes first.
    agreement
        See `sightline.evaluate.ranking.judges.agreement_table`.
    palette
        Colour map, its bright end for the first rank.
    """
    if methods.empty:
        return empty_figure("no experiment of the study ranks methods")
    overall = methods[methods["model"].fillna("") == ""]
    ranked = summary[summary["rank"].notna()]
    keys = ["experiment", "measure", "method"]
    cells = ranked.groupby(keys, sort=False)["rank"].mean().unstack("method")
    cells = cells.reindex(ranked.drop_duplicates(keys[:2]).set_index(keys[:2]).index)
    cells = cells[list(overall["method"])]
    words = _words(cells, summary)
    cells.loc[("", _MEAN), :] = overall.set_index("method")["mean_rank"]
    words.loc[("", _MEAN), :] = [f"{one:.2f}" for one in overall["mean_rank"]]
    rows, columns = cells.shape
    figure, axes = plt.subplots(
        figsize=(4.2 + (0.72 if columns <= _FEW else 0.5) * columns, 1.6 + 0.42 * rows),
        layout="constrained",
    )
    sns.heatmap(
        cells.astype(float),
        vmin=1,
        vmax=max(2, columns),
        cmap=sns.color_palette(palette, as_cmap=True).reversed(),
        annot=words.to_numpy(),
        fmt="",
        linewidths=1,
        annot_kws={"fontsize": 8},
        cbar=False,
        ax=axes,
    )
    axes.set(xlabel="", ylabel="")
    axes.set_title(_title(agreement), fontsize=9, pad=26)
    axes.set_yticks(np.arange(rows) + 0.5, [" ".join(one).strip() for one in cells.index])
    axes.tick_params(length=0, labelsize=8)
    axes.tick_params(axis="x", rotation=30 if columns <= _FEW else 50)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    axes.axhline(rows - 1, color="black", lw=1.2)
    _beside(axes, agreement, cells.index[:-1])
    return figure


def _words(cells: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Mean ranks, below them on how many models the method beats the controls."""
    known = summary["beats_controls"].notna() & summary["beats_controls"].ne("")
    told = summary[known]
    groups = told.groupby(["experiment", "measure", "method"])["beats_controls"]
    beaten = {key: f"\n{(own == 'yes').sum()}/{len(own)}" for key, own in groups}
    words = cells.astype(object)
    for experiment, measure in cells.index:
        for method in cells.columns:
            rank = cells.loc[(experiment, measure), method]
            text = "" if pd.isna(rank) else f"{rank:.1f}"
            text += beaten.get((experiment, measure, method), "")
            words.loc[(experiment, measure), method] = text
    return words


def _title(agreement: pd.DataFrame) -> str:
    own = agreement[(agreement["judges"] == "measures") & (agreement["model"].fillna("") == "")]
    lines = ["mean ranks over models (1 is best); below, models on which the controls are beaten"]
    if len(own) and np.isfinite(own["w"].iloc[0]):
        lines.append(f"agreement of the measures: {_concordance(own.iloc[0])}")
    return "\n".join(lines)


def _beside(axes: Axes, agreement: pd.DataFrame, measures: pd.Index) -> None:
    """How far the models agree on each row."""
    own = agreement[agreement["judges"] == "models"].set_index(["experiment", "measure"])
    right = axes.get_xlim()[1] + 0.15
    for place, key in enumerate(measures):
        if key in own.index and np.isfinite(own.loc[key, "w"]):
            axes.text(right, place + 0.5, _concordance(own.loc[key]), va="center", fontsize=8)
    if own["w"].notna().any():
        axes.text(right, -0.15, "agreement of the models", va="bottom", fontsize=8)


def _concordance(row: pd.Series) -> str:
    p = row["p_corrected"]
    written = f"p < {_P_LEAST:g}" if p < _P_LEAST else f"p {p:.2g}"
    return f"W {row['w']:.2f}, {OPEN if row['answer'] == OPEN else written}"
