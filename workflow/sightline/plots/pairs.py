"""Figures of a method's pairs of models: which are alike, and in what groups."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.cluster.hierarchy import dendrogram

from sightline.compare.statistics import Statistics
from sightline.compare.structure import community_graph, linkage_matrix
from sightline.plots.style import family_colours


def heatmap(
    dissimilarity: pd.DataFrame, families: Mapping[str, str], linkage: str, palette: str
) -> Figure:
    """Dissimilarities as a heatmap, its rows in the order of the dendrogram."""
    colours = family_colours(list(families.values()))
    row_colours = pd.Series({m: colours[families[m]] for m in dissimilarity.index}, name="family")
    tree = linkage_matrix(dissimilarity, linkage)
    side = 3.5 + 0.5 * len(dissimilarity)
    grid = sns.clustermap(
        dissimilarity,
        row_linkage=tree,
        col_linkage=tree,
        row_colors=row_colours,
        col_colors=row_colours,
        cmap=palette,
        annot=len(dissimilarity) <= 16,
        fmt=".2f",
        figsize=(side, side),
        cbar_kws={"label": "dissimilarity"},
    )
    _family_legend(grid.ax_heatmap, families, bbox_to_anchor=(1.02, 1.25))
    figure: Figure = grid.figure
    return figure


def dendrogram_figure(
    dissimilarity: pd.DataFrame, families: Mapping[str, str], linkage: str
) -> Figure:
    """The hierarchical clustering of the models."""
    colours = family_colours(list(families.values()))
    figure, axes = plt.subplots(figsize=(5.5, 1 + 0.4 * len(dissimilarity)))
    dendrogram(
        linkage_matrix(dissimilarity, linkage),
        labels=list(dissimilarity.index),
        orientation="right",
        ax=axes,
        color_threshold=0,
        above_threshold_color="0.3",
    )
    for label in axes.get_yticklabels():
        label.set_color(colours[families[label.get_text()]])
    axes.set_xlabel(f"dissimilarity ({linkage} linkage)")
    sns.despine(ax=axes, left=True)
    _family_legend(axes, families, bbox_to_anchor=(1.0, 1.0))
    return figure


def communities_figure(
    dissimilarity: pd.DataFrame, communities: pd.DataFrame, families: Mapping[str, str]
) -> Figure:
    """The models as a graph, thick edges between alike ones, coloured by community."""
    graph = community_graph(dissimilarity)
    number = dict(zip(communities["model"], communities["community"], strict=True))
    palette = sns.color_palette("Set2", max(number.values()))
    weights = np.array([weight for _, _, weight in graph.edges.data("weight")])
    figure, axes = plt.subplots(figsize=(6, 5))
    place = nx.spring_layout(graph, weight="weight", seed=0, k=1.5)
    if len(weights):
        span = np.ptp(weights) or 1.0
        strength = (weights - weights.min()) / span
        nx.draw_networkx_edges(
            graph, place, ax=axes, width=list(0.3 + 4 * strength), edge_color="0.75"
        )
    for shape, family in zip("osD^v", sorted(set(families.values())), strict=False):
        nodes = [name for name in graph if families[name] == family]
        nx.draw_networkx_nodes(
            graph,
            place,
            nodelist=nodes,
            ax=axes,
            node_shape=shape,
            node_color=[palette[number[name] - 1] for name in nodes],
            edgecolors="0.3",
            node_size=180,
            label=family,
        )
    above = {name: (x, y + 0.14) for name, (x, y) in place.items()}
    nx.draw_networkx_labels(graph, above, ax=axes, font_size=8)
    axes.set_title(
        f"communities by colour ({len(set(number.values()))}), families by shape", fontsize=9
    )
    axes.margins(0.15)
    axes.axis("off")
    axes.legend(frameon=False, fontsize=8, markerscale=0.5, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def pca_figure(embedding: pd.DataFrame, families: Mapping[str, str]) -> Figure:
    """The models in the first two principal components of their similarities."""
    colours = family_colours(list(families.values()))
    figure, axes = plt.subplots(figsize=(5.5, 4.5))
    for row in embedding.itertuples():
        axes.scatter(row.pc1, row.pc2, color=colours[families[row.model]], s=45)
        axes.annotate(row.model, (row.pc1, row.pc2), (4, 4), textcoords="offset points", fontsize=8)
    shares = [embedding[f"explained{i}"].iloc[0] for i in (1, 2)]
    axes.set_xlabel(f"component 1 ({shares[0]:.0%} of variance)")
    axes.set_ylabel(f"component 2 ({shares[1]:.0%} of variance)")
    sns.despine(ax=axes)
    axes.margins(0.15)
    _family_legend(axes, families, bbox_to_anchor=(1.0, 1.0))
    return figure


def histograms(statistics: Statistics, measure: str) -> Figure:
    """The distribution over images of each pair's similarity."""
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


def _family_legend(
    axes: Axes, families: Mapping[str, str], bbox_to_anchor: tuple[float, float]
) -> None:
    colours = family_colours(list(families.values()))
    marks = [
        Line2D([], [], marker="s", ls="", color=colour, label=name)
        for name, colour in colours.items()
    ]
    axes.legend(
        handles=marks, frameon=False, loc="upper left", bbox_to_anchor=bbox_to_anchor, fontsize=8
    )
