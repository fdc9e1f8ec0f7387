"""The consensus of models, against plain loops, scipy and simulations."""

from __future__ import annotations

from itertools import pairwise
from math import factorial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, permutation_test, spearmanr

from mapfiles import write_maps
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.consensus import models as committee
from sightline.compare.consensus.agreement import MEASURES, REFERENCES, agree, directions
from sightline.compare.consensus.file import (
    Consensus,
    Rows,
    read_consensus,
    read_directions,
    write_consensus,
)
from sightline.compare.consensus.models import find_consensus
from sightline.compare.consensus.table import accuracy_table, consensus_table
from sightline.compare.correlation import correlate
from sightline.compare.groups.verdict import OPEN as UNDECIDED
from sightline.errors import SightlineError
from sightline.jobs.merging.consensus import merge_consensus
from sightline.plots.consensus import consensus_figure
from sightline.tabular import read_table, write_table

IMAGES, MODELS, GRID = 5, 4, 12
BOOTSTRAP = Bootstrap(replicates=200, level=0.95, kind="percentile", seed=0)
SETTINGS = {"scaling": ("max",), "grid": GRID, "coarse": 4}


def signed_maps(seed: int = 0, models: int = MODELS, positions: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(IMAGES, 1, positions))
    return (shared + rng.normal(size=(IMAGES, models, positions))).astype(np.float32)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_agreement_is_the_plain_loop() -> None:
    maps = signed_maps()
    maps[2, 1] *= 1000  # each map counts alike, however large its values
    found = agree(maps, np.ones((IMAGES, MODELS), bool))
    for i in range(IMAGES):
        units = [one / np.linalg.norm(one) for one in maps[i].astype(float)]
        mean = np.mean(units, axis=0)
        np.testing.assert_allclose(found.consensus[i], mean, atol=1e-7)
        for m in range(MODELS):
            others = np.mean([one for k, one in enumerate(units) if k != m], axis=0)
            for r, reference in enumerate((others, mean)):
                assert found.scores[0, r, i, m] == pytest.approx(
                    cosine(units[m], reference), abs=1e-6
                )
                assert found.scores[1, r, i, m] == pytest.approx(
                    spearmanr(units[m], reference).statistic, abs=1e-6
                )


def test_ties_have_their_mean_rank() -> None:
    maps = np.maximum(signed_maps(positions=40), 0)  # as class activation maps: half are 0
    found = agree(maps, np.ones((IMAGES, MODELS), bool))
    units = maps / np.linalg.norm(maps, axis=2, keepdims=True)
    for i in range(IMAGES):
        others = units[i, 1:].sum(axis=0)
        assert (others == 0).sum() > 1
        expected = spearmanr(units[i, 0], others).statistic
        assert found.scores[1, 0, i, 0] == pytest.approx(expected, abs=1e-6)


def test_models_without_anything_in_common_agree_with_the_others_at_nothing() -> None:
    maps = np.eye(4, dtype=np.float32)[None]
    found = agree(maps, np.ones((1, 4), bool))
    np.testing.assert_allclose(found.scores[0, 0], 0, atol=1e-7)
    np.testing.assert_allclose(found.scores[0, 1], 1 / np.sqrt(4), atol=1e-6)


def test_maps_that_are_not_shown_are_as_if_never_there() -> None:
    maps = signed_maps()
    shown = np.ones((IMAGES, MODELS), bool)
    shown[0, 2] = False
    maps[1, 3] = 0
    shown[2] = False
    shown[3, 1:] = False
    found = agree(maps, shown)
    assert found.count.tolist() == [3, 3, 0, 1, 4]
    for i, kept in ((0, [0, 1, 3]), (1, [0, 1, 2])):
        alone = agree(maps[i : i + 1, kept], np.ones((1, 3), bool))
        np.testing.assert_allclose(found.scores[:, :, i, kept], alone.scores[:, :, 0], atol=1e-6)
        np.testing.assert_allclose(found.consensus[i], alone.consensus[0], atol=1e-7)
    assert np.isnan(found.scores[:, :, 0, 2]).all()
    assert np.isnan(found.scores[:, :, 2:4]).all()
    assert not found.consensus[2].any()


def test_others_that_cancel_and_constant_maps_have_no_value() -> None:
    one = np.array([1.0, -2.0, 0.5, 3.0], np.float32)
    maps = np.stack([np.array([2.0, 1.0, 0.0, 1.0], np.float32), one, -one])[None]
    found = agree(maps, np.ones((1, 3), bool))
    assert np.isnan(found.scores[:, 0, 0, 0]).all()
    assert found.scores[0, 1, 0, 0] == pytest.approx(1)
    constant = np.stack([np.full(4, 2.0, np.float32), one])[None]
    found = agree(constant, np.ones((1, 2), bool))
    assert np.isfinite(found.scores[0]).all()
    assert np.isnan(found.scores[1, 0]).all()


def test_directions_have_no_mean_and_unit_norm() -> None:
    maps = signed_maps() + 5
    maps[0, 0] = 0.3
    shown = np.ones((IMAGES, MODELS), bool)
    shown[1, 1] = False
    found = directions(maps, shown)
    assert np.isnan(found).all(axis=2).sum() == 2
    assert np.isnan(found[0, 0]).all()
    assert np.isnan(found[1, 1]).all()
    np.testing.assert_allclose(found[2:].mean(axis=2), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found[2:], axis=2), 1, atol=1e-6)
    centred = maps[3, 2] - maps[3, 2].mean()
    np.testing.assert_allclose(found[3, 2], centred / np.linalg.norm(centred), atol=1e-6)


def random_maps(images: int = IMAGES, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((images, 1, GRID, GRID)) + rng.random((images, MODELS, GRID, GRID))


def write_models(folder: Path, maps: np.ndarray, **columns: list) -> dict[str, Path]:
    return {
        f"m{m}": write_maps(folder / f"m{m}.h5", maps[:, m], **columns)
        for m in range(maps.shape[1])
    }


def test_files_of_all_models_make_a_consensus(tmp_path: Path) -> None:
    maps = random_maps()
    maps[1, 2] = 0
    maps[3, 0] = np.nan
    files = write_models(tmp_path, maps)
    found, coarse = find_consensus(files, **SETTINGS)
    assert found.model.tolist() == ["m0", "m1", "m2", "m3"]
    assert found.image_id.tolist() == [f"{i}.png" for i in range(IMAGES)]
    assert found.count.tolist() == [4, 3, 4, 3, 4]
    assert coarse.shape == (MODELS, IMAGES, 16)
    assert found.shown.tolist() == np.isfinite(coarse).all(axis=2).T.tolist()
    assert np.isnan(coarse[2, 1]).all()
    assert np.isnan(coarse[0, 3]).all()
    flat = maps[4].reshape(MODELS, -1)
    units = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    expected = cosine(units[1], units[[0, 2, 3]].sum(axis=0))
    assert found.scores[0, 0, 4, 1] == pytest.approx(expected, abs=1e-4)


def test_blocks_of_images_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_models(tmp_path, random_maps(7))
    one, coarse = find_consensus(files, **SETTINGS)
    monkeypatch.setattr(committee, "_BYTES", 3 * MODELS * GRID**2 * 4)
    other, again = find_consensus(files, **SETTINGS)
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name))
    np.testing.assert_array_equal(coarse, again)


def test_the_order_of_models_only_orders_the_scores(tmp_path: Path) -> None:
    files = write_models(tmp_path, random_maps())
    one, coarse = find_consensus(files, **SETTINGS)
    other, turned = find_consensus(dict(reversed(files.items())), **SETTINGS)
    np.testing.assert_allclose(one.scores[..., ::-1], other.scores, atol=1e-6)
    np.testing.assert_allclose(one.consensus, other.consensus, atol=1e-6)
    np.testing.assert_array_equal(coarse[::-1], turned)


def spot(box: tuple[float, ...], x: float, y: float, size: int = 28) -> np.ndarray:
    """A map of the part ``box`` of an image that watches the point (x, y) of the image."""
    rows = box[1] + (np.arange(size) + 0.5) * (box[3] - box[1]) / size
    columns = box[0] + (np.arange(size) + 0.5) * (box[2] - box[0]) / size
    return np.exp(-((rows[:, None] - y) ** 2 + (columns - x) ** 2) / (2 * 20.0**2))


def test_models_that_crop_differently_agree_on_what_all_show(tmp_path: Path) -> None:
    boxes = [(0.0, 0.0, 224.0, 224.0), (60.0, 0.0, 224.0, 224.0), (0.0, 40.0, 224.0, 250.0)]
    files = {
        str(m): write_maps(tmp_path / f"{m}.h5", spot(box, 120, 130)[None], [box])
        for m, box in enumerate(boxes)
    }
    found, _ = find_consensus(files, **(SETTINGS | {"grid": 28}))
    assert found.box.tolist() == [[60, 40, 224, 224]]
    assert (found.scores[0, 0] > 0.98).all()
    files["beyond"] = write_maps(
        tmp_path / "beyond.h5", spot((0, 0, 50, 50), 20, 20)[None], [(0, 0, 50, 50)]
    )
    nothing, coarse = find_consensus(files, **SETTINGS)
    assert nothing.count.tolist() == [0]
    assert np.isnan(nothing.scores).all()
    assert np.isnan(coarse).all()


@pytest.mark.parametrize(
    "other",
    [{"image_ids": ["1.png", "0.png"]}, {"image_ids": ["0.png", "x.png"]}, {"role": "top2"}],
)
def test_rows_that_do_not_match_are_refused(tmp_path: Path, other: dict) -> None:
    maps = random_maps(2)
    files = write_models(tmp_path, maps)
    files["odd"] = write_maps(tmp_path / "odd.h5", maps[:, 0], **other)
    with pytest.raises(SightlineError, match="maps of odd are not of the images of m0"):
        find_consensus(files, **SETTINGS)


def ranges(folder: Path, maps: np.ndarray, cuts: list[int]) -> list[Path]:
    """Consensus files of consecutive ranges."""
    files = []
    for start, stop in pairwise(cuts):
        ids = [f"{i}.png" for i in range(start, stop)]
        given = write_models(folder / f"{start}", maps[start:stop], image_ids=ids)
        files.append(folder / f"{start:06}-{stop - 1:06}.h5")
        write_consensus(files[-1], *find_consensus(given, **SETTINGS))
    return files


def test_ranges_are_one_series(tmp_path: Path) -> None:
    maps = random_maps(7)
    whole = ranges(tmp_path / "whole", maps, [0, 7])
    parts = ranges(tmp_path / "parts", maps, [0, 3, 4, 7])
    one, other = (read_consensus(files, Consensus) for files in (whole, parts))
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name))
    for chosen in (slice(0, 1), slice(1, 4)):
        np.testing.assert_array_equal(
            read_directions(whole, chosen), read_directions(parts, chosen)
        )
    with pytest.raises(SightlineError, match="same image"):
        read_consensus([parts[0], parts[0]], Rows)
    fewer = ranges(tmp_path / "fewer", maps[:, :3], [0, 3])
    with pytest.raises(SightlineError, match="other models"):
        read_consensus([fewer[0], parts[1]], Rows)
    parts[0].write_bytes(parts[0].read_bytes()[:-200])
    with pytest.raises(SightlineError, match="damaged"):
        read_consensus(parts, Rows)


def simulated(scores: np.ndarray, correct: list[int] | None = None) -> Consensus:
    """A consensus with the agreement (images, models) for every measure."""
    images, models = scores.shape
    return Consensus(
        model=np.array([f"m{m}" for m in range(models)], object),
        image_id=np.array([f"{i}" for i in range(images)], object),
        role=np.array(["predicted"] * images, object),
        box=np.zeros((images, 4)),
        size=np.zeros((images, 2)),
        count=np.full(images, models),
        correct=np.tile(np.arange(models) % 2 if correct is None else correct, (images, 1)),
        shown=np.ones((images, models), bool),
        consensus=np.zeros((images, 2, 2)),
        scores=np.tile(scores.astype(np.float32), (2, 2, 1, 1)),
    )


def test_table_is_the_plain_loop() -> None:
    scores = np.random.default_rng(0).uniform(0, 1, (20, 3))
    scores[:4, 1] = np.nan
    found = consensus_table(simulated(scores), "gradcam", BOOTSTRAP)
    assert len(found) == len(MEASURES) * len(REFERENCES) * 2 * 3
    assert set(found["method"]) == {"gradcam"}
    chosen = (found["measure"] == "spearman") & (found["reference"] == "others")
    own = found[chosen & (found["subset"] == "all")]
    assert own["model"].tolist() == ["m0", "m1", "m2"]
    assert own["images"].tolist() == [20, 16, 20]
    assert own["left_out"].tolist() == [0, 4, 0]
    np.testing.assert_allclose(own["mean"], np.nanmean(scores, axis=0), atol=1e-6)
    np.testing.assert_allclose(own["spread"], np.nanstd(scores, axis=0, ddof=1), atol=1e-6)
    assert ((own["mean_low"] < own["mean"]) & (own["mean"] < own["mean_high"])).all()
    # Of the three only the second answers rightly.
    right = found[chosen & (found["subset"] == "correct")]
    assert right["images"].tolist() == [0, 16, 0]
    assert right["left_out"].tolist() == [0, 4, 0]
    assert right["mean"].iloc[1] == own["mean"].iloc[1]


def test_intervals_of_agreement_hold_their_level() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(0.6, 0.1, (60, 300))  # three hundred studies side by side
    found = consensus_table(simulated(scores), "m", BOOTSTRAP)
    own = found[(found["measure"] == "cosine") & (found["reference"] == "others")]
    own = own[own["subset"] == "all"]
    inside = ((own["mean_low"] <= 0.6) & (own["mean_high"] >= 0.6)).sum()
    # Percentile intervals of 60 images with 200 resamples cover about 94 %.
    low, high = binom.interval(0.999, 300, 0.94)
    assert low <= inside <= high


def test_one_model_agrees_with_nobody(tmp_path: Path) -> None:
    files = write_models(tmp_path, random_maps()[:, :1])
    found, _ = find_consensus(files, **SETTINGS)
    table = consensus_table(found, "m", BOOTSTRAP)
    assert (table["images"] == 0).all()
    assert table["mean"].isna().all()
    related = accuracy_table(table, {"m0": 0.5}, permutations=9999, seed=0, level=0.05)
    assert (related["answer"] == UNDECIDED).all()


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
def test_exact_p_is_scipys(kind: str) -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=7), rng.integers(0, 4, 7).astype(float)  # with ties

    def statistic(x: np.ndarray) -> float:
        if kind == "spearman":
            return spearmanr(x, other).statistic
        return np.corrcoef(x, other)[0, 1]

    expected = permutation_test((one,), statistic, permutation_type="pairings", n_resamples=np.inf)
    found = correlate(one, other, kind, permutations=9999, seed=0)
    assert found.exact
    # Those that differ: equal values may change places.
    alike = np.prod([factorial(int(count)) for count in np.unique(other, return_counts=True)[1]])
    assert found.permutations == factorial(7) // alike
    assert found.value == pytest.approx(expected.statistic)
    # Scipy doubles the smaller tail; here both tails are counted.
    counted = (np.abs(expected.null_distribution) >= abs(found.value) - 1e-9).mean()
    assert found.p == pytest.approx(counted)


def test_few_models_cannot_decide() -> None:
    found = correlate(np.arange(3.0), np.arange(3.0), "spearman", permutations=9999, seed=0)
    assert found.value == pytest.approx(1)
    assert found.p == found.smallest_p == pytest.approx(2 / 6)
    assert found.answer(0.05) == UNDECIDED
    four = correlate(np.arange(4.0), np.arange(4.0), "spearman", permutations=9999, seed=0)
    assert four.smallest_p == pytest.approx(2 / 24)
    five = correlate(np.arange(5.0), np.arange(5.0), "spearman", permutations=9999, seed=0)
    assert five.smallest_p == pytest.approx(2 / 120)
    assert five.answer(0.05) == "yes"
    tied = correlate(
        np.arange(5.0), np.array([0, 0, 0, 0, 1.0]), "spearman", permutations=9999, seed=0
    )
    assert tied.smallest_p == pytest.approx(2 / 5)
    assert tied.answer(0.05) == UNDECIDED
    drawn = correlate(np.arange(20.0), np.arange(20.0), "pearson", permutations=999, seed=0)
    assert not drawn.exact
    assert drawn.p == drawn.smallest_p == 1 / 1000
    nothing = correlate(np.arange(5.0), np.full(5, 0.7), "pearson", permutations=9999, seed=0)
    assert np.isnan(nothing.value)
    assert nothing.answer(0.05) == UNDECIDED


def test_models_without_an_accuracy_are_left_out() -> None:
    one, other = np.array([1.0, 2, 3, 4, np.nan, 0]), np.array([2.0, 1, 4, 3, 9, np.nan])
    found = correlate(one, other, "pearson", permutations=9999, seed=0)
    assert found.permutations == factorial(4)
    assert found.value == pytest.approx(np.corrcoef(one[:4], other[:4])[0, 1])


@pytest.mark.parametrize("models", [6, 12])
def test_false_positives_are_at_their_level(models: int) -> None:
    rng = np.random.default_rng(models)
    count = 400
    hits = sum(
        correlate(*rng.normal(size=(2, models)), "spearman", permutations=199, seed=i).p <= 0.05
        for i in range(count)
    )
    # Discrete p-values keep below their level; 99.9 % of binomial draws.
    assert hits <= binom.ppf(0.999, count, 0.05)
    assert hits >= binom.ppf(0.001, count, 0.03)


def test_agreement_that_follows_accuracy_is_found() -> None:
    rng = np.random.default_rng(0)
    accuracy = np.linspace(0.5, 0.9, 8)
    scores = accuracy + rng.normal(0, 0.05, (40, 8))
    table = consensus_table(simulated(scores, [1] * 8), "m", BOOTSTRAP)
    names = dict(zip([f"m{m}" for m in range(8)], accuracy, strict=True))
    found = accuracy_table(table, names, permutations=9999, seed=0, level=0.05)
    assert len(found) == 16
    assert (found["answer"] == "yes").all()
    assert (found["value"] > 0.9).all()
    assert (found["models"] == 8).all()
    assert isinstance(found, pd.DataFrame)


def test_tables_and_figures_of_a_method(tmp_path: Path) -> None:
    maps = random_maps(7)
    maps[:, 3] = np.random.default_rng(9).random((7, GRID, GRID))  # has nothing in common
    files = ranges(tmp_path, maps, [0, 4, 7])
    (tmp_path / "accuracy.csv").write_text(
        "model,top1\nm0,0.9\nm1,0.8\nm2,0.85\nm3,0.2\nother,0.1\n"
    )
    tables = [tmp_path / "consensus.csv", tmp_path / "related.csv"]
    intervals = {"replicates": 100, "kind": "bca", "level": 0.95, "seed": 0}
    tests = {"permutations": 999, "level": 0.05, "seed": 0}
    merge_consensus("cam", files, tmp_path / "accuracy.csv", *tables, intervals=intervals, **tests)
    consensus, related = (pd.read_csv(path) for path in tables)
    assert len(consensus) == 32
    own = consensus[(consensus["measure"] == "cosine") & (consensus["reference"] == "others")]
    own = own[own["subset"] == "all"]
    assert own["mean"].idxmin() == own.index[3]
    assert (own["images"] == 7).all()
    assert related.groupby("subset")["models"].max().to_dict() == {"all": 4, "correct": 0}
    related = related[related["subset"] == "all"]
    # Of four models the smallest p of ranks is 1/12, of values 1/24.
    ranked = related[related["correlation"] == "spearman"]
    assert (ranked["answer"] == UNDECIDED).all()
    np.testing.assert_allclose(ranked["smallest_p"], 1 / 12)
    np.testing.assert_allclose(
        related.loc[related["correlation"] == "pearson", "smallest_p"], 1 / 24
    )

    accuracy = {"m0": 0.9, "m1": 0.8, "m2": 0.85, "m3": 0.2}
    families = {"m0": "cnn", "m1": "cnn", "m2": "transformer", "m3": "transformer"}
    figure = consensus_figure(consensus, related, accuracy, families, "cosine")
    left, right = figure.axes
    assert left.get_yticklabels()[0].get_text() == "m3"
    assert UNDECIDED in right.get_title()
    points = {tuple(line.get_xydata()[0]) for line in right.lines if len(line.get_xdata())}
    expected = {(accuracy[row.model], row.mean) for row in own.itertuples()}
    assert points == expected
    plt.close(figure)


def test_ids_that_are_numbers_stay_text(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", pd.DataFrame({"model": ["007", "none", "1e5"], "mean": 0.5}))
    found = read_table(tmp_path / "t.csv")
    assert found["model"].tolist() == ["007", "none", "1e5"]
    assert found["mean"].tolist() == [0.5] * 3


def test_of_very_many_models_the_ends_are_named() -> None:
    count = 100
    names = [f"m{k:03}" for k in range(count)]
    columns = {"mean": np.linspace(0, 1, count), "mean_low": 0.0, "mean_high": 1.0}
    tables = [
        pd.DataFrame(
            {"model": names, "measure": "cosine", "reference": one, "subset": "all", **columns}
        )
        for one in REFERENCES
    ]
    related = pd.DataFrame({"measure": [], "reference": [], "subset": []})
    figure = consensus_figure(pd.concat(tables), related, {}, dict.fromkeys(names, "cnn"), "cosine")
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert shown == names[:20] + names[-20:]
    plt.close(figure)
