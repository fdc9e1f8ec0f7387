"""How the similarity of pairs varies over images."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from sightline.compare.statistics import Statistics

# Above so many models, a row a model in place of a panel a pair.
_PANELS = 20


def histograms(statistics: Statistics, measure: str) -> Figure:
    """The distribution over images of each pair's similarity; of many models, of each one's."""
    if len(statistics.models) > _PANELS:
        return _rows(statistics, measure)
    values = statistics.similarity(measure, slice(None))
    models = statistics.models
    count = len(models)
    side = 1.0 + 1.1 * (count - 1)
    figure, grid = plt.subplots(
        count - 1, count - 1, figsize=(side, side), sharex=True, squeeze=False
    )
    lowest = np.nanmin(values) if np.isfinite(values).any() else 0.0
    bins = np.linspace(min(0.0, float(lowest)), 1, 21)
    for axes in grid.flat:
        axes.set_visible(False)
    for (a, b), row in zip(statistics.pairs, values, strict=True):
        axes = grid[b - 1, a]
        axes.set_visible(True)
        axes.hist(row[np.isfinite(row)], bins=bins, color="0.45")
        axes.axvline(np.nanmean(row), color="C1", lw=1.5)
        axes.set(yticks=[])
        axes.tick_params(labelsize=6)
        axes.set_title("")
    for i in range(count - 1):
        grid[i, 0].set_ylabel(models[i + 1], fontsize=6, rotation=0, ha="right")
        grid[-1, i].set_xlabel(models[i], fontsize=6)
    figure.suptitle(f"{measure} similarity over images (line: mean)", fontsize=9)
    sns.despine(figure, left=True)
    return figure


def _rows(statistics: Statistics, measure: str) -> Figure:
    """Of each model, how often its similarity to any other has some value."""
    models, pairs = statistics.models, statistics.pairs
    edges = np.linspace(-1, 1, 81)
    found = np.zeros((len(models), len(edges) - 1))
    for part in statistics.chunks():
        for models_of, row in zip(pairs[part], statistics.similarity(measure, part), strict=True):
            counts, _ = np.histogram(np.clip(row[np.isfinite(row)], -1, 1), edges)
            found[models_of] += counts
    shown = found.any(axis=0).argmax()
    figure, axes = plt.subplots(figsize=(7, min(1 + 0.18 * len(models), 30)))
    share = found[:, shown:] / np.maximum(found.sum(axis=1, keepdims=True), 1)
    drawn = axes.imshow(
        share, aspect="auto", extent=(edges[shown], 1, len(models) - 0.5, -0.5), cmap="Greys"
    )
    axes.set_yticks(range(len(models)), models, fontsize=min(7.0, 1500 / len(models)))
    axes.set_xlabel(f"{measure} similarity to the other models, over images")
    figure.colorbar(drawn, ax=axes, label="share of images and pairs")
    return figure
