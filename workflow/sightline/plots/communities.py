"""Communities of models, and what becomes of them at other resolutions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sightline.compare.structure.graph import community_graph
from sightline.plots.style import NAMED

# Of many models, the strongest edges: all would hide each other.
_EDGES = 2000


def communities_figure(
    dissimilarity: pd.DataFrame, communities: pd.DataFrame, families: Mapping[str, str]
) -> Figure:
    """The models as a graph, thick edges between alike ones, coloured by community."""
    graph = community_graph(dissimilarity)
    number = dict(zip(communities["model"], communities["community"], strict=True))
    found = max(number.values())
    palette = sns.color_palette("Set2" if found <= 8 else "husl", found)
    figure, axes = plt.subplots(figsize=(6, 5))
    place = nx.spring_layout(graph, weight="weight", seed=0, k=1.5)
    edges = sorted(graph.edges.data("weight"), key=lambda edge: edge[2])[-_EDGES:]
    if edges:
        weights = np.array([weight for _, _, weight in edges])
        strength = (weights - weights.min()) / (np.ptp(weights) or 1.0)
        widths = list(0.3 + 4 * strength)
        nx.draw_networkx_edges(
            graph, place, [edge[:2] for edge in edges], ax=axes, width=widths, edge_color="0.75"
        )
    for shape, family in zip(cycle("osD^v"), sorted(set(families.values())), strict=False):
        nodes = [name for name in graph if families[name] == family]
        nx.draw_networkx_nodes(
            graph,
            place,
            nodelist=nodes,
            ax=axes,
            node_shape=shape,
            node_color=[palette[number[name] - 1] for name in nodes],
            edgecolors="0.3",
            node_size=180 if len(graph) <= NAMED else 30,
            label=family,
        )
    if len(graph) <= NAMED:
        above = {name: (x, y + 0.14) for name, (x, y) in place.items()}
        nx.draw_networkx_labels(graph, above, ax=axes, font_size=8)
    axes.set_title(
        f"communities by colour ({len(set(number.values()))}), families by shape", fontsize=9
    )
    axes.margins(0.15)
    axes.axis("off")
    axes.legend(frameon=False, fontsize=8, markerscale=0.5, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def resolutions_figure(resolutions: pd.DataFrame, chosen: float) -> Figure:
    """How many communities each resolution gives, and whether they hold.

    Parameters
    ----------
    resolutions
        Rows of the table of resolutions of one method and measure.
    chosen
        The resolution of the other figures.
    """
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(5.5, 5), sharex=True, height_ratios=(2, 3))
    x = resolutions["resolution"]
    upper.plot(x, resolutions["communities"], "o-", color="0.3")
    missed = resolutions[resolutions["gap"] > 0]
    upper.plot(
        missed["resolution"], missed["communities"], "o", color="C3", label="not the best split"
    )
    upper.set_ylabel("communities")
    upper.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for column, label in (
        ("bootstrap_stability", "over resamples of the images"),
        ("seed_stability", "over seeds"),
    ):
        lower.plot(x, resolutions[column], "o-", label=label)
    lower.set(
        ylim=(min(0.0, lower.get_ylim()[0]), 1.05),
        xlabel="resolution",
        ylabel="stability (adjusted Rand index)",
    )
    for axes in (upper, lower):
        axes.axvline(chosen, color="0.6", lw=1, ls=":")
        if axes.get_legend_handles_labels()[1] and (axes is lower or len(missed)):
            axes.legend(frameon=False, fontsize=8)
    proven = (resolutions["proof"] == "proven").sum()
    upper.set_title(
        f"dotted: the chosen resolution; best split known at {proven} of {len(x)}", fontsize=9
    )
    sns.despine(figure)
    return figure
