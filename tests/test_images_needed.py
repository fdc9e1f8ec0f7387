"""How many images are enough, against plain loops and simulated studies."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.stats import binom
from sklearn.metrics import adjusted_rand_score

from mapfiles import write_maps
from sightline.compare.cluster_stability import cluster_stability
from sightline.compare.engine import CompareSettings, compare_maps
from sightline.compare.images_needed import (
    Drawn,
    differences,
    draw_dissimilarities,
    subset_sizes,
    subsets,
)
from sightline.compare.measures.protocol import resolve
from sightline.compare.statistics import Statistics
from sightline.compare.study_size import half_widths, recommend
from sightline.errors import SightlineError
from sightline.jobs.merging.images_needed import find_images_needed
from sightline.plots.images_needed import images_needed_figure

MODELS = 6
PAIRS = list(combinations(range(MODELS), 2))


def values(images: int, seed: int = 0) -> np.ndarray:
    """Similarities (pairs, images) of two groups of models, some of them not used."""
    rng = np.random.default_rng(seed)
    centre = np.array([0.8 if (a < 3) == (b < 3) else 0.4 for a, b in PAIRS])
    found = centre[:, None] + rng.normal(0, 0.1, (len(PAIRS), images))
    found[2, ::5] = np.nan
    return found


def test_sizes_grow_evenly_up_to_all_images() -> None:
    assert subset_sizes(1000) == [4, 7, 14, 25, 47, 86, 159, 293, 541, 1000]
    assert subset_sizes(5) == [4, 5]
    assert subset_sizes(2) == [2]


def test_subsets_hold_each_image_at_most_once() -> None:
    found = subsets(40, [4, 20, 40], 500, seed=0)
    assert found.shape == (1500, 40)
    assert set(np.unique(found)) == {0.0, 1.0}
    assert found.sum(axis=1).tolist() == [4] * 500 + [20] * 500 + [40] * 500
    # Each image is in a tenth, then half of the draws; 5 binomial errors.
    for part, share in ((found[:500], 0.1), (found[500:1000], 0.5)):
        assert (np.abs(part.mean(axis=0) - share) < 5 * np.sqrt(share * (1 - share) / 500)).all()


def test_subsets_are_the_plain_loop() -> None:
    found, sizes, draws = values(30), [4, 12, 30], 5
    weights = subsets(30, sizes, draws, seed=1)
    drawn = draw_dissimilarities([found[:4], found[4:]], weights)
    table = differences(drawn, sizes, 30).set_index("images")

    def dissimilarity(chosen: np.ndarray) -> np.ndarray:
        mean, spread = np.nanmean(chosen, axis=1), np.nanstd(chosen, axis=1, ddof=1)
        return np.sqrt((1 - mean) ** 2 + spread**2)

    full = dissimilarity(found)
    np.testing.assert_allclose(drawn.full, full, rtol=1e-6)
    for number, size in enumerate(sizes):
        rows = weights[number * draws : (number + 1) * draws] > 0
        cells = np.array([dissimilarity(found[:, row]) for row in rows])
        np.testing.assert_allclose(
            drawn.drawn[number * draws : (number + 1) * draws], cells, atol=2e-6
        )
        summed = np.abs(cells - full).sum(axis=1)
        assert table.loc[size, "difference"] == pytest.approx(summed.mean(), abs=2e-5)
        assert table.loc[size, "difference_a_pair"] == pytest.approx(
            summed.mean() / len(PAIRS), abs=2e-6
        )
        assert table.loc[size, "variance"] == pytest.approx(
            cells.var(axis=0, ddof=1).mean(), abs=1e-6
        )
    np.testing.assert_allclose(drawn.spread, np.nanstd(found, axis=1, ddof=1))
    assert drawn.share[2] == pytest.approx(0.8)


def test_the_full_study_agrees_with_itself() -> None:
    sizes = [8, 24]
    drawn = draw_dissimilarities([values(24)], subsets(24, sizes, 10, seed=0))
    table = differences(drawn, sizes, 24)
    assert table["difference"].iloc[0] > 0.1
    assert table["difference"].iloc[-1] == pytest.approx(0, abs=1e-5)
    assert table["variance"].iloc[-1] == pytest.approx(0, abs=1e-10)
    assert np.isnan(table["variance_new"].iloc[-1])
    clusters = cluster_stability(drawn, sizes, MODELS)
    assert clusters["clusters"].tolist() == [2, 2]
    assert clusters["rand"].iloc[-1] == 1
    assert clusters["cophenetic"].iloc[-1] == pytest.approx(1)
    assert clusters["clustered"].tolist() == [10, 10]


def test_pairs_without_images_are_counted_and_not_clustered() -> None:
    found = values(20)
    found[3, 2:] = np.nan
    drawn = draw_dissimilarities([found], subsets(20, [6, 20], 50, seed=0))
    table = differences(drawn, [6, 20], 20)
    # Both images must be drawn: 6/20 * 5/19 of the draws have the pair.
    low, high = binom.interval(0.999, 50, 1 - 30 / 380)
    assert low <= table["missing"].iloc[0] * 50 <= high
    assert table["missing"].iloc[1] == 0
    counts = cluster_stability(drawn, [6, 20], MODELS)["clustered"]
    assert counts.iloc[0] == round(50 * (1 - table["missing"].iloc[0]))
    assert counts.iloc[1] == 50
    found[3] = np.nan
    nothing = draw_dissimilarities([found], subsets(20, [6, 20], 5, seed=0))
    assert cluster_stability(nothing, [6, 20], MODELS)["rand"].isna().all()
    assert differences(nothing, [6, 20], 20)["missing"].tolist() == [1, 1]


def test_clusters_are_scipys_and_sklearns() -> None:
    rng = np.random.default_rng(0)
    full = rng.uniform(0.1, 1, len(PAIRS))
    drawn = np.abs(full + rng.normal(0, 0.2, (8, len(PAIRS)))).astype(np.float32)
    nothing = np.zeros(len(PAIRS))
    table = cluster_stability(Drawn(full, drawn, nothing, nothing), [4, 5], MODELS)
    tree = linkage(full, "average")
    cut = int(table["clusters"].iloc[0])
    rand, correlation = [], []
    for one in drawn[4:].astype(float):
        other = linkage(one, "average")
        cuts = [fcluster(each, cut, "maxclust") for each in (tree, other)]
        rand.append(adjusted_rand_score(*cuts))
        correlation.append(np.corrcoef(cophenet(tree), cophenet(other))[0, 1])
    assert table["rand"].iloc[1] == pytest.approx(np.mean(rand))
    assert table["cophenetic"].iloc[1] == pytest.approx(np.mean(correlation))


def test_two_models_have_no_tree_to_compare() -> None:
    one = np.full(1, 0.3)
    drawn = np.full((4, 1), 0.3, np.float32)
    table = cluster_stability(Drawn(one, drawn, one, one), [2, 3], 2)
    assert table[["clusters", "rand", "cophenetic"]].isna().all(axis=None)


def test_variance_freed_of_the_finite_study_is_that_of_new_studies() -> None:
    rng = np.random.default_rng(5)
    images, size, pairs = 300, 100, 60

    def dissimilarity(similar: np.ndarray) -> np.ndarray:
        return np.hypot(1 - similar.mean(axis=-1), similar.std(axis=-1, ddof=1))

    study = rng.normal(0.6, 0.2, (pairs, images))
    drawn = draw_dissimilarities([study], subsets(images, [size], 400, seed=0))
    row = differences(drawn, [size], images).iloc[0]
    new = dissimilarity(rng.normal(0.6, 0.2, (2000, pairs, size))).var(axis=0, ddof=1).mean()
    # Each pair's variance is known to 1/sqrt(200) by its draws and to 1/sqrt(150) by its
    # study of 300; over 60 pairs that is 1.4 %, of which three are allowed.
    assert row["variance_new"] == pytest.approx(new, rel=0.042)
    assert row["variance"] == pytest.approx(new * 2 / 3, rel=0.042)


def test_a_study_of_the_recommended_size_is_as_precise_as_wanted() -> None:
    rng = np.random.default_rng(6)
    spreads = np.array([0.05, 0.1, 0.1, 0.1, 0.3])
    pilot = rng.normal(0.5, spreads[:, None], (5, 4000))
    pilot[4, ::2] = np.nan  # half of the images are not used
    drawn = draw_dissimilarities([pilot], subsets(4000, [10], 2, seed=0))
    names = np.array([[f"a{i}", f"b{i}"] for i in range(5)])
    found = recommend(drawn, names, 4000, precision=0.02).set_index("of_pair")
    # (1.96 s / 0.02)^2, twice that where half of the images are used.
    assert found.loc["median", "recommended"] == pytest.approx(96, rel=0.1)
    assert found.loc["worst", "recommended"] == pytest.approx(2 * 864, rel=0.1)
    assert found.loc["worst", ["model_a", "model_b"]].tolist() == ["a4", "b4"]
    assert found["enough"].all()
    drawn_n = int(found.loc["worst", "recommended"])
    means = rng.normal(0.5, 0.3, (2000, drawn_n // 2)).mean(axis=1)
    inside = (np.abs(means - 0.5) <= 0.02).mean()
    # 95 % of 2000 studies: three binomial errors of 0.5 %, and the pilot's own error.
    assert inside == pytest.approx(0.95, abs=0.025)
    curve = half_widths(drawn, [10, int(found.loc["median", "recommended"])])
    assert curve["half_width"].iloc[1] == pytest.approx(0.02, rel=0.01)
    assert curve["half_width_worst"].iloc[0] == pytest.approx(1.96 * 0.3 / np.sqrt(5), rel=0.05)


def test_more_images_than_there_are_may_be_recommended() -> None:
    drawn = draw_dissimilarities([values(12)], subsets(12, [4], 2, seed=0))
    names = np.array(PAIRS).astype(str)
    found = recommend(drawn, names, 12, precision=0.001)
    assert (found["recommended"] > 12).all()
    assert not found["enough"].any()
    assert len(recommend(drawn, names, 12, precision=10.0)["recommended"]) == 2


def test_without_a_spread_nothing_is_recommended() -> None:
    nothing = np.full((3, 5), np.nan)
    drawn = draw_dissimilarities([nothing], subsets(5, [4], 2, seed=0))
    assert recommend(drawn, np.array([["a", "b"]] * 3), 5, precision=0.02).empty
    assert half_widths(drawn, [4])["half_width"].isna().all()


def test_tables_of_a_method_are_complete(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = 24
    shared = rng.random((images, 1, 8, 8))
    maps = shared + rng.random((images, 4, 8, 8))
    maps[3, 1] = 0
    files = {
        f"m{m}": [write_maps(tmp_path / f"m{m}.h5", maps[:, m], targets=[0] * images)]
        for m in range(4)
    }
    measures = {"cosine": resolve({"measure": "cosine"}), "kappa": resolve({"measure": "kappa"})}
    compare_maps(files, CompareSettings(8, measures, {"": ("max",)}), tmp_path / "pairs.h5")
    options = {"draws": 10, "precision": 0.001, "linkage": "average", "level": 0.95, "seed": 0}
    curve_file, advice_file = tmp_path / "curve.csv", tmp_path / "advice.csv"
    find_images_needed("cam", [tmp_path / "pairs.h5"], curve_file, advice_file, **options)
    curve, advice = pd.read_csv(curve_file), pd.read_csv(advice_file)
    assert advice.groupby("measure")["of_pair"].apply(list).tolist() == [["median", "worst"]] * 2
    for measure, own in curve.groupby("measure"):
        drawn = own[own["difference"].notna()]
        assert drawn["images"].tolist() == subset_sizes(images)
        assert (own["of"] == images).all()
        told = advice[advice["measure"] == measure].set_index("of_pair")["recommended"]
        # The curve goes on to what is recommended, where it is as precise as wanted.
        last = own.iloc[-1]
        assert last["images"] == told.max() > images
        assert last["half_width_worst"] <= 0.001
        assert last["half_width_worst"] == pytest.approx(0.001, rel=0.01)
    found = Statistics([tmp_path / "pairs.h5"])
    values = found.similarity("cosine", slice(None))
    expected = draw_dissimilarities([values], subsets(images, subset_sizes(images), 10, 0))
    same = differences(expected, subset_sizes(images), images)
    drawn = curve[(curve["measure"] == "cosine") & curve["difference"].notna()]
    np.testing.assert_allclose(drawn["difference"], same["difference"])


def test_one_model_has_no_pairs(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).random((4, 8, 8))
    files = {"m": [write_maps(tmp_path / "m.h5", maps)]}
    measures = {"cosine": resolve({"measure": "cosine"})}
    compare_maps(files, CompareSettings(8, measures, {}), tmp_path / "pairs.h5")
    options = {"draws": 5, "precision": 0.02, "linkage": "average", "level": 0.95, "seed": 0}
    with pytest.raises(SightlineError, match="comparing needs two"):
        find_images_needed(
            "cam", [tmp_path / "pairs.h5"], tmp_path / "a", tmp_path / "b", **options
        )


def test_the_figure_marks_what_is_recommended() -> None:
    drawn = draw_dissimilarities([values(30)], subsets(30, [4, 30], 5, seed=0))
    advice = recommend(drawn, np.array(PAIRS).astype(str), 30, precision=0.02)
    curve = half_widths(drawn, [4, 30, 400]).merge(differences(drawn, [4, 30], 30), how="left")
    curve = curve.merge(cluster_stability(drawn, [4, 30], MODELS), how="left").assign(of=30)
    figure = images_needed_figure(curve, advice)
    written = {text.get_text() for text in figure.axes[2].texts}
    assert written == {str(count) for count in advice["recommended"]}
    lines = {line.get_label(): line for line in figure.axes[2].lines}
    np.testing.assert_allclose(lines["worst pair"].get_ydata(), curve["half_width_worst"])
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [4, 30])
    plt.close(figure)
