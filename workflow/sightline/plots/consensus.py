"""Figures of the consensus: who agrees with it, and do the accurate models."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sightline.compare.consensus.table import ALL
from sightline.plots.style import family_colours

# Of more models only as many at both ends are named.
_NAMED = 40


def consensus_figure(
    consensus: pd.DataFrame,
    related: pd.DataFrame,
    accuracy: Mapping[str, float],
    families: Mapping[str, str],
    measure: str,
) -> Figure:
    """Agreement of each model with the others' mean map, and beside it its accuracy.

    Parameters
    ----------
    consensus, related
        Tables of one method, see `sightline.jobs.merging.consensus.merge_consensus`.
    accuracy
        Of each model.
    families
        Of each model.
    measure
        ``cosine`` or ``spearman``.
    """
    of_measure = consensus[(consensus["measure"] == measure) & (consensus["subset"] == ALL)]
    others = of_measure[of_measure["reference"] == "others"].sort_values("mean")
    inclusive = of_measure[of_measure["reference"] == "all"].set_index("model")["mean"]
    shown = others
    if len(others) > _NAMED:
        shown = pd.concat([others.head(_NAMED // 2), others.tail(_NAMED // 2)])
    colours = family_colours(list(families.values()))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.5, max(3.2, 1 + 0.26 * len(shown))), width_ratios=(3, 2)
    )
    _agreement(left, shown, inclusive, families, colours)
    left.set_xlabel(f"{measure} with the mean map of the others (hollow: of all)")
    for row in others.itertuples():
        right.plot(
            accuracy.get(row.model, np.nan), row.mean, "o", color=colours[families[row.model]]
        )
    right.set(xlabel="accuracy (top 1)", ylabel="agreement with the others")
    right.set_title(_relation(related, measure), fontsize=8)
    _legend(right, colours)
    sns.despine(figure)
    figure.tight_layout()
    return figure


def _agreement(
    axes: Axes,
    shown: pd.DataFrame,
    inclusive: pd.Series,
    families: Mapping[str, str],
    colours: Mapping[str, tuple[float, float, float]],
) -> None:
    for place, row in enumerate(shown.itertuples()):
        colour = colours[families[row.model]]
        axes.plot([row.mean_low, row.mean_high], [place, place], color=colour, lw=2, alpha=0.6)
        axes.plot(row.mean, place, "o", color=colour)
        axes.plot(inclusive[row.model], place, "o", mfc="none", color="0.6", ms=4)
    axes.set_yticks(range(len(shown)), list(shown["model"]), fontsize=8)


def _relation(related: pd.DataFrame, measure: str) -> str:
    """What the tests say, in words and numbers."""
    own = related[(related["measure"] == measure) & (related["reference"] == "others")]
    lines = []
    for row in own.itertuples():
        if not np.isfinite(row.value):
            continue
        images = "all images" if row.subset == ALL else "images it answers rightly"
        told = f"{row.correlation} {row.value:.2f}, p {_probability(row)}: {row.answer}"
        lines.append(f"{images}: {told}")
    return "\n".join(lines) or "accuracy not known, or the same for all"


def _probability(row: object) -> str:
    p, smallest = float(row.p), float(row.smallest_p)  # type: ignore[attr-defined]
    least = f" (smallest {smallest:.2g})" if p <= smallest * 1.001 else ""
    return f"{p:.2g}{least}"


def _legend(axes: Axes, colours: Mapping[str, tuple[float, float, float]]) -> None:
    for name, colour in colours.items():
        axes.plot([], [], "o", color=colour, label=name)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
