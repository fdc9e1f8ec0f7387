"""Figure: how many images of each class keep their answer without their object, by model."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sightline.evaluate.experiments.class_states import ANSWERS, BIASED, OPEN, STATES, class_states
from sightline.plots.groups import empty_figure
from sightline.plots.style import NAMED

_MARKS = {BIASED: "\u25cf", ANSWERS: "\u25cb", OPEN: "?"}
_TOLD = {
    BIASED: "known by something else, say answers and maps",
    ANSWERS: "the answers alone say so",
    OPEN: "cannot be decided",
}
# Of more classes those of which most is said.
_CLASSES = 40
_CELL = 0.34


def classes_figure(table: pd.DataFrame, role: str, what: str, palette: str) -> Figure:
    """A cell a class and model: its share by colour, what is said of it by a mark.

    Parameters
    ----------
    table
        See `sightline.evaluate.experiments.survival.by_class`.
    role
        Of which classes' maps.
    what
        Label of what is taken out; empty for the object. Of anything else no verdict is marked.
    palette
        Colour map of the shares.
    """
    states = class_states(table[table["role"] == role])
    if states.empty:
        return empty_figure("on no image that is answered rightly is the object known")
    models = list(dict.fromkeys(states["model"]))[:NAMED]
    classes = _chosen(states)
    shares, marks = (
        states.pivot(index="class", columns="model", values=column).reindex(
            index=classes, columns=models
        )
        for column in ("survival", "state")
    )
    size = (3.2 + _CELL * len(models), max(3.5, 2 + _CELL * len(classes)))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    image = axes.imshow(shares.to_numpy(float), vmin=0, vmax=1, cmap=palette)
    axes.set_xticks(range(len(models)), models, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of images that keep their answer", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    every = states["class"].nunique()
    some = f", {len(classes)} of {every} classes" if every > len(classes) else ""
    axes.set_title(f"Without {what or 'the object'}{some}", fontsize=10)
    if not what:
        _mark(axes, shares, marks)
    return figure


def _chosen(states: pd.DataFrame) -> list[str]:
    """Classes by their names; of many those of which most is said, then those that survive."""
    if states["class"].nunique() <= _CLASSES:
        return sorted(states["class"].unique())
    order = states.assign(state=states["state"].map(STATES.index)).sort_values(
        ["state", "survival"], ascending=[True, False], kind="stable"
    )
    return list(dict.fromkeys(order["class"]))[:_CLASSES]


def _mark(axes: Axes, shares: pd.DataFrame, marks: pd.DataFrame) -> None:
    seen = set()
    for row, column in np.ndindex(marks.shape):
        state = marks.iloc[row, column]
        if state not in _MARKS:
            continue
        seen.add(state)
        axes.text(
            *(column, row, _MARKS[state]),
            ha="center",
            va="center",
            fontsize=11,
            color="black" if shares.iloc[row, column] > 0.6 else "white",
        )
    told = [f"{mark} {_TOLD[state]}" for state, mark in _MARKS.items() if state in seen]
    axes.figure.supxlabel("\n".join(told or ["no class is marked"]), fontsize=8)
