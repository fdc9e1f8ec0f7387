"""Figures of artefacts: mean maps, their spectra, maxima at the border."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_WORDS = {"grid": "grid, period {period:.0f}", "border": "border", "corner": "corner: {corner}"}


def artefacts_figure(
    table: pd.DataFrame,
    means: Mapping[str, np.ndarray],
    spectra: Mapping[str, np.ndarray],
    palette: str,
) -> Figure:
    """Mean maps and spectra of a method's most suspicious models, and all models' borders.

    Parameters
    ----------
    table
        Of `sightline.jobs.merging.artefacts.find_method_artefacts`, one method.
    means
        Mean map (h, w) of each model shown.
    spectra
        Of the same, squared phase-locking values (bins,) by cycles along a side,
        the mean of both axes.
    palette
        Colour map of the maps.

    Returns
    -------
    Figure
        A row a model; on the right the border's share of the maxima of all models.
    """
    rows = max(len(means), 1)
    figure = plt.figure(figsize=(9.5, 0.8 + 1.7 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, 3, width_ratios=(1, 2, 2))
    for number, (model, mean) in enumerate(means.items()):
        own = table[table["model"] == model].set_index("artefact")
        _map(figure.add_subplot(grid[number, 0]), mean, model, own, palette)
        axes = figure.add_subplot(grid[number, 1])
        _spectrum(axes, spectra[model], own.loc["grid", "period"], len(mean))
        if number == rows - 1:
            axes.set_xlabel("cycles along a side")
    _borders(figure.add_subplot(grid[:, 2]), table)
    return figure


def _map(axes: Axes, mean: np.ndarray, model: str, own: pd.DataFrame, palette: str) -> None:
    axes.imshow(mean, cmap=palette, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    flagged = own[own["flagged"].eq(True)]
    words = [_WORDS[row.Index].format(**row._asdict()) for row in flagged.itertuples()]
    axes.set_title("\n".join([model, *words]), fontsize=8)


def _spectrum(axes: Axes, spectrum: np.ndarray, period: float, side: int) -> None:
    if pd.isna(period):
        axes.text(0.5, 0.5, "no lattice fits", ha="center", va="center", fontsize=8)
        axes.axis("off")
        return
    axes.semilogy(np.arange(1, len(spectrum)), spectrum[1:], color="0.3", lw=1)
    for harmonic in np.arange(1, 4) * side / period:
        axes.axvline(harmonic, color="C1", lw=1, ls="--")
    axes.set_ylabel("locked energy", fontsize=8)
    axes.set_xlim(0, len(spectrum) - 1)
    axes.tick_params(labelsize=7)
    sns.despine(ax=axes)


def _borders(axes: Axes, table: pd.DataFrame) -> None:
    borders = table[table["artefact"] == "border"].sort_values("value").tail(40)
    place = np.arange(len(borders))
    colours = np.where(borders["flagged"].eq(True), "C1", "0.6")
    axes.barh(place, borders["value"].fillna(0), color=list(colours))
    axes.plot(
        np.repeat(borders["reference"], 3),
        (place[:, None] + np.array([-0.4, 0.4, np.nan])).ravel(),
        color="0.1",
        lw=1.5,
    )
    axes.set_yticks(place, borders["model"], fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of images with their maximum at the border")
    sns.despine(ax=axes)
