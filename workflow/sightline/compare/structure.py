"""Groups among models: hierarchical clusters, communities, principal components."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import linkage, to_tree
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA

from sightline.errors import SightlineError


@dataclass(frozen=True)
class Structure:
    """What is found in one dissimilarity matrix, as tidy tables."""

    linkage: pd.DataFrame
    communities: pd.DataFrame
    embedding: pd.DataFrame


def find_structure(
    dissimilarity: pd.DataFrame,
    similarity: pd.DataFrame,
    *,
    method: str = "average",
    resolution: float = 1.06,
    seed: int = 42,
) -> Structure:
    """Cluster, partition and embed models.

    Parameters
    ----------
    dissimilarity
        Symmetric, models by models, zero diagonal.
    similarity
        Symmetric, models by models: mean similarities, unit diagonal.
    method
        Linkage: average, single, complete or weighted.
    resolution, seed
        Of the Louvain communities.

    Raises
    ------
    SightlineError
        Where a pair has no value: too few images with usable maps.
    """
    missing = dissimilarity.isna().stack()
    if missing.any():
        a, b = missing[missing].index[0]
        raise SightlineError(
            f"{a} and {b} share fewer than two images with usable maps: no dissimilarity. "
            "Take more images, or leave one of the models out."
        )
    return Structure(
        linkage=_linkage(dissimilarity, method),
        communities=_communities(dissimilarity, resolution, seed),
        embedding=_embedding(similarity),
    )


def linkage_matrix(dissimilarity: pd.DataFrame, method: str) -> np.ndarray:
    """Scipy's linkage of a square matrix."""
    return linkage(squareform(dissimilarity.to_numpy(), checks=False), method)


def _linkage(dissimilarity: pd.DataFrame, method: str) -> pd.DataFrame:
    """A row a merge: its members, separated by spaces, and the height."""
    if len(dissimilarity) < 2:
        return pd.DataFrame({"step": [], "height": [], "left": [], "right": []})
    matrix = linkage_matrix(dissimilarity, method)
    _, nodes = to_tree(matrix, rd=True)
    names = list(dissimilarity.index)
    merges = nodes[len(names) :]
    return pd.DataFrame(
        {
            "step": range(1, len(merges) + 1),
            "height": [node.dist for node in merges],
            "left": [" ".join(names[i] for i in node.get_left().pre_order()) for node in merges],
            "right": [" ".join(names[i] for i in node.get_right().pre_order()) for node in merges],
        }
    )


def community_graph(dissimilarity: pd.DataFrame) -> nx.Graph:
    """Models joined by 1 - dissimilarity; above 1 there is no edge."""
    weights = np.clip(1 - dissimilarity.to_numpy(), 0, None)
    np.fill_diagonal(weights, 0)
    graph: nx.Graph = nx.from_numpy_array(weights)
    return nx.relabel_nodes(graph, dict(enumerate(dissimilarity.index)))


def _communities(dissimilarity: pd.DataFrame, resolution: float, seed: int) -> pd.DataFrame:
    graph = community_graph(dissimilarity)
    found = nx.community.louvain_communities(
        graph, weight="weight", resolution=resolution, seed=seed
    )
    names = list(dissimilarity.index)
    # Numbered by their first model, so that equal partitions are equal tables.
    ordered = sorted(found, key=lambda members: min(names.index(name) for name in members))
    number = {name: i for i, members in enumerate(ordered, start=1) for name in members}
    modularity = (
        nx.community.modularity(graph, found, weight="weight", resolution=resolution)
        if graph.size(weight="weight") > 0
        else float("nan")
    )
    return pd.DataFrame(
        {
            "model": names,
            "community": [number[name] for name in names],
            "modularity": modularity,
        }
    )


def _embedding(similarity: pd.DataFrame) -> pd.DataFrame:
    components = min(2, len(similarity))
    pca = PCA(components, svd_solver="full")
    with np.errstate(invalid="ignore"):  # models that are all alike have no variance to explain
        places = pca.fit_transform(similarity.to_numpy())
    explained = np.nan_to_num(pca.explained_variance_ratio_)
    table = pd.DataFrame({"model": similarity.index})
    for i in range(2):
        known = i < components
        table[f"pc{i + 1}"] = places[:, i] if known else 0.0
        table[f"explained{i + 1}"] = explained[i] if known else 0.0
    return table
