"""Dissimilarities of models beside their groups, or a number of theirs."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sightline.plots.style import family_colours

Colour = tuple[float, float, float]
BETWEEN = "between"
# More pairs than these are a grey cloud: the boxes say it.
_POINTS = 400
_COLUMNS = 3


def pairs_by_group(dissimilarity: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """The pairs of a matrix, named by the group they lie in.

    Parameters
    ----------
    dissimilarity
        Symmetric, models by models.
    groups
        Group of the models that have one; others are left out.

    Returns
    -------
    DataFrame
        A row a pair: pair (``within GROUP``, or between), dissimilarity.
    """
    models = [name for name in dissimilarity.index if name in groups]
    own = np.array([groups[name] for name in models], object)
    first, second = np.triu_indices(len(models), 1)
    values = dissimilarity.loc[models, models].to_numpy()[first, second]
    kind = np.where(own[first] == own[second], "within " + own[first], BETWEEN)
    return pd.DataFrame({"pair": kind, "dissimilarity": values}).dropna()


def groups_figure(pairs: pd.DataFrame) -> Figure:
    """Boxes, and points where they are few, of pairs within each group and between groups.

    Parameters
    ----------
    pairs
        Rows of `pairs_by_group` with the columns method and measure.

    Returns
    -------
    Figure
        An axis a measure, methods along it.
    """
    kinds = sorted(set(pairs["pair"]) - {BETWEEN})
    within = family_colours([kind.removeprefix("within ") for kind in kinds])
    colours = {f"within {name}": colour for name, colour in within.items()}
    colours[BETWEEN] = (0.6, 0.6, 0.6)
    methods = pairs["method"].nunique()
    figure, axes_of = _axes(pairs, max(2.6, 0.3 * methods * len(colours)))
    for measure, axes in axes_of.items():
        own = pairs[pairs["measure"] == measure]
        shared = {"data": own, "x": "method", "y": "dissimilarity", "hue": "pair", "ax": axes}
        shared |= {"hue_order": list(colours), "palette": colours, "legend": False}
        sns.boxplot(**shared, showfliers=False, linewidth=0.8, fill=False, gap=0.2)
        if len(own) <= _POINTS * methods:
            sns.stripplot(**shared, dodge=True, size=2.5, alpha=0.6, jitter=0.2)
        axes.set(title=measure, xlabel="", ylabel="dissimilarity")
        axes.tick_params(axis="x", rotation=20)
    _legend(figure, colours)
    sns.despine(figure)
    return figure


def number_figure(pairs: pd.DataFrame, name: str) -> Figure:
    """Dissimilarities against how much models differ in a number.

    Parameters
    ----------
    pairs
        A row a pair of models: method, measure, difference, dissimilarity.
    name
        Of the number.

    Returns
    -------
    Figure
        An axis a measure; a line a method, the medians of tenths of the pairs.
    """
    figure, axes_of = _axes(pairs, 3.0)
    colours = _methods(pairs)
    for measure, axes in axes_of.items():
        for method, own in pairs[pairs["measure"] == measure].groupby("method", sort=False):
            if len(own) <= _POINTS:
                axes.scatter(
                    own["difference"], own["dissimilarity"], s=6, alpha=0.5, color=colours[method]
                )
            tenth = pd.qcut(own["difference"].rank(method="first"), min(10, len(own)), labels=False)
            middle = own.groupby(tenth)[["difference", "dissimilarity"]].median()
            axes.plot(middle["difference"], middle["dissimilarity"], color=colours[method], lw=1.5)
        axes.set(title=measure, xlabel=f"difference in {name}", ylabel="dissimilarity")
    _legend(figure, colours)
    sns.despine(figure)
    return figure


def empty_figure(reason: str) -> Figure:
    """A figure that says why there is none."""
    figure, axes = plt.subplots(figsize=(5, 0.6))
    axes.text(0.5, 0.5, f"Nothing to draw: {reason}.", ha="center", va="center", fontsize=9)
    axes.axis("off")
    return figure


def _axes(pairs: pd.DataFrame, width: float) -> tuple[Figure, dict[str, Axes]]:
    """An axis for each measure, a few in a row."""
    measures = list(dict.fromkeys(pairs["measure"]))
    columns = min(_COLUMNS, len(measures))
    rows = -(-len(measures) // columns)
    size = (width * columns, 2.8 * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axes in list(grid.flat)[len(measures) :]:
        axes.set_visible(False)
    return figure, dict(zip(measures, grid.flat, strict=False))


def _methods(pairs: pd.DataFrame) -> dict[str, Colour]:
    methods = list(dict.fromkeys(pairs["method"]))
    return dict(zip(methods, sns.color_palette("colorblind", len(methods)), strict=True))


def _legend(figure: Figure, colours: Mapping[str, Colour]) -> None:
    """Below all axes, as every one of them has the same colours."""
    marks = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    figure.legend(
        handles=marks, loc="outside lower center", frameon=False, ncols=min(4, len(marks))
    )
