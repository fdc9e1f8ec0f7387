"""Figure of the variance components."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure


def variance_figure(table: pd.DataFrame) -> Figure:
    """Shares of the variance as one stacked bar, and each with its interval below.

    Parameters
    ----------
    table
        See `sightline.jobs.merging.variance.find_variance`.
    """
    figure, (bar, dots) = plt.subplots(2, 1, figsize=(7.5, 3.8), height_ratios=(1, 4))
    colours = dict(zip(table["component"], sns.color_palette("colorblind"), strict=False))
    known = table[table["variance"].notna()]
    start = 0.0
    for row in known.itertuples():
        bar.barh(0, row.share, left=start, color=colours[row.component], edgecolor="white")
        if row.share > 0.04:
            bar.text(start + row.share / 2, 0, f"{row.share:.0%}", ha="center", va="center")
        start += row.share
    bar.set(xlim=(0, 1), yticks=[], xticks=[])
    bar.set_title(_title(table), fontsize=9)
    for place, row in enumerate(table.itertuples()):
        if np.isfinite(row.variance):
            ends = [row.share_low, row.share_high]
            dots.plot(ends, [place, place], color=colours[row.component], lw=2)
            dots.plot(row.share, place, "o", color=colours[row.component])
        else:
            dots.text(0.01, place, row.reason, va="center", fontsize=8, color="0.4")
    residual = "model:method:image"
    names = [
        name.replace(":", " x ") + (" and error" if name == residual else "")
        for name in table["component"]
    ]
    dots.set_yticks(range(len(table)), names)
    dots.invert_yaxis()
    dots.set(xlim=(0, 1), xlabel="share of the variance of the maps")
    sns.despine(ax=bar, left=True, bottom=True)
    sns.despine(ax=dots)
    figure.tight_layout()
    return figure


def _title(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    return (
        f"{first['models']} models, {first['methods']} methods, {first['images']} images "
        f"({first['left_out']} left out)"
    )
