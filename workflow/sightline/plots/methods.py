"""Figure of how alike methods explain the same models."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Of more methods cells have no text.
_WRITTEN = 16


def methods_figure(overall: pd.DataFrame, measures: Sequence[str], palette: str) -> Figure:
    """Similarity of each pair of methods, mean and spread over models, a panel a measure.

    Parameters
    ----------
    overall
        See `sightline.jobs.merging.method_pairs.merge_methods`.
    measures
        Which to draw.
    palette
        Colour map.
    """
    methods = list(dict.fromkeys([*overall["method_a"], *overall["method_b"]]))
    side = 2.2 + 0.75 * len(methods)
    figure, panels = plt.subplots(
        1, len(measures), figsize=(side * len(measures), side * 0.8), squeeze=False
    )
    for axes, measure in zip(panels[0], measures, strict=True):
        _panel(axes, overall[overall["measure"] == measure], methods, palette)
        axes.set_title(f"{measure}\nmean ± spread over models", fontsize=9)
    figure.tight_layout()
    return figure


def _panel(axes: Axes, table: pd.DataFrame, methods: list[str], palette: str) -> None:
    count = len(methods)
    place = {method: i for i, method in enumerate(methods)}
    means = np.full((count, count), np.nan)
    words = np.full((count, count), "", object)
    for row in table.itertuples():
        at = sorted((place[row.method_a], place[row.method_b]), reverse=True)
        means[*at] = row.mean
        spread = f"\n±{row.spread:.2f}" if np.isfinite(row.spread) else ""
        words[*at] = f"{row.mean:.2f}{spread}" if np.isfinite(row.mean) else ""
    lowest = np.nanmin(means) if np.isfinite(means).any() else 0.0
    sns.heatmap(
        pd.DataFrame(means, methods, methods).iloc[1:, :-1],
        ax=axes,
        cmap=palette,
        vmin=min(0.0, float(lowest)),
        vmax=1,
        annot=words[1:, :-1] if count <= _WRITTEN else None,
        fmt="",
        annot_kws={"fontsize": 8},
        cbar_kws={"label": "similarity"},
        square=True,
    )
    axes.tick_params(axis="x", rotation=30)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
