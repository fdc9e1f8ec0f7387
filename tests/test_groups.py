"""Does a property of the models explain how far apart they are? The tests, and their level."""

from __future__ import annotations

from itertools import combinations, permutations, product
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import minimize
from scipy.spatial.distance import pdist, squareform
from scipy.stats import binom, f_oneway, mannwhitneyu, pearsonr, spearmanr
from skbio import DistanceMatrix
from skbio.stats.distance import anosim, permanova, permdisp
from skbio.stats.distance import mantel as skbio_mantel
from skbio.stats.ordination import pcoa
from sklearn.metrics import adjusted_rand_score

from sightline.compare.groups.blocks import between, block_sums, within
from sightline.compare.groups.clusters import adjusted_rand, average_clusters
from sightline.compare.groups.column import read_factor
from sightline.compare.groups.dispersion import coordinates, distances_to_median, spatial_median
from sightline.compare.groups.factor import GROUP_TESTS, NUMBER_TESTS, Finding, examine_factor
from sightline.compare.groups.flips import flipped_w
from sightline.compare.groups.holm import holm
from sightline.compare.groups.needed import models_needed, permutations_needed
from sightline.compare.groups.permutations import (
    arrange,
    p_value,
    smallest_p,
    smallest_p_of_sizes,
    ways,
)
from sightline.compare.groups.table import architecture
from sightline.compare.groups.variance import welch_w
from sightline.compare.groups.verdict import DECIDING
from sightline.compare.mantel import mantel
from sightline.errors import SightlineError
from studies import Truth, simulate, simulate_number

LEVEL = 0.05


def study(
    sizes: tuple[int, ...] = (5, 3), seed: int = 0, axes: int = 3, shift: float = 1.0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Dissimilarities of families of models, and the family of each."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    places = rng.normal(size=(len(codes), axes))
    places[:, 0] += shift * codes
    names = [f"m{i}" for i in range(len(codes))]
    return pd.DataFrame(squareform(pdist(places)), names, names), codes


def crooked(seed: int = 0, models: int = 9) -> pd.DataFrame:
    """Dissimilarities that are no distances, as a study's are not."""
    rng = np.random.default_rng(seed)
    names = [f"m{i}" for i in range(models)]
    return pd.DataFrame(squareform(rng.uniform(0.1, 1, comb(models, 2))), names, names)


def examined(matrix: pd.DataFrame, values: list, **how: int) -> dict[str, Finding]:
    column = pd.Series(values, matrix.index, name="family")
    given = {"permutations": 9999, "seed": 0} | how
    found = examine_factor(matrix, read_factor(column, matrix), **given)
    return {one.test: one for one in found}


def labels(codes: np.ndarray) -> list[str]:
    return [f"g{code}" for code in codes]


# --- Permutations -------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(2, 2), (3, 2), (2, 2, 2), (1, 1, 1, 1), (4,)])
def test_all_arrangements_are_each_there_once_the_observed_first(sizes: tuple[int, ...]) -> None:
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    found = arrange(codes, 9999, 0)
    assert found.exact
    assert found.drawn == ways(codes) == len(found.codes)
    assert {tuple(row) for row in found.codes} == set(permutations(codes.tolist()))
    assert len({tuple(row) for row in found.codes}) == len(found.codes)
    np.testing.assert_array_equal(found.codes[0], codes)


def test_drawn_arrangements_are_of_the_same_labels_and_of_their_seed() -> None:
    codes = np.repeat([0, 1, 2], [6, 5, 4])
    found = arrange(codes, 500, 3)
    assert not found.exact
    assert found.drawn == 500
    assert len(found.codes) == 501
    np.testing.assert_array_equal(np.sort(found.codes, axis=1), np.tile(codes, (501, 1)))
    np.testing.assert_array_equal(found.codes, arrange(codes, 500, 3).codes)
    assert (found.codes[1:] != arrange(codes, 500, 4).codes[1:]).any()
    # Each place has each label as often as there are of it, within four standard errors.
    share = (found.codes[1:] == 0).mean(axis=0)
    assert (abs(share - 0.4) < 4 * np.sqrt(0.4 * 0.6 / 500)).all()


def test_as_many_permutations_as_there_are_ways_are_enumerated() -> None:
    codes = np.repeat([0, 1], [4, 4])
    assert arrange(codes, 70, 0).exact
    assert not arrange(codes, 69, 0).exact


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, codes = study((4, 3))
    whole = pd.DataFrame(examined(matrix, labels(codes)).values())
    monkeypatch.setattr("sightline.compare.groups.permutations._CHUNK", 50)
    found = pd.DataFrame(examined(matrix, labels(codes)).values())
    pd.testing.assert_frame_equal(found, whole)


def test_ties_count_as_reached_also_when_rounding_parts_them() -> None:
    statistics = np.array([0.1 + 0.2, 0.3, 0.1, np.nan])
    assert p_value(statistics) == 0.75
    assert p_value(np.array([0.1, 0.2, 0.3, 0.4])) == 1
    assert smallest_p(statistics) == 0.75
    assert np.isnan(p_value(np.array([np.nan, 1])))
    assert p_value(np.array([np.inf, np.inf, 1, 2])) == 0.5


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((3, 3), 0.1), ((4, 4), 2 / 70), ((9, 5), 1 / 2002), ((2, 2, 2), 6 / 90), ((3, 2), 0.1)],
)
def test_the_smallest_p_is_known_from_the_sizes(sizes: tuple[int, ...], expected: float) -> None:
    assert smallest_p_of_sizes(list(sizes), 9999) == pytest.approx(expected)
    matrix, codes = study(sizes, shift=0.0)
    found = examined(matrix, labels(codes))
    for test in ("permanova", "welch", "anosim", "within_between"):
        assert found[test].smallest_p >= expected * (1 - 1e-12)
    assert found["permanova"].smallest_p == pytest.approx(expected)
    # It is reached by families far apart.
    apart, _ = study(sizes, shift=50.0)
    assert examined(apart, labels(codes))["permanova"].p == pytest.approx(expected)


# --- Statistics against other implementations ---------------------------------------------------

MATRICES = [
    (study((5, 3))[0], study((5, 3))[1]),
    (study((4, 3, 5), seed=1)[0], study((4, 3, 5), seed=1)[1]),
    (crooked(), np.array([0, 1, 0, 1, 2, 2, 2, 0, 1])),
    (crooked(1, 12), np.repeat([0, 1], [5, 7])),
]


@pytest.mark.parametrize(("matrix", "codes"), MATRICES)
def test_statistics_are_those_of_scikit_bio(matrix: pd.DataFrame, codes: np.ndarray) -> None:
    found = examined(matrix, labels(codes))
    other = DistanceMatrix(matrix.to_numpy(), list(matrix.index))
    expected = permanova(other, codes, permutations=0)["test statistic"]
    assert found["permanova"].statistic == pytest.approx(expected)
    expected = anosim(other, codes, permutations=0)["test statistic"]
    assert found["anosim"].statistic == pytest.approx(expected)
    # All real axes, as ours.
    axes = pcoa(other, dimensions=len(matrix), warn_neg_eigval=False)
    expected = permdisp(axes, codes, permutations=0)["test statistic"]
    assert found["permdisp"].statistic == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("matrix", "codes"), MATRICES)
def test_shares_and_pairs_are_those_of_their_definitions(
    matrix: pd.DataFrame, codes: np.ndarray
) -> None:
    found = examined(matrix, labels(codes))
    # PERMANOVA's F of Euclidean distances is that of R^2, by definition.
    f, m, k = found["permanova"].statistic, len(codes), codes.max() + 1
    r2 = f * (k - 1) / (f * (k - 1) + m - k)
    assert found["permanova"].effect == pytest.approx(r2)
    assert found["permanova"].unbiased == pytest.approx((k - 1) * (f - 1) / ((k - 1) * (f - 1) + m))
    w = found["welch"].statistic
    assert found["welch"].effect == pytest.approx((k - 1) * (w - 1) / ((k - 1) * (w - 1) + m))
    assert found["welch_flipped"].statistic == pytest.approx(w)
    assert found["welch_flipped"].effect == pytest.approx(found["welch"].effect)
    first, second = np.triu_indices(m, 1)
    values, same = matrix.to_numpy()[first, second], codes[first] == codes[second]
    difference = values[~same].mean() - values[same].mean()
    assert found["within_between"].statistic == pytest.approx(difference)
    u = mannwhitneyu(values[~same], values[same]).statistic
    probability = u / (same.sum() * (~same).sum())
    assert found["within_between"].effect == pytest.approx(probability)
    clusters = fcluster(linkage(values, "average"), k, "maxclust")
    assert found["adjusted_rand"].effect == pytest.approx(adjusted_rand_score(codes, clusters))


@pytest.mark.parametrize("sizes", [(6, 4), (5, 4, 6)])
def test_welch_of_points_on_a_line_is_welchs_test(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    values = rng.normal(size=len(codes)) * (1 + codes) + codes
    blocks = block_sums(squareform(pdist(values[:, None])) ** 2, arrange(codes, 1, 0))
    found = welch_w(blocks, np.array(sizes, float))[0]
    expected = f_oneway(*(values[codes == g] for g in range(len(sizes))), equal_var=False)
    assert found == pytest.approx(expected.statistic)


@pytest.mark.parametrize("sizes", [(3, 4), (3, 2, 2)])
def test_flips_are_of_points_thrown_to_the_other_side(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    places = rng.normal(size=(len(codes), 3)) + codes[:, None]
    found, exact = flipped_w(squareform(pdist(places)), codes, 999, 0)
    assert exact

    def w(at: np.ndarray) -> float:
        blocks = block_sums(squareform(pdist(at)) ** 2, arrange(codes, 1, 0))
        return welch_w(blocks[:1], np.array(sizes, float))[0]

    means = np.array([places[codes == g].mean(axis=0) for g in range(len(sizes))])
    residuals = places - means[codes]
    every = [w(np.array(s)[:, None] * residuals) for s in product((1, -1), repeat=len(codes))]
    assert found[0] == pytest.approx(w(places))
    # Each twice, as flips of all models at once change nothing.
    np.testing.assert_allclose(np.sort(np.repeat(found[1:], 2)), np.sort(every), atol=1e-9)
    drawn, exact = flipped_w(squareform(pdist(places)), codes, 20, 0)
    assert not exact
    assert len(drawn) == 21
    assert all(np.isclose(one, every, atol=1e-9).any() for one in drawn[1:])


def test_blocks_are_sums_over_pairs() -> None:
    matrix, codes = study((4, 3, 2))
    arrangements = arrange(codes, 20, 0)
    blocks = block_sums(matrix.to_numpy(), arrangements)
    first, second = np.triu_indices(len(codes), 1)
    values = matrix.to_numpy()[first, second]
    for way, found in zip(arrangements.codes, blocks, strict=True):
        same = way[first] == way[second]
        assert between(found) == pytest.approx(values[~same].sum())
        own = [values[same & (way[first] == g)].sum() for g in range(3)]
        np.testing.assert_allclose(within(found), own)


def test_the_spatial_median_is_the_nearest_point_to_all() -> None:
    places = np.random.default_rng(0).normal(size=(7, 3))
    far = minimize(
        lambda at: np.linalg.norm(places - at, axis=1).sum(),
        places.mean(axis=0),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 5000},
    )
    np.testing.assert_allclose(spatial_median(places), far.x, atol=1e-6)
    # Four corners around a point that is one of them; all points alike; a single one.
    cross = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], float)
    np.testing.assert_allclose(spatial_median(cross + 3), [3, 3], atol=1e-7)
    # One point outweighs the rest: the iteration meets it and stays.
    heavy = np.array([[5, 5]] * 4 + [[0, 0], [1, 0]], float)
    np.testing.assert_allclose(spatial_median(heavy), [5, 5], atol=1e-6)
    np.testing.assert_array_equal(spatial_median(np.ones((3, 2))), [1, 1])
    np.testing.assert_array_equal(spatial_median(np.ones((1, 2))), [1, 1])


def test_coordinates_give_distances_back() -> None:
    matrix, _ = study((5, 4))
    np.testing.assert_allclose(squareform(pdist(coordinates(matrix.to_numpy()))), matrix)


# --- P-values by brute force --------------------------------------------------------------------


def brute(matrix: np.ndarray, codes: np.ndarray, statistic: str) -> float:
    """The p-value of all permutations of the models, one by one, by other code."""
    first, second = np.triu_indices(len(codes), 1)
    values = matrix[first, second]
    tree = linkage(values, "average")
    clusters = fcluster(tree, codes.max() + 1, "maxclust")
    distances = distances_to_median(coordinates(matrix), codes)

    def of(way: np.ndarray) -> float:
        same = way[first] == way[second]
        if statistic == "permanova":
            sums = [
                (values[same & (way[first] == g)] ** 2).sum() / (way == g).sum()
                for g in range(way.max() + 1)
            ]
            return (values**2).sum() / len(way) / sum(sums)
        if statistic == "within_between":
            return values[~same].mean() - values[same].mean()
        if statistic == "anosim":
            return mannwhitneyu(values[~same], values[same]).statistic
        if statistic == "adjusted_rand":
            return adjusted_rand_score(way, clusters)
        return f_oneway(*(distances[way == g] for g in range(way.max() + 1))).statistic

    found = np.array([of(codes[list(order)]) for order in permutations(range(len(codes)))])
    return float(np.mean(found >= of(codes) - 1e-9))


@pytest.mark.parametrize(
    "test", ["permanova", "within_between", "anosim", "adjusted_rand", "permdisp"]
)
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_exact_p_values_are_those_of_all_permutations(test: str, shift: float) -> None:
    matrix, codes = study((3, 3), seed=2, shift=shift)
    found = examined(matrix, labels(codes))[test]
    assert found.exact
    assert found.permutations == 20
    assert found.p == pytest.approx(brute(matrix.to_numpy(), codes, test))


def test_drawn_p_values_come_near_the_exact_ones() -> None:
    matrix, codes = study((7, 5), seed=4, shift=1.0)
    exact, drawn = (examined(matrix, labels(codes), permutations=count) for count in (9999, 700))
    for test in GROUP_TESTS:
        assert exact[test].exact > drawn[test].exact
        p = exact[test].p
        # Four standard errors of 700 draws, and the observed one.
        assert abs(drawn[test].p - p) < 4 * np.sqrt(p * (1 - p) / 700) + 1 / 700


def test_names_and_order_of_groups_and_models_change_nothing() -> None:
    matrix, codes = study((4, 3, 3), seed=5)
    plain = examined(matrix, labels(codes))
    order = np.random.default_rng(0).permutation(len(codes))
    mixed = examined(matrix.iloc[order, order], [f"z{9 - code}" for code in codes[order]])
    for test, one in plain.items():
        assert mixed[test].statistic == pytest.approx(one.statistic)
        assert mixed[test].p == pytest.approx(one.p)


# --- Numbers ------------------------------------------------------------------------------------


def hat_f(matrix: np.ndarray, values: np.ndarray) -> float:
    """McArdle and Anderson's pseudo-F by its matrices."""
    m = len(values)
    centring = np.eye(m) - 1 / m
    inner = centring @ (-0.5 * matrix**2) @ centring
    design = np.column_stack([np.ones(m), values])
    hat = design @ np.linalg.pinv(design)
    rest = np.eye(m) - hat
    return np.trace(hat @ inner @ hat) / (np.trace(rest @ inner @ rest) / (m - 2))


@pytest.mark.parametrize("values", [[3.0, 1, 4, 1.5, 9], [1, 1, 2, 2, 3]])
@pytest.mark.parametrize("matrix", [study((3, 2))[0], crooked(0, 5)])
def test_regression_is_that_of_its_matrices_and_exact(matrix: pd.DataFrame, values: list) -> None:
    found = examined(matrix, values)["regression"]
    given = np.array(values, float)
    assert found.statistic == pytest.approx(hat_f(matrix.to_numpy(), given))
    r2 = found.effect
    assert found.unbiased == pytest.approx(1 - (1 - r2) * 4 / 3)
    # R^2 orders the permutations as F does as long as it is below 1.
    every = [given[list(order)] for order in permutations(range(5))]
    shares = [(f := hat_f(matrix.to_numpy(), one)) / (f + 3) for one in every]
    assert found.exact
    assert found.p == pytest.approx(np.mean(np.array(shares) >= r2 - 1e-9))


def test_regression_of_points_on_a_line_is_a_correlation() -> None:
    rng = np.random.default_rng(0)
    values, places = rng.normal(size=(2, 8))
    names = list("abcdefgh")
    matrix = pd.DataFrame(squareform(pdist(places[:, None])), names, names)
    found = examined(matrix, values.tolist())["regression"]
    assert found.effect == pytest.approx(pearsonr(values, places).statistic ** 2)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_mantel_is_exact_and_scikit_bios(method: str, alternative: str) -> None:
    one, other = crooked(0, 5).to_numpy(), crooked(1, 5).to_numpy()
    upper = np.triu_indices(5, 1)
    found = mantel(one[upper], other[upper], 5, 9999, 0, method=method, alternative=alternative)
    expected, _, _ = skbio_mantel(one, other, method, permutations=0)
    assert found.correlation == pytest.approx(expected)
    correlate = {"spearman": spearmanr, "pearson": pearsonr}[method]
    every = np.array(
        [
            correlate(one[upper], other[np.ix_(order, order)][upper]).statistic
            for order in permutations(range(5))
        ]
    )
    extreme = {"two-sided": np.abs(every), "greater": every, "less": -every}[alternative]
    assert found.exact
    assert found.permutations == 120
    assert found.p == pytest.approx(np.mean(extreme >= extreme[0] - 1e-9))
    assert found.smallest_p == pytest.approx(np.mean(extreme >= extreme.max() - 1e-9))


def test_drawn_mantel_comes_near_scikit_bios() -> None:
    one, other = study((5, 4))[0].to_numpy(), crooked(3, 9).to_numpy()
    other = other + 0.3 * one
    upper = np.triu_indices(9, 1)
    found = mantel(one[upper], other[upper], 9, 2000, 0)
    expected = skbio_mantel(one, other, "spearman", permutations=2000, seed=1)
    assert not found.exact
    assert found.correlation == pytest.approx(expected[0])
    # Both are draws: four standard errors of their difference.
    p = found.p
    assert abs(p - expected[1]) < 4 * np.sqrt(2 * p * (1 - p) / 2000) + 1 / 2000


@pytest.mark.parametrize("values", [[3.0, 1, 4, 1.5, 9, 2], [0.1, 0.2, 0.3, 0.3, 0.2, 0.5]])
def test_mantel_of_a_column_is_that_of_its_differences(values: list) -> None:
    matrix = crooked(0, 6)
    upper = np.triu_indices(6, 1)
    differences = np.round(np.abs(np.subtract.outer(values, values)), 12)
    expected = mantel(
        matrix.to_numpy()[upper], differences[upper], 6, 9999, 0, alternative="greater"
    )
    found = examined(matrix, values)["mantel"]
    assert found.effect == pytest.approx(expected.correlation)
    assert found.p == pytest.approx(expected.p)
    assert found.smallest_p == pytest.approx(expected.smallest_p)


def test_mantel_says_what_does_not_fit() -> None:
    values = np.arange(6.0)
    with pytest.raises(SightlineError, match="6 pairs of 4 models"):
        mantel(values, values[:5], 4, 99, 0)
    with pytest.raises(SightlineError, match="at least 3"):
        mantel(values[:1], values[:1], 2, 99, 0)
    with pytest.raises(SightlineError, match="a pair has no value"):
        mantel(values, np.where(values > 4, np.nan, values), 4, 99, 0)
    constant = mantel(values, np.ones(6), 4, 99, 0)
    assert np.isnan([constant.correlation, constant.p, constant.smallest_p]).all()


# --- Columns ------------------------------------------------------------------------------------


def test_a_column_is_groups_or_a_number() -> None:
    matrix, _ = study((4, 3))
    names = list(matrix.index)

    def read(values: list) -> tuple:
        found = read_factor(pd.Series(values, names, name="c"), matrix)
        return found.kind, found.levels, found.sizes

    assert read([1, 2, 2, 3, 3, 3, 1]) == ("number", [1, 2, 3], [2, 2, 3])
    assert read([True, True, False, False, True, True, True])[:2] == ("groups", ["False", "True"])
    assert read(["p16", "p32"] * 3 + ["p16"])[0] == "groups"


def test_models_left_out_are_named_with_the_reason() -> None:
    matrix, _ = study((5, 4))
    matrix.loc["m1", "m2"] = matrix.loc["m2", "m1"] = np.nan
    matrix.loc["m1", "m3"] = matrix.loc["m3", "m1"] = np.nan
    column = pd.Series(["a"] * 4 + ["b"] * 3 + ["c", None], matrix.index, name="family")
    found = read_factor(column.iloc[::-1], matrix)
    assert found.models == ["m0", "m2", "m3", "m4", "m5", "m6"]
    assert found.sizes == [3, 3]
    assert found.left_out == {
        "no family": ["m8"],
        "no dissimilarity to some other model": ["m1"],
        "the only one of its family": ["m7"],
    }
    direct = examined(matrix.loc[found.models, found.models], list("aaabbb"))
    assert examined(matrix, column.tolist())["permanova"] == direct["permanova"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["a"] * 4, "all models that can be compared are of one c, a"),
        (["a", "b", "c", "d"], "no two models share a c"),
        ([None] * 4, "no two models share a c"),
        ([1.0, 2.0, np.nan, np.nan], "of fewer than three models the c is known"),
        ([2, 2, 2, 2], "all models have the same c"),
    ],
)
def test_what_cannot_be_tested_says_why(values: list, reason: str) -> None:
    matrix, _ = study((2, 2))
    column = pd.Series(values, matrix.index, name="c")
    factor = read_factor(column, matrix)
    assert factor.untestable == reason
    found = examine_factor(matrix, factor, permutations=99, seed=0)
    assert [one.test for one in found] == list(
        GROUP_TESTS if factor.kind == "groups" else NUMBER_TESTS
    )
    assert np.isnan([[one.p, one.statistic, one.effect] for one in found]).all()
    models = pd.DataFrame({"c": column})
    tests, answers = architecture(
        [("cam", "cosine", matrix)], models, ["c"], permutations=99, level=LEVEL, seed=0
    )
    assert len(tests) == len(found)
    assert answers["answer"].tolist() == ["cannot be decided"]
    assert answers["models_needed"].isna().all()
    assert answers["sentence"].item().startswith(f"Cannot be decided: {reason}.")


def test_models_that_are_all_alike_decide_nothing() -> None:
    names = list("abcdef")
    matrix = pd.DataFrame(np.zeros((6, 6)), names, names)
    models = pd.DataFrame({"family": list("xxxyyy"), "size": range(6)}, names)
    _, answers = architecture(
        [("cam", "cosine", matrix)], models, ["family", "size"],
        permutations=999, level=LEVEL, seed=0,
    )  # fmt: skip
    assert answers["answer"].tolist() == ["cannot be decided"] * 2


def test_groups_of_equal_models_are_told_apart() -> None:
    names = list("abcdefgh")
    apart = np.not_equal.outer(list("xxxxyyyy"), list("xxxxyyyy")).astype(float)
    found = examined(pd.DataFrame(apart, names, names), list("xxxxyyyy"))
    for test in ("permanova", "welch", "anosim", "adjusted_rand"):
        assert found[test].p == pytest.approx(2 / 70)
    # All 128 flips leave everybody where it is: none comes near.
    assert found["welch_flipped"].p == pytest.approx(1 / 129)
    assert np.isnan(found["permdisp"].p)


# --- Correction and answer ----------------------------------------------------------------------


def closed_testing(p: np.ndarray) -> list[float]:
    """Holm's correction as what it shortens: Bonferroni for every set of hypotheses."""
    every = range(len(p))
    sets = [one for size in range(1, len(p) + 1) for one in combinations(every, size)]
    return [
        max(min(1.0, len(one) * min(p[list(one)])) for one in sets if number in one)
        for number in every
    ]


@pytest.mark.parametrize("seed", range(4))
def test_holm_is_closed_testing(seed: int) -> None:
    p = np.random.default_rng(seed).uniform(0, 0.2, 6).round(2)
    np.testing.assert_allclose(holm(p), closed_testing(p))
    with_nan = np.insert(p, 2, np.nan)
    np.testing.assert_allclose(holm(with_nan), np.insert(holm(p), 2, np.nan))
    assert len(holm(np.array([]))) == 0


def answered(matrices: list[pd.DataFrame], values: list, **how: float) -> tuple:
    models = pd.DataFrame({"family": values}, matrices[0].index)
    named = [("cam", f"measure{i}", matrix) for i, matrix in enumerate(matrices)]
    given = {"permutations": 9999, "level": LEVEL, "seed": 0} | how
    return architecture(named, models, ["family"], **given)


def test_a_clear_effect_is_a_yes_with_its_size() -> None:
    matrix, codes = study((7, 7), shift=4.0)
    tests, answers = answered([matrix], labels(codes))
    row = answers.iloc[0]
    assert row["answer"] == "yes"
    assert row["sentence"].startswith(f"Yes: {row['effect']:.0%} of")
    assert tests["p_holm"].tolist() == tests["p"].tolist()
    assert row["p_holm"] == tests.set_index("test").loc[DECIDING["groups"], "p"].max()


def test_few_models_decide_nothing_and_the_answer_says_how_many_would() -> None:
    matrix, codes = study((4, 4), shift=50.0)
    _, answers = answered([matrix], labels(codes))
    assert answers["answer"].item() == "yes"
    # Corrected for two, the smallest p-value of 4 against 4 is .057.
    tests, answers = answered([matrix, matrix * 2], labels(codes))
    assert answers["answer"].tolist() == ["cannot be decided"] * 2
    np.testing.assert_allclose(tests["smallest_p_holm"].iloc[0], 4 / 70)
    assert answers["models_needed"].tolist() == [10, 10]
    assert (
        "with 4 + 4 models the p-value cannot be below 0.029, corrected for 2 tests 0.057"
        in (answers["sentence"].iloc[0])
    )


def test_permanova_alone_makes_no_claim() -> None:
    """A wide group that PERMANOVA takes for one elsewhere, which Welch's form does not."""
    truth = Truth((9, 5), (1.0, 2.0), 0.0, "plane")
    for seed in range(200):
        matrix = simulate(truth, seed)
        found = examined(matrix, truth.families)
        if found["permanova"].p <= LEVEL < found["welch"].p:
            break
    _, answers = answered([matrix], truth.families)
    assert answers["answer"].item() == "no evidence"


def test_models_needed_are_the_fewest() -> None:
    assert models_needed(2, 1, 9999, LEVEL) == 8
    assert models_needed(2, 2, 9999, LEVEL) == 10
    assert models_needed(3, 1, 9999, LEVEL) == 9  # 2 + 2 + 2: 6/90; 3 + 3 + 3: 6/1680
    assert models_needed(4, 200, 9999, LEVEL) == 16  # 4 x 3: 1/15400 by labels, 1/2049 by signs
    assert models_needed(None, 1, 9999, LEVEL) == 4  # 1/24
    assert models_needed(None, 1, 999, LEVEL) == 4
    # Ten permutations never suffice for ten tests.
    assert models_needed(2, 10, 10, LEVEL) is None
    assert models_needed(None, 10, 10, LEVEL) is None
    assert permutations_needed(10, LEVEL) == 199
    for groups, tests in ((2, 1), (2, 24), (3, 7), (4, 50)):
        size = models_needed(groups, tests, 9999, LEVEL) // groups
        assert tests * smallest_p_of_sizes([size] * groups, 9999) <= LEVEL
        assert tests * smallest_p_of_sizes([size - 1] * groups, 9999) > LEVEL


# --- Simulated studies --------------------------------------------------------------------------


def rejected(truth: Truth, studies: int) -> pd.Series:
    """The share of studies in which each test, and the claim, rejects."""
    found = []
    for seed in range(studies):
        tests = examined(simulate(truth, seed), truth.families, permutations=999, seed=seed)
        found.append({name: one.p <= LEVEL for name, one in tests.items()})
    table = pd.DataFrame(found)
    return table.assign(claim=table[DECIDING["groups"]].all(axis=1)).mean()


def at_level(share: float, studies: int) -> bool:
    """Not above the level by more than chance: one in 10,000 tests of a right level fails."""
    return bool(share * studies <= binom.ppf(1 - 1e-4, studies, LEVEL))


@pytest.mark.parametrize("data", ["plane", "maps"])
@pytest.mark.parametrize("sizes", [(4, 4), (7, 7), (9, 5)])
def test_without_effect_every_test_keeps_its_level(sizes: tuple[int, ...], data: str) -> None:
    share = rejected(Truth(sizes, (1.0, 1.0), 0.0, data), 150)
    for test, value in share.items():
        assert at_level(value, 150), test


@pytest.mark.parametrize(
    ("sizes", "spreads", "data"),
    [
        ((9, 5), (1.0, 2.0), "plane"),
        ((9, 5), (1.0, 2.0), "space"),
        ((9, 5), (2.0, 1.0), "space"),
        ((7, 7), (1.0, 2.0), "maps"),
    ],
)
def test_unequal_spreads_are_no_claim(
    sizes: tuple[int, ...], spreads: tuple[float, ...], data: str
) -> None:
    share = rejected(Truth(sizes, spreads, 0.0, data), 150)
    assert at_level(share["claim"], 150)


def test_permanova_alone_claims_too_much_under_unequal_spreads() -> None:
    """The reason for Welch's form, and that the simulation shows it."""
    share = rejected(Truth((9, 5), (1.0, 2.0), 0.0, "space"), 150)
    assert share["permanova"] > 0.15
    assert share["permdisp"] > 0.9


def test_an_effect_is_found_the_more_the_larger_it_is() -> None:
    small, large = (
        rejected(Truth((7, 7), (1.0, 1.0), shift, "space"), 60)["claim"] for shift in (1.0, 4.0)
    )
    assert large > 0.9
    assert small < large - 0.3


def test_a_number_keeps_its_level_and_is_found() -> None:
    def share(slope: float, studies: int) -> pd.Series:
        found = []
        for seed in range(studies):
            matrix, column = simulate_number(9, slope, seed)
            tests = examined(matrix, column.tolist(), permutations=499, seed=seed)
            found.append({name: one.p <= LEVEL for name, one in tests.items()})
        return pd.DataFrame(found).mean()

    none = share(0.0, 200)
    assert all(at_level(none[test], 200) for test in NUMBER_TESTS)
    assert share(3.0, 40)["regression"] > 0.8


def test_simulated_studies_are_of_their_seed() -> None:
    truth = Truth((3, 3), (1.0, 1.0), 1.0, "maps")
    pd.testing.assert_frame_equal(simulate(truth, 1), simulate(truth, 1))
    assert not simulate(truth, 1).equals(simulate(truth, 2))


def test_clusters_are_cut_where_they_are_wanted() -> None:
    matrix, codes = study((4, 3), shift=50.0)
    clusters = average_clusters(matrix.to_numpy(), 2)
    assert adjusted_rand_score(codes, clusters) == 1
    found = adjusted_rand(clusters, arrange(codes, 100, 0))
    assert found[0] == pytest.approx(1)
    assert found.mean() == pytest.approx(0, abs=1e-12)
