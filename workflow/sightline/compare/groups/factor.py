"""All tests of one factor on one dissimilarity matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sightline.compare.groups.blocks import block_sums
from sightline.compare.groups.clusters import adjusted_rand, average_clusters
from sightline.compare.groups.column import Factor
from sightline.compare.groups.dispersion import coordinates, distances_to_median, spread_f
from sightline.compare.groups.flips import flipped_w, smallest_p_of_flips
from sightline.compare.groups.permutations import Arrangements, arrange, p_value, smallest_p
from sightline.compare.groups.ranks import anosim_r, mean_difference, ranked, superiority
from sightline.compare.groups.regression import adjusted, explained_by
from sightline.compare.groups.regression import pseudo_f as regression_f
from sightline.compare.groups.variance import explained, pseudo_f, welch_w
from sightline.compare.mantel import mantel_of_column

GROUP_TESTS = (
    "permanova",
    "welch",
    "welch_flipped",
    "permdisp",
    "anosim",
    "within_between",
    "adjusted_rand",
)
NUMBER_TESTS = ("regression", "mantel")


@dataclass(frozen=True)
class Finding:
    """One test of a factor.

    Attributes
    ----------
    test
        One of `GROUP_TESTS` or `NUMBER_TESTS`.
    statistic
        What is compared under permutations.
    effect, effect_name
        How large the effect is, on a scale of its own.
    unbiased
        The effect without its bias, where there is such a form, else NaN.
    p, smallest_p
        See `sightline.compare.groups.permutations`.
    permutations, exact
        What the p-value rests on.
    """

    test: str
    statistic: float
    effect: float
    effect_name: str
    unbiased: float
    p: float
    smallest_p: float
    permutations: int
    exact: bool


def examine_factor(
    dissimilarity: pd.DataFrame, factor: Factor, *, permutations: int, seed: int
) -> list[Finding]:
    """Test whether a factor explains dissimilarities.

    Parameters
    ----------
    dissimilarity
        Symmetric, models by models.
    factor
        See `sightline.compare.groups.column.read_factor`.
    permutations, seed
        As for `sightline.compare.groups.permutations.arrange`.

    Returns
    -------
    list of Finding
        One of each test of the factor's kind, in order; all figures NaN and no
        permutations where the factor is not testable.
    """
    if factor.untestable:
        nan = float("nan")
        names = GROUP_TESTS if factor.kind == "groups" else NUMBER_TESTS
        return [Finding(name, nan, nan, "", nan, nan, nan, 0, True) for name in names]
    matrix = dissimilarity.loc[factor.models, factor.models].to_numpy(dtype=np.float64)
    arrangements = arrange(factor.codes, permutations, seed)
    if factor.kind == "number":
        return _number(matrix, np.array(factor.levels, np.float64), arrangements)
    sizes = np.array(factor.sizes, np.float64)
    return [
        *_places(matrix, sizes, arrangements),
        _flipped(matrix, factor.codes, permutations, seed),
        _spread(matrix, sizes, arrangements),
        *_nearness(matrix, sizes, arrangements),
        _clusters(matrix, sizes, arrangements),
    ]


def _places(matrix: np.ndarray, sizes: np.ndarray, ways: Arrangements) -> list[Finding]:
    """PERMANOVA and Welch's form of it."""
    blocks = block_sums(matrix**2, ways)
    r2, omega2 = explained(blocks[0], sizes)
    welch = welch_w(blocks, sizes)
    share = _omega2(float(welch[0]), len(sizes), len(matrix))
    return [
        _tested("permanova", pseudo_f(blocks, sizes), ways, (float(r2), "R2"), float(omega2)),
        _tested("welch", welch, ways, (share, "omega2")),
    ]


def _flipped(matrix: np.ndarray, codes: np.ndarray, permutations: int, seed: int) -> Finding:
    """Welch's form again, its p-value from flipped signs; the effect is that of `_places`."""
    statistics, exact = flipped_w(matrix, codes, permutations, seed)
    observed = float(statistics[0])
    return Finding(
        test="welch_flipped",
        statistic=observed,
        effect=_omega2(observed, int(codes.max()) + 1, len(codes)),
        effect_name="omega2",
        unbiased=float("nan"),
        p=p_value(statistics),
        smallest_p=float("nan")
        if np.isnan(observed)
        else smallest_p_of_flips(len(codes), permutations),
        permutations=len(statistics) - 1,
        exact=exact,
    )


def _omega2(statistic: float, groups: int, models: int) -> float:
    """Of the ordinary F this is omega^2; of Welch's it is so in the same way."""
    gain = (groups - 1) * (statistic - 1)
    return float("nan") if np.isinf(gain) else gain / (gain + models)


def _spread(matrix: np.ndarray, sizes: np.ndarray, ways: Arrangements) -> Finding:
    codes = ways.codes[0]
    distances = distances_to_median(coordinates(matrix), codes)
    means = np.bincount(codes, distances) / sizes
    widest = float(means.max() / means.min()) if means.min() > 0 else float("nan")
    return _tested("permdisp", spread_f(distances, ways), ways, (widest, "ratio of spreads"))


def _nearness(matrix: np.ndarray, sizes: np.ndarray, ways: Arrangements) -> list[Finding]:
    """ANOSIM, and the means within and between."""
    order = anosim_r(block_sums(ranked(matrix), ways), sizes)
    further = mean_difference(block_sums(matrix, ways), sizes)
    return [
        _tested("anosim", order, ways, (order[0], "R")),
        _tested("within_between", further, ways, (superiority(order[0]), "probability")),
    ]


def _clusters(matrix: np.ndarray, sizes: np.ndarray, ways: Arrangements) -> Finding:
    found = adjusted_rand(average_clusters(matrix, len(sizes)), ways)
    return _tested("adjusted_rand", found, ways, (found[0], "ARI"))


def _number(matrix: np.ndarray, levels: np.ndarray, ways: Arrangements) -> list[Finding]:
    """Distance-based regression and Mantel's test."""
    models = len(matrix)
    shares = np.concatenate([explained_by(matrix, levels[part]) for part in ways.chunks(models)])
    r2 = float(shares[0])
    tested = _tested("regression", shares, ways, (r2, "R2"), adjusted(r2, models))
    order = mantel_of_column(matrix, levels, ways)
    return [
        Finding(**vars(tested) | {"statistic": regression_f(r2, models)}),
        Finding(
            *("mantel", order.correlation, order.correlation, "rho", float("nan")),
            *(order.p, order.smallest_p, order.permutations, order.exact),
        ),
    ]


def _tested(
    test: str,
    statistics: np.ndarray,
    ways: Arrangements,
    effect: tuple[float, str],
    unbiased: float = float("nan"),
) -> Finding:
    return Finding(
        test=test,
        statistic=float(statistics[0]),
        effect=float(effect[0]),
        effect_name=effect[1],
        unbiased=unbiased,
        p=p_value(statistics),
        smallest_p=smallest_p(statistics),
        permutations=ways.drawn,
        exact=ways.exact,
    )
