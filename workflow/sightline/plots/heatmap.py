"""Dissimilarities of all pairs of models."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from sightline.compare.structure.linkage import linkage_matrix
from sightline.plots.style import NAMED, family_colours, family_legend


def heatmap(
    dissimilarity: pd.DataFrame, families: Mapping[str, str], linkage: str, palette: str
) -> Figure:
    """Dissimilarities as a heatmap, its rows in the order of the dendrogram."""
    colours = family_colours(list(families.values()))
    row_colours = pd.Series({m: colours[families[m]] for m in dissimilarity.index}, name="family")
    tree = linkage_matrix(dissimilarity, linkage)
    count = len(dissimilarity)
    side = 3.5 + 0.5 * count if count <= NAMED else 12
    grid = sns.clustermap(
        dissimilarity,
        row_linkage=tree,
        col_linkage=tree,
        row_colors=row_colours,
        col_colors=row_colours,
        cmap=palette,
        annot=count <= 16,
        fmt=".2f",
        figsize=(side, side),
        cbar_kws={"label": "dissimilarity"},
        xticklabels=count <= NAMED,
        yticklabels=count <= NAMED,
        rasterized=count > NAMED,
    )
    family_legend(grid.ax_heatmap, families, bbox_to_anchor=(1.02, 1.25))
    figure: Figure = grid.figure
    return figure
