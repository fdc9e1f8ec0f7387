"""Structure among models, against scipy, sklearn, networkx, brute force and simulation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pulp
import pytest
from scipy.cluster.hierarchy import cophenet, cut_tree, linkage, to_tree
from scipy.spatial.distance import pdist, squareform
from scipy.stats import binom, ortho_group
from sklearn.manifold import smacof
from sklearn.metrics import adjusted_rand_score

from sightline.compare.pairs import Pairs, write_pairs
from sightline.compare.structure.agreement import adjusted_rand
from sightline.compare.structure.clouds import cloud_dispersions, log_dispersion
from sightline.compare.structure.clusters import decision_table, silhouettes
from sightline.compare.structure.communities import (
    Proof,
    prove,
    resolution_row,
)
from sightline.compare.structure.embedding import (
    metric_scaling,
    principal_coordinates,
    stress_1,
)
from sightline.compare.structure.found import Structure, StructureSettings, find_structure
from sightline.compare.structure.gap import hold_against_clouds
from sightline.compare.structure.graph import community_graph, community_weights
from sightline.compare.structure.linkage import LINKAGES, branch_support, linkage_table
from sightline.compare.structure.louvain import by_first, louvain, modularity
from sightline.compare.structure.modularity import greatest_modularity
from sightline.errors import SightlineError
from sightline.jobs.merging.structure import TABLES, find_structures
from sightline.plots.clusters import clusters_figure
from sightline.plots.communities import communities_figure, resolutions_figure
from sightline.plots.dendrogram import dendrogram_figure
from sightline.plots.embedding import embedding_figure
from sightline.plots.heatmap import heatmap
from sightline.plots.histograms import histograms
from sightline.plots.style import house_style, save

QUICK = StructureSettings(resolutions=(1.0,))


def frame(values: np.ndarray, names: str | None = None) -> pd.DataFrame:
    labels = list(names) if names else [f"m{i}" for i in range(len(values))]
    return pd.DataFrame(values, labels, labels)


def blocks() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two groups of models: p, q, r alike, and s, t."""
    names = "psqtr"
    group = np.array([name in "st" for name in names])
    similar = np.where(group[:, None] == group[None], 0.9, 0.2)
    similar += np.random.default_rng(0).uniform(0, 0.02, (5, 5))
    similar = (similar + similar.T) / 2
    np.fill_diagonal(similar, 1)
    return frame(1 - similar, names), frame(similar, names)


def noisy_weights(count: int, seed: int, cut: float = 0.0) -> np.ndarray:
    """A random graph, its weakest edges cut."""
    weights = np.random.default_rng(seed).uniform(0, 1, (count, count))
    weights = (weights + weights.T) / 2
    weights[weights < cut] = 0
    np.fill_diagonal(weights, 0)
    return weights


# Trees


@pytest.mark.parametrize("method", LINKAGES)
def test_merges_are_scipys(method: str) -> None:
    different, similar = blocks()
    found = find_structure(different, similar, settings=QUICK).linkage
    found = found[found["linkage"] == method].reset_index(drop=True)
    pairs = squareform(different.to_numpy())
    matrix = linkage(pairs, method)
    assert found["step"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(found["height"], matrix[:, 2])
    np.testing.assert_allclose(found["cophenetic"], cophenet(matrix, pairs)[0])
    members = [{name} for name in different.index]
    for row, (one, other, *_) in zip(found.itertuples(), matrix, strict=True):
        left, right = set(row.left.split()), set(row.right.split())
        assert (left, right) == (members[int(one)], members[int(other)])
        assert row.size == len(left | right)
        members.append(left | right)
    assert {found["left"].iloc[-1], found["right"].iloc[-1]} <= {"s t", "t s"} | {
        " ".join(p) for p in (("q", "p", "r"), ("p", "q", "r"), ("r", "p", "q"), ("p", "r", "q"),
                              ("q", "r", "p"), ("r", "q", "p"))
    }  # fmt: skip


def branches(tree: np.ndarray) -> list[frozenset[int]]:
    """The leaves below each merge, by walking the tree."""
    _, nodes = to_tree(tree, rd=True)
    return [frozenset(node.pre_order()) for node in nodes if not node.is_leaf()]


@pytest.mark.parametrize("method", LINKAGES)
def test_support_counts_the_trees_with_a_branch(method: str) -> None:
    rng = np.random.default_rng(3)
    pairs = pdist(rng.standard_normal((9, 3)))
    replicates = (pairs * rng.uniform(0.6, 1.4, (40, len(pairs)))).astype(np.float32)
    tree = linkage(pairs, method)
    others = [set(branches(linkage(row.astype(float), method))) for row in replicates]
    expected = [np.mean([branch in other for other in others]) for branch in branches(tree)]
    found = branch_support(tree, replicates, method)
    np.testing.assert_allclose(found, expected)
    assert found[-1] == 1
    assert 0 < found[:-1].min() < found[:-1].max() < 1


def test_support_needs_replicates() -> None:
    different, similar = blocks()
    table = find_structure(different, similar, settings=QUICK).linkage
    assert table["support"].isna().all()
    assert (table["replicates"] == 0).all()
    # Of a replicate with a pair too few images have in common nothing is known.
    rows = np.tile(squareform(different.to_numpy()), (3, 1))
    rows[1, 2] = np.nan
    table = find_structure(different, similar, rows, QUICK).linkage
    assert (table["replicates"] == 2).all()
    assert (table["support"] == 1).all()


def test_a_tree_of_equals_fits_nothing() -> None:
    table = linkage_table(frame(0.4 * (1 - np.eye(4))), np.empty((0, 6)))
    assert table["cophenetic"].isna().all()
    np.testing.assert_allclose(table["height"], 0.4)


# Communities


def test_louvain_is_that_of_networkx() -> None:
    for count, seed in ((2, 0), (5, 1), (14, 2), (14, 3), (30, 4), (60, 5)):
        for cut in (0.0, 0.5):
            weights = noisy_weights(count, seed, cut)
            for resolution in (0.8, 1.0, 1.06, 1.4):
                graph = nx.from_numpy_array(weights)
                parts = nx.community.louvain_communities(graph, resolution=resolution, seed=seed)
                expected = np.zeros(count, int)
                for number, part in enumerate(parts):
                    expected[list(part)] = number
                found = louvain(weights, resolution, seed)
                np.testing.assert_array_equal(found, by_first(expected))
                if weights.any():
                    np.testing.assert_allclose(
                        modularity(weights, found, resolution),
                        nx.community.modularity(graph, parts, resolution=resolution),
                        atol=1e-12,
                    )


def test_louvain_finds_two_blocks() -> None:
    different, similar = blocks()
    found = find_structure(different, similar, settings=QUICK).communities
    assert found["model"].tolist() == list("psqtr")
    assert found["community"].tolist() == [1, 2, 1, 2, 1]
    assert found["optimum"].tolist() == [1, 2, 1, 2, 1]
    graph = community_graph(different)
    expected = nx.community.modularity(graph, [set("pqr"), set("st")], resolution=1.06)
    np.testing.assert_allclose(found["modularity"], expected)


def test_resolution_decides_how_many_communities() -> None:
    different, similar = blocks()
    settings = StructureSettings(resolutions=(10.0, 0.1, 1.06))
    found = find_structure(different, similar, settings=settings).resolutions
    assert found["resolution"].tolist() == [0.1, 1.06, 10.0]
    assert found["communities"].tolist() == [1, 2, 5]


def test_models_without_anything_in_common_are_communities_of_one() -> None:
    found = find_structure(frame(1.2 * (1 - np.eye(3))), frame(np.eye(3)), settings=QUICK)
    assert found.communities["community"].tolist() == [1, 2, 3]
    assert found.communities["optimum"].tolist() == [1, 2, 3]
    assert found.resolutions["modularity"].isna().all()
    assert (found.resolutions["proof"] == "proven").all()


def partitions(count: int) -> Iterator[np.ndarray]:
    """Every partition, as labels that first occur in order."""

    def extend(labels: list[int]) -> Iterator[list[int]]:
        if len(labels) == count:
            yield labels
            return
        for label in range(max(labels, default=-1) + 2):
            yield from extend([*labels, label])

    yield from map(np.array, extend([]))


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_no_partition_has_more_than_the_optimum(count: int) -> None:
    every = list(partitions(count))
    assert len(every) == {2: 2, 3: 5, 5: 52, 7: 877}[count]
    for seed in range(3):
        weights = noisy_weights(count, seed, 0.4)
        weights[0, 1] = weights[1, 0] = 0.5
        for resolution in (0.7, 1.06, 1.5):
            best = max(modularity(weights, labels, resolution) for labels in every)
            found = greatest_modularity(weights, resolution, 30)
            assert found.proven
            assert found.modularity == pytest.approx(best, abs=1e-9)
            parts = [set(np.flatnonzero(found.labels == k)) for k in set(found.labels)]
            graph = nx.from_numpy_array(weights)
            expected = nx.community.modularity(graph, parts, resolution=resolution)
            assert found.modularity == pytest.approx(expected, abs=1e-12)


def test_the_table_says_that_louvain_missed_the_best(capfd: pytest.CaptureFixture[str]) -> None:
    weights = noisy_weights(10, 4)
    rows = []
    for resolution in (0.5, 1.0):
        labels = louvain(weights, resolution, 0)
        optimum = prove(weights, resolution, Proof())
        rows.append(resolution_row(weights, np.empty((0, 45)), resolution, 0, labels, optimum))
    easy, hard = rows
    assert easy["gap"] == 0
    assert hard["gap"] > 1e-4
    assert hard["optimum"] == pytest.approx(hard["modularity"] + hard["gap"])
    assert [row["proof"] for row in rows] == ["proven"] * 2
    assert capfd.readouterr() == ("", "")


def test_what_is_not_proven_is_not_called_so() -> None:
    weights = noisy_weights(30, 0)
    labels = louvain(weights, 1.03, 0)
    none = np.empty((0, 435))
    optimum = prove(weights, 1.03, Proof(models=30, seconds=1))
    row = resolution_row(weights, none, 1.03, 0, labels, optimum)
    assert row["proof"] == "not proven"
    assert row["gap"] >= 0
    assert prove(weights, 1.03, Proof(models=29)) is None
    row = resolution_row(weights, none, 1.03, 0, labels, None)
    assert row["proof"] == "too many models"
    assert np.isnan(row["gap"])


def test_a_missing_solver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulp.COIN_CMD, "available", lambda solver: False)
    with pytest.raises(SightlineError, match=r"CBC is missing.*exact_models: 0"):
        greatest_modularity(noisy_weights(4, 0), 1.0, 10)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_agreement_is_sklearns(count: int) -> None:
    rng = np.random.default_rng(0)
    for groups in (1, 3, count):
        labels = rng.integers(0, groups, count)
        others = rng.integers(0, groups, (20, count))
        others[0], others[1], others[2] = labels, 0, np.arange(count)
        expected = [adjusted_rand_score(labels, other) for other in others]
        np.testing.assert_allclose(adjusted_rand(labels, others), expected)


def test_stability_is_mean_agreement() -> None:
    rng = np.random.default_rng(1)
    pairs = pdist(rng.standard_normal((10, 4))) / 6
    replicates = (pairs * rng.uniform(0.8, 1.2, (15, 45))).astype(np.float32)
    weights = community_weights(squareform(pairs))
    labels = louvain(weights, 1.1, 5)
    row = resolution_row(weights, replicates, 1.1, 5, labels, None)

    def agreement(other: np.ndarray, seed: int) -> float:
        graph = nx.from_numpy_array(community_weights(other))
        found = np.zeros(10, int)
        parts = nx.community.louvain_communities(graph, resolution=1.1, seed=seed)
        for number, part in enumerate(parts):
            found[list(part)] = number
        return float(adjusted_rand_score(labels, found))

    resampled = [agreement(squareform(one.astype(float)), 5) for one in replicates]
    seeds = [agreement(squareform(pairs), 5 + other) for other in range(1, 21)]
    assert row["bootstrap_stability"] == pytest.approx(np.mean(resampled))
    assert row["seed_stability"] == pytest.approx(np.mean(seeds))
    assert row["bootstrap_stability"] < 0.95
    assert (row["seeds"], row["replicates"]) == (20, 15)


# Points


def test_components_are_those_of_the_centred_matrix() -> None:
    different, similar = blocks()
    found = find_structure(different, similar, settings=QUICK).embedding
    centred = similar.to_numpy() - similar.to_numpy().mean(axis=0)
    left, singular, _ = np.linalg.svd(centred)
    assert found["model"].tolist() == list(similar.index)
    for i in range(2):
        expected = left[:, i] * singular[i]
        signed = expected * np.sign(expected @ found[f"pc{i + 1}"])
        np.testing.assert_allclose(found[f"pc{i + 1}"], signed, atol=1e-12)
        share = singular[i] ** 2 / (singular**2).sum()
        np.testing.assert_allclose(found[f"explained{i + 1}"], share)


def test_principal_coordinates_have_the_distances() -> None:
    points = np.random.default_rng(0).standard_normal((8, 3)) * [3, 2, 1]
    found, spread = principal_coordinates(squareform(pdist(points)))
    np.testing.assert_allclose(pdist(found), pdist(points))
    singular = np.linalg.svd(points - points.mean(0))[1]
    np.testing.assert_allclose(spread, singular**2)
    np.testing.assert_allclose((found**2).sum(0), spread)


def test_scaling_finds_a_plane() -> None:
    points = np.random.default_rng(0).standard_normal((12, 2))
    found, stress = metric_scaling(squareform(pdist(points)), 0)
    assert stress < 1e-3
    np.testing.assert_allclose(pdist(found), pdist(points), atol=0.01)


def test_stress_is_kruskals_and_no_worse_than_sklearns() -> None:
    distances = squareform(pdist(np.random.default_rng(2).standard_normal((15, 8))))
    points, stress = metric_scaling(distances, 0)
    between = pdist(points)
    expected = np.sqrt(((between - squareform(distances)) ** 2).sum() / (between**2).sum())
    assert stress == pytest.approx(expected)
    other, theirs = smacof(
        distances, n_components=2, n_init=8, random_state=0, normalized_stress=True
    )
    assert theirs == pytest.approx(stress_1(distances, other), rel=1e-6)
    assert stress <= theirs + 1e-3
    again = metric_scaling(distances, 0)[0]
    np.testing.assert_array_equal(points, again)


# Clusters


def test_silhouettes_are_by_their_definition() -> None:
    distances = squareform(pdist(np.random.default_rng(0).standard_normal((9, 3))))
    found = silhouettes(frame(distances), "complete")
    assert found["clusters"].tolist() == list(range(2, 9))
    tree = linkage(squareform(distances), "complete")
    for row in found.itertuples():
        labels = cut_tree(tree, row.clusters)[:, 0]
        values = []
        for i, own in enumerate(labels):
            to = {k: distances[i, (labels == k) & (np.arange(9) != i)] for k in set(labels)}
            a, b = to[own], min(to[k].mean() for k in to if k != own)
            values.append(0 if not len(a) else (b - a.mean()) / max(a.mean(), b))
        assert row.silhouette == pytest.approx(np.mean(values))


def test_dispersion_is_that_of_wards_clusters() -> None:
    points = np.random.default_rng(0).standard_normal((12, 4))
    counts = np.arange(2, 8)
    tree = linkage(points, "ward")
    for count, found in zip(counts, log_dispersion(points, counts), strict=True):
        labels = cut_tree(tree, count)[:, 0]
        groups = [points[labels == k] for k in range(count)]
        expected = sum(((group - group.mean(0)) ** 2).sum() for group in groups)
        assert found == pytest.approx(np.log(expected))


@pytest.mark.parametrize("kind", ["gaussian", "even"])
def test_clouds_have_the_given_spread(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(
        "sightline.compare.structure.clouds.log_dispersion",
        lambda cloud, counts: drawn.append(cloud),
    )
    spread = np.array([5.0, 2.0, 1.0])
    cloud_dispersions(np.random.default_rng(0), kind, 10, spread, np.arange(2, 4), 4)
    assert len(drawn) == 4
    for cloud in drawn:
        np.testing.assert_allclose(cloud.sum(0), 0, atol=1e-9)
        np.testing.assert_allclose(cloud.T @ cloud, np.diag(spread), atol=1e-9)
    assert not np.allclose(drawn[0], drawn[1])


def cloud(rng: np.random.Generator, models: int, axes: int) -> np.ndarray:
    """Models without clusters, of unequal spread along turned axes."""
    points = rng.standard_normal((models, axes)) * np.linspace(1, 0.3, axes)
    return squareform(pdist(points))


STUDIES = 100


@pytest.mark.parametrize(("models", "axes"), [(6, 2), (6, 10), (14, 5), (30, 3)])
def test_one_cloud_is_called_clusters_no_more_often_than_the_level(models: int, axes: int) -> None:
    rng = np.random.default_rng([models, axes])
    found = [hold_against_clouds(cloud(rng, models, axes), i, 99) for i in range(STUDIES)]
    # Exact against the Gaussian, so a rejection in 20 studies, within what 100 tell.
    gaussian = sum(test.p_gaussian <= 0.05 for test in found)
    low, high = binom.ppf([0.001, 0.999], STUDIES, 0.05)
    assert low <= gaussian <= high
    assert sum(test.p <= 0.05 for test in found) <= high


def test_an_even_spread_is_no_cluster() -> None:
    rng = np.random.default_rng(0)
    lines = [squareform(pdist(rng.uniform(size=(30, 1)))) for _ in range(STUDIES)]
    found = [hold_against_clouds(line, i, 99) for i, line in enumerate(lines)]
    high = binom.ppf(0.999, STUDIES, 0.05)
    assert sum(test.p <= 0.05 for test in found) <= high
    # Which the Gaussian alone would have called clusters.
    assert sum(test.p_gaussian <= 0.05 for test in found) > 2 * high


def separated(rng: np.random.Generator, models: int, groups: int, apart: float) -> np.ndarray:
    """Models in groups whose centres are so many standard deviations apart, in six dimensions."""
    centres = np.eye(6)[:groups] * apart / np.sqrt(2)
    return squareform(pdist(rng.standard_normal((models, 6)) + centres[np.arange(models) % groups]))


@pytest.mark.parametrize(
    ("models", "groups", "apart", "power"),
    [(14, 2, 10, 0.9), (14, 3, 8, 0.9), (30, 4, 8, 0.9), (12, 2, 8, 0.7)],
)
def test_separate_clusters_are_found_and_counted(
    models: int, groups: int, apart: float, power: float
) -> None:
    rng, studies = np.random.default_rng(models + groups), 40
    found = [
        hold_against_clouds(separated(rng, models, groups, apart), i, 99) for i in range(studies)
    ]
    assert np.mean([test.p <= 0.05 for test in found]) >= power
    assert np.mean([test.clusters == groups for test in found]) >= 0.8


def test_orientation_of_the_points_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((14, 4))
    turned = points @ ortho_group.rvs(4, random_state=0)
    one, other = (hold_against_clouds(squareform(pdist(x)), 0, 99) for x in (points, turned))
    assert one.p == other.p
    pd.testing.assert_frame_equal(one.curve, other.curve)


def decision(distances: np.ndarray) -> pd.Series:
    table = frame(distances)
    return find_structure(table, 1 - table, settings=QUICK).cluster_test.iloc[0]


def test_few_models_are_not_said_to_have_no_clusters() -> None:
    rng = np.random.default_rng(0)
    few, many = decision(cloud(rng, 6, 4) / 20), decision(cloud(rng, 14, 4) / 20)
    clear = decision(separated(rng, 14, 3, 12) / 20)
    assert (few["decision"], few["clusters"]) == ("cannot be decided", 1)
    assert (many["decision"], many["clusters"]) == ("no clusters found", 1)
    assert (clear["decision"], clear["clusters"]) == ("clusters", 3)
    assert (clear["silhouette_clusters"], clear["smallest_p"]) == (3, 0.002)
    assert clear["p"] == max(clear["p_gaussian"], clear["p_even"]) <= clear["level"]
    # Clear groups are found among six as well.
    assert decision(separated(rng, 6, 3, 20) / 40)["clusters"] == 3


def test_the_level_is_a_setting() -> None:
    distances = separated(np.random.default_rng(4), 14, 2, 6)
    test = hold_against_clouds(distances, 0, 99)
    table = silhouettes(frame(distances), "average")
    said = [
        decision_table(test, table, 14, 99, level)["decision"].iloc[0]
        for level in (test.p - 0.001, test.p)
    ]
    assert said == ["no clusters found", "clusters"]


# Everything


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_models_have_a_structure_too(count: int) -> None:
    distances = frame(0.3 * (1 - np.eye(count)))
    found = find_structure(distances, 1 - distances, settings=QUICK)
    assert len(found.linkage) == 4 * (count - 1)
    assert found.communities["model"].tolist() == list(distances.index)
    assert len(found.embedding) == count
    assert found.clusters["clusters"].tolist() == ([2] if count == 3 else [])
    assert found.cluster_test["decision"].tolist() == ["cannot be decided"]
    assert found.cluster_test["p"].isna().all()


@pytest.mark.parametrize("height", [0.0, 0.4, 1.7])
def test_equal_dissimilarities_have_no_structure(height: float) -> None:
    distances = frame(height * (1 - np.eye(13)))
    replicates = np.full((5, 78), height, np.float32)
    found = find_structure(distances, 1 - distances, replicates, QUICK)
    assert found.cluster_test["decision"].tolist() == ["no clusters found"]
    np.testing.assert_allclose(found.linkage["height"], height)
    assert (found.resolutions["bootstrap_stability"] == 1).all()
    np.testing.assert_allclose(found.clusters["silhouette"], 0, atol=1e-12)
    if height == 0:
        assert not found.embedding.drop(columns="model").to_numpy().any()


@pytest.mark.parametrize("seed", range(3))
def test_structure_follows_the_models_names_not_their_order(seed: int) -> None:
    def summary(found: Structure) -> tuple:
        groups = found.communities.groupby("community")["model"].apply(frozenset)
        test = found.cluster_test[["axes", "clusters"]].to_numpy().tolist()
        return set(groups), found.linkage["height"].round(12).tolist(), test

    different, similar = blocks()
    order = np.random.default_rng(seed).permutation(5)
    mixed = [table.iloc[order, order] for table in (different, similar)]
    one, other = (
        find_structure(*mixed, settings=QUICK),
        find_structure(different, similar, settings=QUICK),
    )
    assert summary(one) == summary(other)


def test_a_missing_pair_is_named() -> None:
    different, similar = blocks()
    different.loc["q", "t"] = different.loc["t", "q"] = np.nan
    with pytest.raises(SightlineError, match="q and t share fewer than two images"):
        find_structure(different, similar)


OPTIONS = {
    "linkage": "average",
    "resolution": 1.06,
    "resolutions": [1.0, 1.1],
    "exact_models": 20,
    "exact_seconds": 60,
    "seed": 42,
}


def pairs_file(path: Path, count: int) -> pd.DataFrame:
    """A pairs file of two measures; the dissimilarities of the second."""
    rng = np.random.default_rng(count)
    models = [f"m{i}" for i in range(count)]
    number = count * (count - 1) // 2
    values = {name: rng.uniform(0.2, 0.8, number) for name in ("cosine", "kappa")}
    pairs = Pairs(
        models,
        {name: 1 - one for name, one in values.items()},
        values,
        {
            name: (one * rng.uniform(0.9, 1.1, (30, number))).astype(np.float32)
            for name, one in values.items()
        },
        np.ones(number),
    )
    write_pairs(path, pairs)
    return pairs.dissimilarity("kappa")


def test_the_job_writes_a_table_of_each_kind(tmp_path: Path) -> None:
    kappa = pairs_file(tmp_path / "pairs.h5", 6)
    find_structures("gradcam", tmp_path / "pairs.h5", tmp_path, **OPTIONS)
    rows = dict(zip(TABLES, (4 * 5, 6, 3, 6, 4, 1), strict=True))
    for name in TABLES:
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert table.columns[:2].tolist() == ["method", "measure"]
        assert set(table["method"]) == {"gradcam"}
        assert table.groupby("measure").size().to_dict() == dict.fromkeys(
            ("cosine", "kappa"), rows[name]
        )
    merges = pd.read_csv(tmp_path / "linkage.csv").query(
        "measure == 'kappa' and linkage == 'average'"
    )
    np.testing.assert_allclose(merges["height"], linkage(squareform(kappa), "average")[:, 2])
    assert merges["support"].between(0, 1).all()
    assert (merges["replicates"] == 30).all()


def test_one_model_cannot_be_compared(tmp_path: Path) -> None:
    pairs_file(tmp_path / "pairs.h5", 1)
    with pytest.raises(SightlineError, match="comparing needs two"):
        find_structures("m", tmp_path / "pairs.h5", tmp_path, **OPTIONS)


# Figures


@pytest.mark.parametrize("count", [2, 3, 6, 61])
def test_figures_show_what_the_tables_say(tmp_path: Path, count: int) -> None:
    different = pairs_file(tmp_path / "pairs.h5", count)
    find_structures("m", tmp_path / "pairs.h5", tmp_path, **OPTIONS)
    tables = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in TABLES}
    tables = {name: table[table["measure"] == "kappa"] for name, table in tables.items()}
    merges = tables["linkage"].query("linkage == 'average'")
    families = {model: "ab"[i % 2] for i, model in enumerate(different.index)}
    with house_style():
        figures = {
            "heatmap": heatmap(different, families, "average", "viridis"),
            "dendrogram": dendrogram_figure(different, merges, families),
            "communities": communities_figure(different, tables["communities"], families),
            "resolutions": resolutions_figure(tables["resolutions"], 1.06),
            "clusters": clusters_figure(tables["clusters"], tables["cluster_test"].iloc[0]),
            "embedding": embedding_figure(tables["embedding"], families),
        }
        for name, figure in figures.items():
            save(figure, tmp_path / f"{name}.svg")
    shown = [text.get_text() for text in figures["dendrogram"].axes[0].texts]
    named = merges["support"].iloc[:-1] if count <= 60 else []
    assert shown == [f"{100 * value:.0f}" for value in named]
    title = figures["dendrogram"].axes[0].get_title()
    assert ("cophenetic" in title) == (count > 2)
    stress = tables["embedding"]["stress"].iloc[0]
    assert f"stress {stress:.2f}" in figures["embedding"].axes[1].get_title()
    decided = figures["clusters"].get_suptitle()
    assert ("too few" in decided) == (count < 4)


def test_support_stands_at_its_branch() -> None:
    different, similar = blocks()
    replicates = np.tile(squareform(different.to_numpy()), (4, 1)).astype(np.float32)
    found = find_structure(different, similar, replicates, QUICK).linkage
    merges = found[found["linkage"] == "average"].assign(support=[0.1, 0.2, 0.3, 1.0])
    axes = dendrogram_figure(different, merges, dict.fromkeys("psqtr", "cnn")).axes[0]
    # Each branch is drawn as a bracket of four points, at its height.
    paths = [path.vertices for lines in axes.collections for path in lines.get_paths()]
    for text, height in zip(axes.texts, merges["height"], strict=False):
        (bracket,) = [path for path in paths if np.isclose(path[:, 0].max(), height)]
        assert text.xy == pytest.approx((height, bracket[:, 1].mean()))


class Similarities:
    """What `histograms` reads of the statistics of many models."""

    models = tuple(f"m{i}" for i in range(25))
    pairs = np.stack(np.triu_indices(25, 1), axis=1)

    def chunks(self) -> Iterator[slice]:
        """Two parts."""
        yield from (slice(0, 100), slice(100, len(self.pairs)))

    def similarity(self, measure: str, part: slice) -> np.ndarray:
        """All images of a pair alike; 1 for pairs of the first model, else 0."""
        values = np.repeat((self.pairs[part, :1] == 0).astype(float), 4, axis=1)
        values[:, 0] = np.nan
        return values


def test_many_models_have_a_row_each() -> None:
    figure = histograms(Similarities(), "cosine")  # type: ignore[arg-type]
    share = figure.axes[0].images[0].get_array()
    assert share.shape[0] == 25
    np.testing.assert_allclose(share.sum(axis=1), 1)
    assert share[0, -1] == 1
    np.testing.assert_allclose(share[1:, -1], 1 / 24)
