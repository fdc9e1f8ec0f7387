"""Means as dots with their intervals, methods one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D

from sightline.plots.span import widen
from sightline.plots.style import APART, many_colours

if TYPE_CHECKING:
    from sightline.plots.experiment import Panel

Colours = dict[str, tuple[float, float, float]]
_COLUMNS = 3
_WIDTH, _ROOM = 3.3, 1.1
GREY = "0.45"


def space_of_dots(panels: Sequence[Panel]) -> tuple[float, float]:
    """Width and height in inches."""
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    return 1.2 + _WIDTH * columns, rows * (_ROOM + _line(panels) * _methods(panels)) + 0.3


def draw_dots(figure: FigureBase, panels: Sequence[Panel], palette: str) -> None:
    """Draw panels that are no curves.

    A dot a model where there are few; of more the mean over models, single ones small.
    Chance is a tick; methods that read no model are below the line.

    Parameters
    ----------
    figure
        To draw in.
    panels
        What is drawn, methods in their order.
    palette
        Colour map of models, where there are many.
    """
    columns = min(_COLUMNS, len(panels))
    shape = -(-len(panels) // columns), columns
    grid = figure.subplots(*shape, squeeze=False)
    rows = pd.concat([one.rows for one in panels])
    methods = rows.drop_duplicates("method").sort_values("control", kind="stable")
    models = list(dict.fromkeys(rows["model"]))
    colours = many_colours(models, palette)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for number, (panel, axes) in enumerate(zip(panels, grid.flat, strict=False)):
        place = {name: at for at, name in enumerate(methods["method"])}
        if len(models) <= APART:
            _apart(axes, panel.rows, place, colours)
        else:
            _together(axes, panel.rows, place)
        widen(axes, "x")
        _label(axes, methods, named=number % columns == 0)
        axes.set_title(panel.title, fontsize=9)
    _legend(figure, colours, bool(rows["chance"].notna().any()))


def _apart(axes: Axes, rows: pd.DataFrame, place: dict[str, int], colours: Colours) -> None:
    step = 0.7 / len(colours)
    for row in rows.itertuples():
        at = place[row.method] + (list(colours).index(row.model) + 0.5) * step - 0.35
        colour = colours[row.model]
        faint = 0.45 if row.control else 1
        axes.plot([row.low, row.high], [at, at], color=colour, lw=1.5, alpha=0.6 * faint)
        axes.plot(row.mean, at, "o", ms=4.5, color=colour, alpha=faint)
        if np.isfinite(row.chance):
            axes.plot(row.chance, at, "|", color="black", ms=7, mew=1.2)


def _together(axes: Axes, rows: pd.DataFrame, place: dict[str, int]) -> None:
    for method, own in rows.groupby("method", sort=False):
        colour = GREY if own["control"].iloc[0] else sns.color_palette("colorblind")[0]
        at = place[str(method)]
        spread = at + np.linspace(-0.25, 0.25, len(own))
        axes.plot(own["mean"], spread, "o", ms=2.5, color=colour, alpha=0.45, mew=0)
        axes.plot(own["mean"].mean(), at, "o", ms=7, color=colour, mec="white")
        if own["chance"].notna().any():
            axes.plot(own["chance"].mean(), at, "|", color="black", ms=12, mew=1.4)


def _label(axes: Axes, methods: pd.DataFrame, *, named: bool) -> None:
    count, held = len(methods), int((~methods["control"]).sum())
    axes.set_yticks(range(count), list(methods["method"]) if named else [""] * count, fontsize=8)
    for label, control in zip(axes.get_yticklabels(), methods["control"], strict=True):
        label.set_color(GREY if control else "black")
    if 0 < held < count:
        axes.axhline(held - 0.5, color="0.7", lw=0.8)
    axes.set_ylim(count - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", color="0.92", lw=0.8)
    axes.set_axisbelow(True)
    sns.despine(ax=axes)


def _legend(figure: FigureBase, colours: Colours, chance: bool) -> None:
    if len(colours) <= APART:
        marks = [
            Line2D([], [], marker="o", ls="", color=colour, label=name)
            for name, colour in colours.items()
        ]
    else:
        label = f"mean of {len(colours)} models (small: each)"
        marks = [Line2D([], [], marker="o", ls="", color=GREY, label=label)]
    if chance:
        marks.append(Line2D([], [], marker="|", ls="", color="black", label="chance"))
    figure.legend(handles=marks, loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _methods(panels: Sequence[Panel]) -> int:
    return max(one.rows["method"].nunique() for one in panels)


def _line(panels: Sequence[Panel]) -> float:
    models = max(one.rows["model"].nunique() for one in panels)
    return 0.3 if models > APART else max(0.26, 0.1 * models)
