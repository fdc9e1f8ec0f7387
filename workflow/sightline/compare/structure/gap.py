"""Are there clusters at all? A gap statistic whose p-value holds its level.

The models become points by classical scaling. Clouds without clusters are drawn that
have exactly the spread of these points along every axis, and the question is whether
the points fall into clusters more tightly than such clouds do (Tibshirani, Walther and
Hastie 2001, Estimating the number of clusters in a data set via the gap statistic,
J. R. Stat. Soc. B 63:411-423).

Two kinds of cloud are held against them, and the larger p-value counts: a Gaussian one
(a cluster as Liu et al. 2008 define it, Statistical significance of clustering,
J. Am. Stat. Assoc. 103:1281-1293) and an even one (their uniform reference along
principal axes). Against the Gaussian alone an even spread would be called clusters: in
25 % of studies of 14 models along a line and in all of 100.

Points X of a Gaussian sample with mean and covariance given are X = U S^(1/2) with U
uniform among the orthonormal frames that are orthogonal to 1, whatever the covariance
of the population. Drawing U with the observed S therefore needs no estimate of that
covariance, which SigClust does, and makes the test exact for Gaussian clouds of any
shape and dimension; which axes are used may depend on S, since S is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sightline.compare.structure.clouds import cloud_dispersions, log_dispersion
from sightline.compare.structure.embedding import principal_coordinates

CLOUDS = 499
_LARGEST = 10


@dataclass(frozen=True)
class ClusterTest:
    """What is known about clusters among points.

    Attributes
    ----------
    curve
        A row a number of clusters: clusters, log_dispersion, and for the Gaussian
        clouds expected, gap (expected - log_dispersion) and error (the standard
        deviation over clouds times sqrt(1 + 1 / clouds)).
    axes
        Of the points, that count.
    p_gaussian, p_even
        Against either kind of cloud; NaN where no test can be made.
    clusters
        The smallest number, from two, whose gap is within one error of the next; 1
        where no test can be made.
    """

    curve: pd.DataFrame
    axes: int
    p_gaussian: float
    p_even: float
    clusters: int

    @property
    def p(self) -> float:
        """That a cloud without clusters, Gaussian or even, looks so clustered."""
        return max(self.p_gaussian, self.p_even)


def hold_against_clouds(dissimilarity: np.ndarray, seed: int, clouds: int = CLOUDS) -> ClusterTest:
    """Hold models against clouds without clusters.

    Points are clustered by Ward's linkage, whose heights give the dispersion: W_k is
    the sum of squared distances to the centres of k clusters. For k from 2 to a half of
    the models, at most 10, z_k = (mean log W_k - log W_k) / sd over the clouds and the
    points together; the greatest z_k is the test's statistic, its p-value the share of
    clouds and points with as great a one.

    Parameters
    ----------
    dissimilarity
        (models, models), symmetric, zero diagonal.
    seed
        Of the clouds.
    clouds
        How many of each kind; the smallest p is 1 / (clouds + 1).
    """
    points, spread = principal_coordinates(dissimilarity)
    # Axes of more than mean spread: of noise in many dimensions most would be hidden.
    kept = spread > (1 + 1e-9) * spread.sum() / max(len(spread), 1)
    if kept.any():
        points, spread = points[:, kept], spread[kept]
    counts = np.arange(2, max(2, min(_LARGEST, len(points) // 2)) + 1)
    if len(points) < 4 or not len(spread):
        nothing = np.zeros(0)
        curve = _curve(counts[:0], nothing, nothing, nothing)
        return ClusterTest(curve, len(spread), np.nan, np.nan, 1)
    observed = log_dispersion(points, counts)
    rng = np.random.default_rng(seed)
    drawn = {
        kind: cloud_dispersions(rng, kind, len(points), spread, counts, clouds)
        for kind in ("gaussian", "even")
    }
    reference = drawn["gaussian"]
    expected, error = reference.mean(0), reference.std(0) * np.sqrt(1 + 1 / clouds)
    curve = _curve(counts, observed, expected, error)
    p = {kind: _p_value(observed, values) for kind, values in drawn.items()}
    chosen = _first_within(curve["gap"].to_numpy(), error)
    return ClusterTest(curve, len(spread), p["gaussian"], p["even"], int(counts[chosen]))


def _p_value(observed: np.ndarray, drawn: np.ndarray) -> float:
    every = np.vstack([observed, drawn])
    deviation = every.std(axis=0)
    usable = deviation > 1e-9
    if not usable.any():  # every orientation looks the same
        return 1.0
    score = ((every.mean(axis=0) - every)[:, usable] / deviation[usable]).max(axis=1)
    return float((score >= score[0] - 1e-9).mean())


def _first_within(gap: np.ndarray, error: np.ndarray) -> int:
    """The first whose gap is no less than the next one's less its error."""
    enough = np.append(gap[:-1] >= gap[1:] - error[1:], True)
    return int(enough.argmax())


def _curve(
    counts: np.ndarray, observed: np.ndarray, expected: np.ndarray, error: np.ndarray
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clusters": counts,
            "log_dispersion": observed,
            "expected": expected,
            "gap": expected - observed,
            "error": error,
        }
    )
