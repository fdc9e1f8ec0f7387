"""Intervals over images: against scipy, plain loops and simulated studies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap as scipys
from sklearn.metrics import cohen_kappa_score

from sightline.compare.aggregate import Moments, aggregate, aggregate_kappa, dissimilarity
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.measures.kappa import kappa

KINDS = {"percentile": "percentile", "bca": "BCa"}


def similarities(pairs: int, images: int, seed: int = 0) -> np.ndarray:
    """Skewed values below 1, (pairs, images)."""
    return 1 - np.random.default_rng(seed).gamma(2.0, 0.1, (pairs, images))


def apart(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """The dissimilarity of values, by its definition."""
    return np.hypot(1 - values.mean(axis), values.std(axis, ddof=1))


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_are_scipys(kind: str) -> None:
    values = similarities(3, 25)
    found = aggregate(values, Bootstrap(20_000, 0.9, kind)).columns
    for row, own in enumerate(values):
        for name, statistic in (("mean", np.mean), ("dissimilarity", apart)):
            expected = scipys(
                (own,), statistic, n_resamples=20_000, confidence_level=0.9, method=KINDS[kind],
                rng=np.random.default_rng(1),
            )  # fmt: skip
            # Both draw: the ends of an interval differ by about a fiftieth of its length.
            length = expected.confidence_interval.high - expected.confidence_interval.low
            for side, end in zip(("low", "high"), expected.confidence_interval, strict=True):
                assert found[f"{name}_{side}"][row] == pytest.approx(end, abs=0.04 * length)


def test_resamples_are_the_plain_loop() -> None:
    values = similarities(4, 12)
    values[1, [2, 5]] = np.nan
    weights = next(Bootstrap(50).weights(12))
    means, spreads = Moments(values).resampled(weights)
    for draw, counts in enumerate(weights.astype(int)):
        drawn = np.repeat(values, counts, axis=1)
        assert drawn.shape[1] == 12
        np.testing.assert_allclose(means[draw], np.nanmean(drawn, axis=1), atol=1e-6)
        np.testing.assert_allclose(spreads[draw], np.nanstd(drawn, axis=1, ddof=1), atol=1e-6)


def test_the_jackknife_is_the_plain_loop() -> None:
    values = similarities(3, 9)
    values[2, 4] = np.nan
    means, spreads = Moments(values).without()
    for image in range(9):
        rest = np.delete(values, image, axis=1)
        expected = np.nanmean(rest, axis=1), np.nanstd(rest, axis=1, ddof=1)
        if image == 4:
            assert np.isnan(means[2, 4])
            assert np.isnan(spreads[2, 4])
        kept = np.isfinite(means[:, image])
        np.testing.assert_allclose(means[kept, image], expected[0][kept])
        np.testing.assert_allclose(spreads[kept, image], expected[1][kept])


def test_every_pair_is_told_as_if_it_were_alone_and_images_were_in_chunks() -> None:
    values = similarities(5, 40)
    whole = aggregate(values, Bootstrap(200, seed=3))
    for row in range(5):
        alone = aggregate(values[row : row + 1], Bootstrap(200, seed=3))
        for name, column in alone.columns.items():
            np.testing.assert_allclose(column, whole.columns[name][row : row + 1], rtol=1e-5)
    # The first resamples do not depend on how many follow, nor on how many are drawn at once.
    many = np.concatenate(list(Bootstrap(300, seed=3).weights(40)))
    np.testing.assert_array_equal(many[:200], next(Bootstrap(200, seed=3).weights(40)))


def test_resamples_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(Bootstrap(100).weights(30)))
    monkeypatch.setattr("sightline.compare.bootstrap._DRAWN", 200)
    parts = list(Bootstrap(100).weights(30))
    assert len(parts) > 10
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (whole.sum(axis=1) == 30).all()


def test_rows_of_one_image_are_drawn_together() -> None:
    ids = np.array(["b", "a", "b", "c", "a", "b"])
    weights = next(Bootstrap(200).over(ids).weights(len(ids)))
    assert (weights[:, ids == "b"] == weights[:, :1]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert Bootstrap(200).over(np.array(["a", "b"])).image is None
    # Two equal maps of each image say no more than one: the interval is as wide.
    once = similarities(1, 30)
    ids = np.repeat(np.arange(30), 2)
    for one, other in zip(
        aggregate(once, Bootstrap(500, kind="percentile")).columns.items(),
        aggregate(
            np.repeat(once, 2, axis=1), Bootstrap(500, kind="percentile").over(ids)
        ).columns.items(),
        strict=True,
    ):
        if one[0].startswith("mean"):
            np.testing.assert_allclose(one[1], other[1], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_images_have_no_interval(kind: str) -> None:
    values = np.full((3, 6), np.nan)
    values[1, 0] = 0.7
    values[2, :2] = 0.7, 0.9
    found = aggregate(values, Bootstrap(100, kind=kind)).columns
    assert found["images"].tolist() == [0, 1, 2]
    assert np.isnan(found["mean"]).tolist() == [True, False, False]
    assert np.isnan(found["dissimilarity"]).tolist() == [True, True, False]
    assert found["mean_low"][1] == found["mean_high"][1] == pytest.approx(0.7)
    assert np.isnan(found["dissimilarity_low"][:2]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_equal_values_have_an_interval_of_one_point(kind: str) -> None:
    found = aggregate(np.full((1, 10), 0.25), Bootstrap(100, kind=kind)).columns
    for name in ("mean", "dissimilarity"):
        assert found[f"{name}_low"][0] == found[name][0] == found[f"{name}_high"][0]
    assert found["dissimilarity"][0] == 0.75


def binary(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of 50 pixels two models call important, in images of their own difficulty."""
    random = np.random.default_rng(seed)
    share = random.beta(2, 3, (images, 1))
    first = random.random((images, 50)) < share
    second = np.where(random.random((images, 50)) < 0.5 + share / 3, first, ~first)
    return first, second


def tables(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Confusion counts (1, images, 2, 2)."""
    cells = [[(first == a) & (second == b) for b in (False, True)] for a in (False, True)]
    return np.array(cells).sum(axis=-1).transpose(2, 0, 1)[None]


def test_kappas_interval_is_over_images() -> None:
    first, second = binary(20, 0)
    used = np.ones((1, 20), bool)
    used[0, 7] = False

    def pooled(rows: np.ndarray) -> float:
        one, other = first[rows], second[rows]
        chance = one.mean() * other.mean() + (~one).mean() * (~other).mean()
        return ((one == other).mean() - chance) / (1 - chance)

    found = aggregate_kappa(tables(first, second), used, Bootstrap(4_000, 0.9))
    kept = np.flatnonzero(used[0])
    assert found["kappa"][0] == pytest.approx(pooled(kept))
    assert pooled(kept) == pytest.approx(cohen_kappa_score(first[kept].flat, second[kept].flat))
    assert found["images"][0] == 19
    assert found["pixels"][0] == 19 * 50
    expected = scipys(
        (kept,), lambda rows: pooled(rows), n_resamples=4_000, confidence_level=0.9,
        vectorized=False, method="BCa", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    length = expected.high - expected.low
    assert found["kappa_low"][0] == pytest.approx(expected.low, abs=0.08 * length)
    assert found["kappa_high"][0] == pytest.approx(expected.high, abs=0.08 * length)


STUDIES = 2_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_intervals_hold_the_truth_as_often_as_they_say(kind: str, level: float) -> None:
    # Independent studies are so many pairs at once: only their resamples are shared.
    images = 100
    found = aggregate(similarities(STUDIES, images, seed=5), Bootstrap(500, level, kind)).columns
    truth = {"mean": 0.8, "dissimilarity": float(dissimilarity(np.array(0.8), np.array(0.02**0.5)))}
    for name, value in truth.items():
        held = (found[f"{name}_low"] <= value) & (value <= found[f"{name}_high"])
        # Three binomial standard errors, and two in a hundred that 100 skewed images lack.
        error = 3 * np.sqrt(level * (1 - level) / STUDIES)
        assert level - error - 0.02 <= held.mean() <= level + error


def test_kappas_intervals_hold_the_truth_as_often_as_they_say() -> None:
    truth = kappa(tables(*binary(400_000, 1)).sum(axis=1))
    studies, images = 800, 60
    counts = tables(*binary(studies * images, 2)).reshape(studies, images, 2, 2)
    found = aggregate_kappa(counts, np.ones((studies, images), bool), Bootstrap(500, 0.9))
    held = (found["kappa_low"] <= truth) & (truth <= found["kappa_high"])
    error = 3 * np.sqrt(0.9 * 0.1 / studies)
    assert 0.9 - error - 0.02 <= held.mean() <= 0.9 + error
