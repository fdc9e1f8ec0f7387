"""Means along something as lines with bands, an axis a panel and model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sightline.plots.span import widen
from sightline.plots.style import many_colours

if TYPE_CHECKING:
    from sightline.plots.experiment import Panel

# Colour and line.
Look = dict[str, Any]
# More axes than these would be of the size of stamps: then one a panel, of the mean over models.
_AXES = 12
_COLUMNS = 3
# Of more lines in one axis bands, and single models, are a cloud.
_BANDS, _THIN = 6, 40
_STYLES = ("-", "--", ":", "-.")
_ALL: Look = {"color": "0.25", "ls": "-"}
# Lines of so few points show where these are.
_MARKED = 8
_WIDTH, _HEIGHT = 3.1, 2.3


def space_of_curves(panels: Sequence[Panel]) -> tuple[float, float]:
    """Width and height in inches."""
    rows, columns = _shape(panels)
    legend = 0.2 * -(-_methods(panels) // 5)
    return 0.6 + _WIDTH * columns, _HEIGHT * rows + legend + 0.3


def draw_curves(figure: FigureBase, panels: Sequence[Panel], palette: str) -> None:
    """Draw panels that are curves.

    A column a model where they are few; of more the mean over models. Methods that
    read no model are grey, chance is dotted.

    Parameters
    ----------
    figure
        To draw in.
    panels
        What is drawn, methods in their order.
    palette
        Colour map of methods, where there are many.
    """
    rows = pd.concat([one.rows for one in panels])
    methods = rows.drop_duplicates("method").sort_values("control", kind="stable")
    looks = _looks(methods, palette)
    models = list(dict.fromkeys(rows["model"]))
    grid = figure.subplots(*_shape(panels), squeeze=False)
    wanted = [
        (panel, model) for panel in panels for model in (models if _by_model(panels) else [""])
    ]
    for axes in list(grid.flat)[len(wanted) :]:
        axes.set_visible(False)
    for (panel, model), axes in zip(wanted, grid.flat, strict=False):
        own = panel.rows[panel.rows["model"] == model] if model else panel.rows
        what = model or (f"mean of {len(models)} models" if len(models) > 1 else models[0])
        if _same(own):
            # Of the model alone: the lines of all methods lie on each other.
            first = own["method"].iloc[0]
            _draw(axes, own[own["method"] == first], {first: _ALL}, lines=not panel.names)
            what += ", the same for all methods"
        else:
            _draw(axes, own, looks, lines=not panel.names)
        widen(axes, "y")
        axes.set_title(f"{panel.title}\n{what}", fontsize=8)
        axes.set_xlabel(panel.along, fontsize=8)
        if panel.names:
            axes.set_xticks(range(len(panel.names)), panel.names, rotation=30, ha="right")
            axes.margins(x=0.15)
        elif (panel.rows["x"] % 1 == 0).all():
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=7)
        sns.despine(ax=axes)
    _legend(figure, looks, bool(rows["chance"].notna().any()))


def _draw(axes: Axes, rows: pd.DataFrame, looks: dict[str, Look], *, lines: bool) -> None:
    several = rows["model"].nunique() > 1
    held = rows.loc[~rows["control"], "method"].nunique()
    bands = lines and not several and held <= _BANDS
    thin = several and rows["model"].nunique() * rows["method"].nunique() <= _THIN
    for method, own in rows.groupby("method", sort=False):
        look = looks[str(method)]
        mark: Look = {} if lines else {"ls": "", "marker": "o", "ms": 4}
        means = own.groupby("x")[["mean", "low", "high", "chance"]].mean()
        mark = mark or ({"marker": "o", "ms": 2.5} if len(means) <= _MARKED else {})
        axes.plot(means.index, means["mean"], **{"lw": 1.4, **look, **mark})
        if bands and not own["control"].iloc[0]:
            axes.fill_between(
                means.index, means["low"], means["high"], color=look["color"], alpha=0.12, lw=0
            )
        for _, single in own.groupby("model", sort=False) if thin and lines else ():
            line = single.sort_values("x")
            axes.plot(line["x"], line["mean"], **{**look, "lw": 0.5}, alpha=0.4)
        if means["chance"].notna().any():
            axes.plot(means.index, means["chance"], ls=":", lw=0.8, color="black", alpha=0.5)


def _same(rows: pd.DataFrame) -> bool:
    """Whether several methods have one value everywhere."""
    held = rows.groupby(["model", "x"])["mean"]
    several = rows["method"].nunique() > 1 and (held.size() > 1).all()
    return bool(several and np.allclose(held.min(), held.max()))


def _looks(methods: pd.DataFrame, palette: str) -> dict[str, Look]:
    """Colour and line of each method."""
    held = list(methods.loc[~methods["control"], "method"])
    colours = many_colours(held, palette)
    controls = list(methods.loc[methods["control"], "method"])
    # Neighbours of a long colour map differ little: their lines do.
    cycle = len(_STYLES) if len(held) > 10 else 1
    return {
        name: {"color": colours[name], "ls": _STYLES[at % cycle]} for at, name in enumerate(held)
    } | {
        name: {"color": "0.6", "ls": _STYLES[at % len(_STYLES)]} for at, name in enumerate(controls)
    }


def _legend(figure: FigureBase, looks: dict[str, Look], chance: bool) -> None:
    marks = [Line2D([], [], **look, label=name) for name, look in looks.items()]
    if chance:
        marks.append(Line2D([], [], ls=":", lw=0.8, color="black", label="chance"))
    figure.legend(handles=marks, loc="outside lower center", ncols=5, frameon=False, fontsize=8)


def _by_model(panels: Sequence[Panel]) -> bool:
    return len(panels) * _models(panels) <= _AXES


def _shape(panels: Sequence[Panel]) -> tuple[int, int]:
    if _by_model(panels) and _models(panels) > 1:
        count = len(panels) * _models(panels)
        columns = _models(panels) if _models(panels) <= 4 else _COLUMNS
    else:
        count, columns = len(panels), min(_COLUMNS, len(panels))
    return -(-count // columns), columns


def _models(panels: Sequence[Panel]) -> int:
    return len({model for one in panels for model in one.rows["model"]})


def _methods(panels: Sequence[Panel]) -> int:
    return len({method for one in panels for method in one.rows["method"]})
