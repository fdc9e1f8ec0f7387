"""The models as points in a plane."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sightline.plots.style import NAMED, family_colours, family_legend


def embedding_figure(embedding: pd.DataFrame, families: Mapping[str, str]) -> Figure:
    """Principal components of the similarities beside metric scaling of the dissimilarities."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    _points(left, embedding, ("pc1", "pc2"), families)
    shares = [embedding[f"explained{i}"].iloc[0] for i in (1, 2)]
    left.set(
        xlabel=f"component 1 ({shares[0]:.0%} of variance)",
        ylabel=f"component 2 ({shares[1]:.0%} of variance)",
    )
    left.set_title("principal components of the similarities", fontsize=9)
    _points(right, embedding, ("mds1", "mds2"), families)
    right.set(xlabel="axis 1", ylabel="axis 2")
    right.set_aspect("equal", "datalim")
    right.set_title(
        f"metric scaling of the dissimilarities, stress {embedding['stress'].iloc[0]:.2f}",
        fontsize=9,
    )
    sns.despine(figure)
    family_legend(right, families, bbox_to_anchor=(1.0, 1.0))
    return figure


def _points(
    axes: Axes, embedding: pd.DataFrame, columns: tuple[str, str], families: Mapping[str, str]
) -> None:
    colours = family_colours(list(families.values()))
    named = len(embedding) <= NAMED
    points = embedding[list(columns)].to_numpy()
    axes.scatter(
        points[:, 0],
        points[:, 1],
        color=[colours[families[model]] for model in embedding["model"]],
        s=45 if named else 10,
    )
    if named:
        for model, place in zip(embedding["model"], points, strict=True):
            axes.annotate(model, place, (4, 4), textcoords="offset points", fontsize=8)
    axes.margins(0.15)
