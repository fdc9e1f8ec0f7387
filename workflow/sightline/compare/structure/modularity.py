"""The partition of greatest modularity, proven by integer programming."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pulp
from scipy.sparse.csgraph import connected_components

from sightline.compare.structure.louvain import by_first, modularity, modularity_matrix
from sightline.errors import SightlineError


@dataclass(frozen=True)
class Optimum:
    """The best partition that the solver found.

    Attributes
    ----------
    labels
        (nodes,), numbered from 0 by each community's first node; None where the time
        was up before any partition was found.
    modularity
        Of that partition; NaN without one.
    proven
        That no partition has more.
    """

    labels: np.ndarray | None
    modularity: float
    proven: bool


def greatest_modularity(weights: np.ndarray, resolution: float, seconds: float) -> Optimum:
    """Partition a graph optimally, within some time.

    Maximises sum_{i<j} 2 b_ij x_ij over x_ij in {0, 1} (i and j in one community)
    subject to x_ij + x_jk - x_ik <= 1 for every triple and its turns: the clique
    partitioning of Grötschel and Wakabayashi (1989), Math. Programming 45:59-96, as
    Brandes et al. (2008), IEEE TKDE 20:172-188, sect. 3.2, use it for modularity;
    b is that of `sightline.compare.structure.louvain.modularity_matrix`.

    Parameters
    ----------
    weights
        (nodes, nodes), symmetric, not negative, with a zero diagonal.
    resolution
        As for Louvain.
    seconds
        Most time for the solver.

    Raises
    ------
    SightlineError
        Where the solver, CBC, is missing.
    """
    alone = np.arange(len(weights))
    if not weights.any():
        return Optimum(alone, float("nan"), True)
    matrix = modularity_matrix(weights, resolution)
    problem, together = _clique_partitioning(matrix)
    problem.solve(_solver(seconds))
    if problem.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        return Optimum(None, float("nan"), False)
    joined = np.zeros(weights.shape)
    for (i, j), variable in together.items():
        joined[i, j] = round(variable.value() or 0)
    labels = by_first(connected_components(joined, directed=False)[1])
    proven = problem.sol_status == pulp.LpSolutionOptimal
    return Optimum(labels, modularity(weights, labels, resolution), proven)


def _clique_partitioning(
    matrix: np.ndarray,
) -> tuple[pulp.LpProblem, dict[tuple[int, int], pulp.LpVariable]]:
    problem = pulp.LpProblem("modularity", pulp.LpMaximize)
    pairs = list(combinations(range(len(matrix)), 2))
    together = {(i, j): problem.add_variable(f"x_{i}_{j}", cat=pulp.LpBinary) for i, j in pairs}
    # The solver's tolerances are absolute: shares of many models would drown in them.
    scale = max(abs(matrix[i, j]) for i, j in pairs) or 1.0
    problem += pulp.lpSum(matrix[i, j] / scale * together[i, j] for i, j in pairs)
    for i, j, k in combinations(range(len(matrix)), 3):
        three = together[i, j], together[j, k], together[i, k]
        for one, other, closing in (three, three[1:] + three[:1], three[2:] + three[:2]):
            problem += one + other - closing <= 1
    return problem, together


def _solver(seconds: float) -> pulp.LpSolver:
    """The CBC that pulp brings, or one on the PATH."""
    for path in (pulp.PULP_CBC_CMD.pulp_cbc_path, None):
        solver = pulp.COIN_CMD(
            path=path, msg=False, threads=1, timeLimit=seconds, gapRel=0, gapAbs=0
        )
        if solver.available():
            return solver
    raise SightlineError(
        "The solver CBC is missing, which proves whether a split into communities is the best. "
        "pulp brings it for most machines (python -m pip install --force-reinstall pulp); else "
        "install coin-or-cbc, so that cbc is on the PATH. With compare.exact_models: 0 a study "
        "does without the proof."
    )
