"""Louvain communities of a dense graph.

The algorithm of networkx (its order of nodes, gains, threshold and random numbers,
so that a seed gives the same communities) on the matrix of weights: similarities join
every model to every other, where a graph of dictionaries takes 20 s a run for 1,000
models and this well below a second.

Blondel et al. (2008), Fast unfolding of communities in large networks,
J. Stat. Mech. P10008.
"""

from __future__ import annotations

import random

import numpy as np


def modularity_matrix(weights: np.ndarray, resolution: float) -> np.ndarray:
    """Share of each pair of nodes in the modularity, if they are in one community.

    b_ij = (w_ij - resolution k_i k_j / 2m) / 2m, k the degrees, 2m their sum; Newman
    (2006), Modularity and community structure in networks, PNAS 103:8577, eq. 3, with
    the resolution of Reichardt and Bornholdt (2006).

    Parameters
    ----------
    weights
        (nodes, nodes), symmetric, not negative, not all zero.
    """
    degrees = weights.sum(axis=1)
    total = degrees.sum()
    return (weights - resolution * np.outer(degrees, degrees) / total) / total


def modularity(weights: np.ndarray, labels: np.ndarray, resolution: float) -> float:
    """The sum of b_ij over pairs in one community; NaN for a graph without edges."""
    if not weights.any():
        return float("nan")
    chosen = np.eye(labels.max() + 1)[labels]
    return float((chosen * (modularity_matrix(weights, resolution) @ chosen)).sum())


def by_first(labels: np.ndarray) -> np.ndarray:
    """Communities numbered from 0 by their first node: equal partitions, equal labels."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


# A level that gains no more modularity is the last.
_LEAST_GAIN = 1e-7


def louvain(weights: np.ndarray, resolution: float, seed: int) -> np.ndarray:
    """Communities found by moving nodes, then communities, while modularity grows.

    Parameters
    ----------
    weights
        (nodes, nodes), symmetric, not negative, with a zero diagonal.
    resolution
        Above 1: more and smaller communities.
    seed
        Of the order in which nodes are visited.

    Returns
    -------
    array
        (nodes,): labels from 0, in the order of each community's first node. Every
        node on its own where there is no edge.
    """
    labels = np.arange(len(weights))
    if not weights.any():
        return labels
    rng = random.Random(seed)
    level, before = weights, modularity(weights, labels, resolution)
    while True:
        found, moved = _move_nodes(level, resolution, rng)
        labels = found[labels]
        after = modularity(level, found, resolution)
        if not moved or after - before <= _LEAST_GAIN:
            return by_first(labels)
        before = after
        chosen = np.eye(found.max() + 1)[found]
        level = chosen.T @ level @ chosen


def _move_nodes(
    weights: np.ndarray, resolution: float, rng: random.Random
) -> tuple[np.ndarray, bool]:
    """Each node to the neighbouring community of most gain, until none moves."""
    count = len(weights)
    degrees = weights.sum(axis=1)
    total = degrees.sum()
    links = weights - np.diag(np.diag(weights))
    place, sums = np.arange(count), degrees.copy()
    order = list(range(count))
    rng.shuffle(order)
    moved, moves = False, 1
    while moves:
        moves = 0
        for node in order:
            own = place[node]
            sums[own] -= degrees[node]
            joined = np.bincount(place, links[node], count)
            gains = joined - (resolution * degrees[node] / total) * sums
            gains[joined == 0] = -np.inf
            best = int(gains.argmax())
            stay = joined[own] - (resolution * degrees[node] / total) * sums[own]
            # Rounding is no gain: a node between equals would move for ever.
            if best != own and gains[best] - stay > 1e-14 * total:
                place[node] = best
                moves += 1
                moved = True
            sums[place[node]] += degrees[node]
    return np.unique(place, return_inverse=True)[1], moved
