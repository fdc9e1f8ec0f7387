"""Figure of how many images are enough."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter


def images_needed_figure(curve: pd.DataFrame, recommended: pd.DataFrame) -> Figure:
    """What subsets differ by, whether they cluster alike, how precise a new study would be.

    Parameters
    ----------
    curve, recommended
        Tables of one method and measure, see
        `sightline.jobs.merging.images_needed.find_images_needed`.
    """
    figure, (apart, alike, precise) = plt.subplots(1, 3, figsize=(12, 3.4))
    subsets = curve[curve["difference"].notna()]
    pairs = subsets["difference"] / subsets["difference_a_pair"]
    apart.plot(subsets["images"], subsets["difference_a_pair"], "o-", ms=4)
    apart.fill_between(
        subsets["images"],
        subsets["difference_low"] / pairs,
        subsets["difference_high"] / pairs,
        alpha=0.2,
    )
    apart.set_ylabel("difference from all images, a pair\n(5 to 95 % of the draws)")
    for column, label in (
        ("rand", "adjusted Rand index"),
        ("cophenetic", "cophenetic correlation"),
    ):
        alike.plot(subsets["images"], subsets[column], "o-", ms=4, label=label)
    alike.set_ylabel("agreement with the clusters\nof all images")
    alike.legend(frameon=False, fontsize=8)
    _precision(precise, curve, recommended)
    for axes in (apart, alike, precise):
        axes.set_xlabel("images")
        _logarithmic(axes, "x")
    apart.set_title("subsets of this study: 0 at all its images", fontsize=8)
    alike.set_title("subsets of this study: 1 at all its images", fontsize=8)
    precise.set_title("a new study", fontsize=8)
    sns.despine(figure)
    figure.tight_layout()
    return figure


def _precision(axes: Axes, curve: pd.DataFrame, recommended: pd.DataFrame) -> None:
    columns = {"median": "half_width", "worst": "half_width_worst"}
    lines = {
        name: axes.plot(curve["images"], curve[column], label=f"{name} pair")[0]
        for name, column in columns.items()
    }
    axes.axvline(curve["of"].iloc[0], color="0.6", lw=1, ls=":", label="this study")
    for row in recommended.itertuples():
        colour = lines[row.of_pair].get_color()
        left = row.of_pair == "median"
        axes.plot(row.recommended, row.precision, "D", color=colour)
        axes.annotate(
            f"{row.recommended}",
            (row.recommended, row.precision),
            (-5, -12) if left else (5, 6),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=8,
            color=colour,
        )
    for precision in recommended["precision"].unique():
        axes.axhline(precision, color="0.6", lw=1, ls="--", label=f"wanted: {precision:g}")
    _logarithmic(axes, "y")
    axes.set_ylabel("half width of the interval\nof a pair's mean similarity")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


def _logarithmic(axes: Axes, name: str) -> None:
    """A logarithmic scale (x or y) labelled with plain numbers, few of them."""
    axes.set(**{f"{name}scale": "log"})
    axis: Axis = getattr(axes, f"{name}axis")
    axis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
