"""Models as the nodes of a graph."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd


def community_weights(dissimilarity: np.ndarray) -> np.ndarray:
    """1 - dissimilarity as the weights of a graph; above 1 there is no edge."""
    weights = np.clip(1 - dissimilarity, 0, None)
    np.fill_diagonal(weights, 0)
    return weights


def community_graph(dissimilarity: pd.DataFrame) -> nx.Graph:
    """Models joined by 1 - dissimilarity; above 1 there is no edge."""
    graph: nx.Graph = nx.from_numpy_array(community_weights(dissimilarity.to_numpy(np.float64)))
    return nx.relabel_nodes(graph, dict(enumerate(dissimilarity.index)))
