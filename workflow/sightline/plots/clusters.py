"""How many clusters, and whether there are any."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def clusters_figure(clusters: pd.DataFrame, test: pd.Series) -> Figure:
    """Silhouettes and gaps over the number of clusters, and the decision.

    Parameters
    ----------
    clusters
        Rows of the table of clusters of one method and measure.
    test
        Its row of the table of cluster tests.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    left.plot(clusters["clusters"], clusters["silhouette"], "o-", color="0.3")
    name = f" ({clusters['linkage'].iloc[0]} linkage)" if len(clusters) else ""
    left.set(xlabel="clusters", ylabel=f"silhouette{name}")
    tested = clusters.dropna(subset="gap")
    right.errorbar(tested["clusters"], tested["gap"], tested["error"], fmt="o-", color="0.3")
    right.axhline(0, color="0.6", lw=1, ls=":")
    right.set(xlabel="clusters", ylabel="gap to one Gaussian cloud")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.suptitle(_sentence(test), fontsize=9)
    sns.despine(figure)
    figure.tight_layout()
    return figure


def _sentence(test: pd.Series) -> str:
    if pd.isna(test["p"]):
        return f"{test['models']} models: too few to look for clusters"
    said = {
        "clusters": f"{test['clusters']} clusters",
        "cannot be decided": "no clusters shown, of which so few models might have some",
    }.get(test["decision"], test["decision"])
    return f"{test['models']} models: {said} (p = {test['p']:.3f} against one cloud)"
