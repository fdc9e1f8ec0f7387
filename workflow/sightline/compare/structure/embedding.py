"""Models as points in a plane."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import smacof

STARTS = 4


def principal_coordinates(dissimilarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classical scaling: points whose distances are the dissimilarities, axis by axis.

    G = -1/2 J D² J with J the centring matrix; the coordinates are its eigenvectors
    times the root of their eigenvalues (Gower 1966, Biometrika 53:325-338). What a
    negative eigenvalue stands for, no point in space can show: it is left out.

    Parameters
    ----------
    dissimilarity
        (models, models), symmetric, zero diagonal.

    Returns
    -------
    coordinates
        (models, axes), the widest axis first; of each the largest value is positive.
    eigenvalues
        (axes,), positive: the sum of squares along each axis.
    """
    squares = dissimilarity**2
    gram = -0.5 * (squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean())
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > 1e-10 * max(squares.sum(), np.finfo(float).tiny)
    points = vectors[:, kept] * np.sqrt(values[kept])
    return _upright(points), values[kept]


def metric_scaling(dissimilarity: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Metric multidimensional scaling to the plane, by SMACOF.

    The best of one run from the principal coordinates and some from random points,
    turned to its principal axes.

    Returns
    -------
    points
        (models, 2).
    stress
        Kruskal's stress 1 (1964): sqrt(sum (d - delta)² / sum d²) over pairs, d the
        distances of the points; 0 is perfect, .05 good, .2 poor. 0 where all are alike.
    """
    count = len(dissimilarity)
    if not dissimilarity.any():
        return np.zeros((count, 2)), 0.0
    rng = np.random.default_rng(seed)
    axes = principal_coordinates(dissimilarity)[0][:, :2]
    first = np.zeros((count, 2))
    first[:, : axes.shape[1]] = axes
    starts = [first, *rng.uniform(0, dissimilarity.max(), (STARTS, count, 2))]
    # Every option is given, since defaults change from one release to the next.
    runs = [
        smacof(
            dissimilarity,
            metric=True,
            init=start,
            n_init=1,
            n_jobs=None,
            max_iter=300,
            eps=1e-6,
            random_state=0,
            normalized_stress=False,
        )
        for start in starts
    ]
    points = min(runs, key=lambda run: run[1])[0]
    points = points - points.mean(axis=0)
    points = _upright(points @ np.linalg.svd(points, full_matrices=False)[2].T)
    return points, stress_1(dissimilarity, points)


def stress_1(dissimilarity: np.ndarray, points: np.ndarray) -> float:
    """Kruskal's stress 1 of points that stand for dissimilarities."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return float(np.sqrt(((distances - dissimilarity) ** 2).sum() / (distances**2).sum()))


def _upright(points: np.ndarray) -> np.ndarray:
    """Axes turned so that the value of greatest magnitude on each is positive."""
    largest = np.take_along_axis(points, np.abs(points).argmax(0)[None], axis=0)
    return points * np.where(largest < 0, -1.0, 1.0)


def embedding_table(
    dissimilarity: pd.DataFrame, similarity: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Principal components of the similarities, and metric scaling of the dissimilarities.

    Returns
    -------
    DataFrame
        A row a model: model, pc1, explained1, pc2, explained2 (components of the
        similarity matrix, rows as observations, and the share of variance each
        explains), mds1, mds2, stress (see `metric_scaling`).
    """
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
    points, stress = metric_scaling(dissimilarity.to_numpy(np.float64), seed)
    return table.assign(mds1=points[:, 0], mds2=points[:, 1], stress=stress)
