"""The tree of models, and how firm its branches are."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram

from sightline.compare.structure.linkage import linkage_matrix
from sightline.plots.style import NAMED, family_colours, family_legend


def dendrogram_figure(
    dissimilarity: pd.DataFrame, merges: pd.DataFrame, families: Mapping[str, str]
) -> Figure:
    """A hierarchical clustering, the support of each branch in per cent.

    Parameters
    ----------
    dissimilarity
        Models by models.
    merges
        Rows of the table of linkages of one linkage.
    families
        Of each model.
    """
    colours = family_colours(list(families.values()))
    linkage = merges["linkage"].iloc[0]
    tree = linkage_matrix(dissimilarity, linkage)
    count = len(dissimilarity)
    height = min(1 + 0.4 * count, 48)
    figure, axes = plt.subplots(figsize=(5.5, height))
    drawn = dendrogram(
        tree,
        labels=list(dissimilarity.index),
        orientation="right",
        ax=axes,
        color_threshold=0,
        above_threshold_color="0.3",
        leaf_font_size=min(9.0, 50 * height / count),
    )
    for label in axes.get_yticklabels():
        label.set_color(colours[families[label.get_text()]])
    if count <= NAMED:
        # The last merge is of all models: every tree has it.
        for support, x, y in zip(
            merges["support"].to_numpy()[:-1], tree[:-1, 2], _branches(tree, drawn), strict=False
        ):
            if np.isfinite(support):
                axes.annotate(
                    f"{100 * support:.0f}", (x, y), (2, 2), textcoords="offset points", fontsize=7
                )
    axes.set_xlabel(f"dissimilarity ({linkage} linkage)")
    axes.set_title(_title(merges), fontsize=9)
    sns.despine(ax=axes, left=True)
    family_legend(axes, families, bbox_to_anchor=(1.0, 1.0))
    return figure


def _branches(tree: np.ndarray, drawn: dict[str, list[int]]) -> list[float]:
    """Where each merge lies across the tree, in its drawing's units: a leaf takes ten."""
    place = {leaf: 5.0 + 10 * row for row, leaf in enumerate(drawn["leaves"])}
    for step, (left, right) in enumerate(tree[:, :2].astype(int), start=len(tree) + 1):
        place[step] = (place[left] + place[right]) / 2
    return [place[step] for step in range(len(tree) + 1, 2 * len(tree) + 1)]


def _title(merges: pd.DataFrame) -> str:
    fit, replicates = merges["cophenetic"].iloc[0], merges["replicates"].iloc[0]
    parts = [f"cophenetic correlation {fit:.2f}"] if np.isfinite(fit) else []
    if replicates:
        parts.append(f"% of {replicates} resamples of the images with the branch")
    return "\n".join(parts)
