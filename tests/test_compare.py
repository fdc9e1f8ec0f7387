"""Comparing maps, against plain loops with sklearn, torch, numpy and scipy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from mapfiles import WHOLE, write_maps
from sightline.compare import engine
from sightline.compare.aggregate import dissimilarity
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.catalogue import DEFAULT, Kappa
from sightline.compare.measures import kappa as kappas
from sightline.compare.measures.protocol import resolve
from sightline.compare.pairs import read_pairs
from sightline.compare.statistics import Statistics
from sightline.compare.tables import merge
from sightline.errors import SightlineError
from sightline.jobs.compare import gather_tables, merge_method
from sightline.maps.store import NON_FINITE, OK, ZERO

MODELS = ["a", "b", "c", "d"]
PAIRS = list(combinations(range(4), 2))
IMAGES, GRID, SIGMA = 5, 12, 20.0
CUTS = {"kappa": (0.5,), "kappa_graded": (0.4, 0.7)}


def settings_of(**measures: dict) -> engine.CompareSettings:
    named = {name: resolve({"measure": name} | spec) for name, spec in measures.items()}
    return engine.CompareSettings(grid=GRID, measures=named, scaling={"": ("minmax",)})


SETTINGS = settings_of(**DEFAULT | {"rbf": {"sigma": SIGMA}})


@dataclass
class Found:
    """What is compared, as whole arrays."""

    path: Path

    @cached_property
    def statistics(self) -> Statistics:
        return Statistics([self.path])

    @property
    def pair(self) -> np.ndarray:
        return np.array(self.statistics.models, object)[self.statistics.pairs]

    @property
    def used(self) -> np.ndarray:
        return self.statistics.used(slice(None))

    @property
    def status(self) -> np.ndarray:
        return self.statistics.status

    def __getattr__(self, measure: str) -> np.ndarray:
        if measure.startswith("kappa"):
            return self.statistics.confusion(measure, slice(None))
        return self.statistics.similarity(measure, slice(None))

    def similarity_table(self) -> pd.DataFrame:
        return merge(self.statistics, "m", bootstrap=Bootstrap(100)).similarity

    def agreement_table(self) -> pd.DataFrame:
        return merge(self.statistics, "m", bootstrap=Bootstrap(100)).agreement


def compare_maps(files: Mapping[str, Path], settings: engine.CompareSettings) -> Found:
    path = next(iter(files.values())).parent / "statistics" / "-".join(files)
    engine.compare_maps({name: [file] for name, file in files.items()}, settings, path)
    return Found(path)


def pairwise(maps: np.ndarray, **spec) -> np.ndarray:
    """A measure of flat maps (images, models, pixels) with each other."""
    measure = resolve(spec)
    side = int(np.sqrt(maps.shape[2]))
    shaped = maps.reshape(*maps.shape[:2], side, -1)
    prepared = measure.functions.prepare(shaped, measure.settings)
    return measure.functions.between(prepared, prepared, measure.settings)


def cosine(maps: np.ndarray) -> np.ndarray:
    return pairwise(maps, measure="cosine")


def rbf(maps: np.ndarray, sigma: float) -> np.ndarray:
    return np.exp(-pairwise(maps, measure="rbf") / (2 * sigma**2))


def confusion(maps: np.ndarray, cuts: Sequence[float]) -> np.ndarray:
    prepared = kappas.prepare(maps.reshape(*maps.shape[:2], 1, -1), Kappa(cuts=list(cuts)))
    both = kappas.between(prepared, prepared, Kappa(cuts=list(cuts)))
    above = kappas.above(prepared)
    pixels = np.full(both.shape[:3], maps.shape[2])
    return kappas.confusion(both, above[:, :, None], above[:, None, :], pixels)


def random_maps(seed: int = 0) -> np.ndarray:
    """Maps in [0, 1] that share a part, (images, models, GRID, GRID)."""
    rng = np.random.default_rng(seed)
    shared = rng.random((IMAGES, 1, GRID, GRID))
    maps = shared + rng.random((IMAGES, len(MODELS), GRID, GRID))
    low, high = maps.min((2, 3), keepdims=True), maps.max((2, 3), keepdims=True)
    return ((maps - low) / (high - low)).astype(np.float32)


@pytest.fixture(scope="module")
def flat() -> np.ndarray:
    return random_maps().reshape(IMAGES, len(MODELS), -1)


def classes(maps: np.ndarray, cuts: Sequence[float]) -> np.ndarray:
    return sum((maps > cut).astype(int) for cut in cuts)


def test_cosine_is_torchs(flat: np.ndarray) -> None:
    found = cosine(flat)
    for i in range(IMAGES):
        for a in range(4):
            for b in range(4):
                one, other = torch.from_numpy(flat[i, a]), torch.from_numpy(flat[i, b])
                expected = torch.nn.functional.cosine_similarity(one, other, dim=0).item()
                assert found[i, a, b] == pytest.approx(expected, abs=1e-6)


def test_cosine_of_signed_maps_and_of_nothing() -> None:
    maps = np.array([[[1, -2, 0], [-1, 2, 0], [2, 1, 5], [0, 0, 0]]], np.float32)
    found = cosine(maps)[0]
    np.testing.assert_allclose(np.diag(found)[:3], 1, rtol=1e-6)
    assert found[0, 1] == pytest.approx(-1)
    assert found[0, 2] == pytest.approx(0, abs=1e-7)
    assert np.isnan(found[3]).all()


def test_rbf_is_the_formula(flat: np.ndarray) -> None:
    found = rbf(flat, SIGMA)
    per_reference = 224 * 224 / flat.shape[2]
    for i in range(IMAGES):
        for a, b in PAIRS:
            squares = np.square(flat[i, a].astype(float) - flat[i, b]).sum() * per_reference
            assert found[i, a, b] == pytest.approx(np.exp(-squares / (2 * SIGMA**2)), abs=1e-6)
    np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), 1, atol=1e-5)


def test_a_sigma_means_the_same_on_every_grid() -> None:
    coarse = np.random.default_rng(0).random((1, 2, 8, 8)).astype(np.float32)
    fine = coarse.repeat(4, axis=2).repeat(4, axis=3)
    flat = [maps.reshape(1, 2, -1) for maps in (coarse, fine)]
    one, other = (rbf(maps, 80.0)[0, 0, 1] for maps in flat)
    assert one == pytest.approx(other, rel=1e-5)
    # And on the grid of the thesis it is the thesis's own, without any factor.
    full = np.random.default_rng(1).random((1, 2, 224 * 224)).astype(np.float32)
    squares = np.square(full[0, 0].astype(float) - full[0, 1]).sum()
    assert rbf(full, 80.0)[0, 0, 1] == pytest.approx(np.exp(-squares / 12_800), rel=1e-4)


@pytest.mark.parametrize("cuts", [(0.5,), (0.4, 0.7), (0.2, 0.4, 0.6)])
def test_pooled_kappa_is_sklearns(flat: np.ndarray, cuts: tuple[float, ...]) -> None:
    counts = confusion(flat, cuts)
    assert counts.sum(axis=(-2, -1)).tolist() == np.full((IMAGES, 4, 4), GRID * GRID).tolist()
    found = kappas.kappa(counts.sum(axis=0))
    for a in range(4):
        for b in range(4):
            one, other = (classes(flat[:, m], cuts).ravel() for m in (a, b))
            assert found[a, b] == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


def test_a_pixel_at_the_cut_is_not_above_it() -> None:
    maps = np.array([[[0.5, 0.5000001, 0.4, 0.7]]], np.float32)
    assert confusion(maps, (0.5,))[0, 0, 0].tolist() == [[2, 0], [0, 2]]


def test_kappa_where_chance_is_certain_is_no_number() -> None:
    found = kappas.kappa(np.array([[[9, 0], [0, 0]], [[0, 9], [0, 0]], [[4, 0], [0, 5]]]))
    assert np.isnan(found[0])
    assert found[1] == 0  # they never agree, and by chance never would
    assert found[2] == 1


def test_dissimilarity_of_the_thesis() -> None:
    values = np.array([0.9, 0.7, 0.5])
    found = dissimilarity(values.mean(), values.std(ddof=1))
    assert found == pytest.approx(0.3605551, abs=5e-8)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    maps = random_maps()
    return {
        model: write_maps(tmp_path / f"{model}.h5", maps[:, m]) for m, model in enumerate(MODELS)
    }


def stored(m: int) -> np.ndarray:
    """A model's maps as a map file keeps them: float16, then to [0, 1] again."""
    maps = random_maps()[:, m].astype(np.float16).astype(np.float32)
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return ((maps - low) / (high - low)).reshape(IMAGES, -1)


def test_comparing_files_is_the_plain_loop(files: dict[str, Path]) -> None:
    found = compare_maps(files, SETTINGS)
    assert found.pair.tolist() == [[MODELS[a], MODELS[b]] for a, b in PAIRS]
    assert found.used.all()
    pairs = found.similarity_table().set_index(["measure", "model_a", "model_b"])
    kappas = found.agreement_table().set_index(["measure", "model_a", "model_b"])
    assert (len(pairs), len(kappas)) == (24, 12)
    for a, b in PAIRS:
        names = MODELS[a], MODELS[b]
        one, other = torch.from_numpy(stored(a)), torch.from_numpy(stored(b))
        values = torch.nn.functional.cosine_similarity(one, other, dim=1).double()
        row = pairs.loc[("cosine", *names)]
        assert row["mean"] == pytest.approx(values.mean().item(), abs=1e-6)
        assert row["spread"] == pytest.approx(values.std(unbiased=True).item(), abs=1e-6)
        expected = ((1 - values.mean()) ** 2 + values.var(unbiased=True)).sqrt().item()
        assert row["dissimilarity"] == pytest.approx(expected, abs=1e-6)
        squares = (one.double() - other).square().sum(dim=1) * (224 * 224 / GRID**2)
        values = torch.exp(-squares / (2 * SIGMA**2))
        assert pairs.loc[("rbf", *names), "mean"] == pytest.approx(values.mean().item(), abs=1e-6)
        for metric, cuts in CUTS.items():
            labels = [classes(stored(m), cuts).ravel() for m in (a, b)]
            row = kappas.loc[(metric, *names)]
            assert row["kappa"] == pytest.approx(cohen_kappa_score(*labels), abs=1e-12)
            assert row["pixels"] == IMAGES * GRID**2
            assert row["classes"] == len(cuts) + 1


def test_more_images_than_are_held_at_a_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((2, 37, 4, 4))
    files = {str(m): write_maps(tmp_path / f"{m}.h5", maps[m]) for m in range(2)}
    settings = replace(SETTINGS, grid=4, scaling={})
    found = compare_maps(files, settings).cosine[0]
    one, other = (maps[m].reshape(37, -1) for m in range(2))
    expected = (one * other).sum(1) / np.sqrt((one**2).sum(1) * (other**2).sum(1))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_map_that_says_nothing_is_left_out_and_counted(tmp_path: Path) -> None:
    maps = random_maps()
    maps[1, 0] = 0  # model a, image 1
    maps[3, 0] = np.nan
    maps[3, 1, 2, 2] = np.inf  # model b, image 3
    maps[4, 2] = 0  # model c, image 4: the second of its pairs with a and b
    files = {model: write_maps(tmp_path / model, maps[:, m]) for m, model in enumerate(MODELS)}
    found = compare_maps(files, SETTINGS)
    assert found.status[0].tolist() == [OK, ZERO, OK, NON_FINITE, OK]
    assert found.status[1].tolist() == [OK, OK, OK, NON_FINITE, OK]
    assert found.status[2].tolist() == [OK, OK, OK, OK, ZERO]
    pairs = found.similarity_table()
    left = [3, 2, 3, 3, 4, 4]  # of ab, ac, ad, bc, bd, cd
    assert pairs["images"].tolist() == left * 4
    assert pairs["left_out"].tolist() == [IMAGES - n for n in left] * 4
    agreement = found.agreement_table()
    assert agreement["pixels"].tolist() == [n * GRID**2 for n in left] * 2
    assert agreement["left_out"].tolist() == [IMAGES - n for n in left] * 2
    # As if those images had never been there.
    for row, (kept, (a, b)) in enumerate(
        zip(
            ([0, 2, 4], [0, 2], [0, 2, 4], [0, 1, 2], [0, 1, 2, 4], [0, 1, 2, 3]),
            PAIRS,
            strict=True,
        )
    ):
        rest = {MODELS[m]: write_maps(tmp_path / "rest" / MODELS[m], maps[kept, m]) for m in (a, b)}
        alone = compare_maps(rest, SETTINGS).similarity_table()
        for column in ("mean", "spread", "dissimilarity"):
            assert pairs[column][row] == pytest.approx(alone[column][0], abs=1e-7)


def test_a_map_that_shows_nothing_once_scaled_is_left_out(tmp_path: Path) -> None:
    maps = random_maps()[:3]
    maps[1, 0] = 0.7  # the same everywhere, which minmax turns into zeros
    files = {model: write_maps(tmp_path / model, maps[:, m]) for m, model in enumerate(MODELS)}
    found = compare_maps(files, SETTINGS)
    assert (found.status == OK).all()
    assert found.used.tolist() == [[True, False, True]] * 3 + [[True] * 3] * 3
    assert not found.kappa[0, 1].any()
    assert found.cosine[:3, 1].tolist() == pytest.approx([np.nan] * 3, nan_ok=True)


def test_a_map_that_shows_nothing_where_both_look_is_left_out(tmp_path: Path) -> None:
    left = np.zeros((2, 8, 8))
    left[0, :, :2] = 1  # beyond what the other shows
    left[1, :, 6:] = 1
    right = random_maps()[:2, 0]
    for names in (("a", "b"), ("b", "a")):  # it may be the first or the second of the pair
        files = {
            names[0]: write_maps(tmp_path / names[0], left, [(0, 0, 200, 200)] * 2),
            names[1]: write_maps(tmp_path / names[1], right, [(100, 0, 200, 200)] * 2),
        }
        found = compare_maps(dict(sorted(files.items())), SETTINGS)
        assert found.used.tolist() == [[False, True]]
        assert np.isnan(found.cosine[0]).tolist() == [True, False]


def test_without_two_usable_images_there_is_no_dissimilarity(tmp_path: Path) -> None:
    maps = random_maps()
    maps[1:, 0] = 0
    maps[:, 1] = 0
    files = {model: write_maps(tmp_path / model, maps[:, m]) for m, model in enumerate(MODELS)}
    table = compare_maps(files, SETTINGS).similarity_table()
    table = table[table["measure"] == "cosine"].set_index(["model_a", "model_b"])
    assert table.loc[("a", "b"), "images"] == 0
    assert table.loc[("a", "b"), ["mean", "spread", "dissimilarity"]].isna().all()
    assert table.loc[("a", "c"), "images"] == 1
    assert table.loc[("a", "c"), "mean"] > 0
    assert table.loc[("a", "c"), ["spread", "dissimilarity"]].isna().all()


def spot(box: Sequence[float], x: float, y: float, size: int = 28) -> np.ndarray:
    """A map of the part ``box`` of an image that watches the point (x, y) of the image."""
    rows = box[1] + (np.arange(size) + 0.5) * (box[3] - box[1]) / size
    columns = box[0] + (np.arange(size) + 0.5) * (box[2] - box[0]) / size
    distance = (rows[:, None] - y) ** 2 + (columns[None, :] - x) ** 2
    return np.exp(-distance / (2 * 25.0**2))


SQUASH, CROP, STRIP = (0.0, 0.0, 300.0, 200.0), (50.0, 0.0, 250.0, 200.0), (0.0, 50.0, 150.0, 200.0)


def test_models_of_different_geometry_are_compared_where_both_look(tmp_path: Path) -> None:
    boxes = {"whole": SQUASH, "crop": CROP, "strip": STRIP, "crop2": CROP}
    places = [(90.0, 120.0), (100.0, 150.0), (70.0, 90.0)]
    files = {
        model: write_maps(
            tmp_path / model, np.stack([spot(box, x, y) for x, y in places]), [box] * 3
        )
        for model, box in boxes.items()
    }
    settings = replace(SETTINGS, grid=56, scaling={"": ("max",)})
    found = compare_maps(files, settings)
    assert found.used.all()
    assert (found.cosine > 0.99).all()
    kappas = found.agreement_table().query("measure == 'kappa'")["kappa"]
    assert (kappas > 0.9).all()
    # As if each had covered the whole: not aligned, they would have nothing in common.
    for model, box in boxes.items():
        write_maps(tmp_path / model, np.stack([spot(box, x, y) for x, y in places]))
    unaligned = compare_maps(files, settings)
    row = [tuple(pair) for pair in found.pair].index(("crop", "strip"))
    assert (unaligned.cosine[row] < 0.8).all()


def test_the_order_of_models_turns_confusion_counts_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # Three geometries, so that groups interleave with the order of models.
    boxes = {"a": SQUASH, "b": CROP, "c": SQUASH, "d": STRIP}
    files = {
        model: write_maps(tmp_path / model, rng.random((3, 9, 9)) ** (1 + m), [box] * 3)
        for m, (model, box) in enumerate(boxes.items())
    }
    one = compare_maps(files, SETTINGS)
    other = compare_maps(dict(reversed(files.items())), SETTINGS)
    place = {tuple(pair): row for row, pair in enumerate(other.pair)}
    assert len(one.pair) == len(other.pair) == 6
    for row, (a, b) in enumerate(one.pair):
        turned = place[(b, a)]
        np.testing.assert_allclose(one.cosine[row], other.cosine[turned], atol=1e-6)
        np.testing.assert_allclose(one.rbf[row], other.rbf[turned], atol=1e-6)
        for metric in ("kappa", "kappa_graded"):
            counts = getattr(one, metric)[row]
            np.testing.assert_array_equal(counts, getattr(other, metric)[turned].transpose(0, 2, 1))
            assert counts.sum() == 3 * GRID**2


def test_the_first_model_of_a_pair_is_the_rows_of_its_counts(tmp_path: Path) -> None:
    high, low = np.full((1, 2, 2), 0.9), np.full((1, 2, 2), 0.9)
    low[0, 0, 0] = 0.1
    settings = replace(SETTINGS, grid=2, scaling={})
    for boxes in ([WHOLE, WHOLE], [WHOLE, (0.0, 0.0, 224.0, 224.00002)]):  # one group, and two
        files = {
            name: write_maps(tmp_path / name, maps, [box])
            for (name, maps), box in zip({"high": high, "low": low}.items(), boxes, strict=True)
        }
        assert compare_maps(files, settings).kappa[0, 0].tolist() == [[0, 0], [1, 3]]


def test_models_that_see_different_parts_are_not_compared(tmp_path: Path) -> None:
    left, right = (0.0, 0.0, 100.0, 200.0), (100.0, 0.0, 200.0, 200.0)
    maps = random_maps()[:2, 0]
    files = {
        "a": write_maps(tmp_path / "a", maps, [left, left]),
        "b": write_maps(tmp_path / "b", maps, [right, left]),
    }
    found = compare_maps(files, SETTINGS)
    assert found.used.tolist() == [[False, True]]
    assert np.isnan(found.cosine[0, 0])
    assert found.cosine[0, 1] == pytest.approx(1)
    assert found.kappa[0, 0].sum() == 0
    table = found.similarity_table()
    assert (table["left_out"] == 1).all()


def test_images_of_the_same_prediction_are_counted(tmp_path: Path) -> None:
    maps = random_maps()
    targets = [[1, 2, 3, 4, 5], [1, 2, 9, 9, 5], [0, 0, 0, 0, 0], [1, 0, 3, 0, 0]]
    maps[0, 1] = 0  # left out, so not counted although a and b agree on it
    files = {
        model: write_maps(tmp_path / model, maps[:, m], targets=targets[m])
        for m, model in enumerate(MODELS)
    }
    statistics = compare_maps(files, SETTINGS).statistics
    merged = merge(statistics, "m", bootstrap=Bootstrap(100), subsets=("same_class",))
    table = merged.similarity.query("measure == 'rbf' and subset == 'same_class'")
    counts = table.set_index(["model_a", "model_b"])[["images", "left_out"]].T.to_dict("list")
    none = [0, 0]
    expected = {("a", "b"): [2, 1], ("a", "c"): none, ("a", "d"): [2, 0], ("b", "c"): none}
    assert counts == expected | {("b", "d"): [0, 1], ("c", "d"): [3, 0]}
    # Of all five images, whether their maps could be used or not.
    np.testing.assert_allclose(merged.pairs.same_class, [0.6, 0, 0.4, 0, 0.2, 0.6])


@pytest.mark.parametrize(
    "other",
    [
        {"image_ids": ["0.png", "2.png", "1.png"]},
        {"image_ids": ["0.png", "1.png", "x.png"]},
        {"role": "top2"},
    ],
)
def test_maps_of_other_rows_are_refused(tmp_path: Path, other: dict) -> None:
    maps = random_maps()[:3]
    files = {
        "a": write_maps(tmp_path / "a", maps[:, 0]),
        "b": write_maps(tmp_path / "b", maps[:, 1], **other),
    }
    with pytest.raises(SightlineError, match="maps of b are not of the images of a"):
        compare_maps(files, SETTINGS)


@pytest.mark.parametrize("counts", [(3, 2), (2, 3)])
def test_maps_of_fewer_rows_are_refused(tmp_path: Path, counts: tuple[int, int]) -> None:
    maps = random_maps()
    files = {str(m): write_maps(tmp_path / str(m), maps[:n, m]) for m, n in enumerate(counts)}
    with pytest.raises(SightlineError, match=r"2\.png"):
        compare_maps(files, SETTINGS)


def slices(folder: Path, parts: Mapping[str, slice]) -> list[Path]:
    maps, found = random_maps(), []
    ids = np.array([f"{i}.png" for i in range(IMAGES)])
    for name, part in parts.items():
        files = {
            model: write_maps(
                folder / name / model,
                maps[part, m],
                image_ids=ids[part],
                targets=range(IMAGES)[part],
                predicted=[f"{(i * (m + 1)) % 3}" for i in range(IMAGES)[part]],
                correct=[(i + m) % 2 for i in range(IMAGES)[part]],
            )
            for m, model in enumerate(MODELS)
        }
        found.append(compare_maps(files, SETTINGS).path)
    return found


def test_two_ranges_are_one(tmp_path: Path) -> None:
    whole = Statistics(slices(tmp_path, {"whole": slice(None)}))
    parts = {"first": slice(0, 2), "second": slice(2, None)}
    joined = Statistics(slices(tmp_path, parts))
    every = slice(None)
    for name in ("image_id", "role", "target", "status", "correct", "pairs"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    for name in ("used", "same_class", "both_correct"):
        np.testing.assert_array_equal(getattr(joined, name)(every), getattr(whole, name)(every))
    for measure in SETTINGS.measures:
        one, other = (both.similarity(measure, every) for both in (joined, whole))
        np.testing.assert_allclose(one, other, atol=1e-6)
    for measure in CUTS:
        one, other = (both.confusion(measure, every) for both in (joined, whole))
        np.testing.assert_array_equal(one, other)


def test_ranges_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    first, second = slices(tmp_path, {"first": slice(0, 2), "second": slice(2, None)})
    with pytest.raises(SightlineError, match="same image"):
        Statistics([first, second, first])
    maps = {model: write_maps(tmp_path / model, random_maps()[:, 0]) for model in "xyzu"}
    with pytest.raises(SightlineError, match="other models"):
        Statistics([first, compare_maps(maps, SETTINGS).path])


def test_a_damaged_statistics_file_is_named(tmp_path: Path) -> None:
    (path,) = slices(tmp_path, {"whole": slice(None)})
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(SightlineError, match=r"a-b-c-d is damaged"):
        Statistics([path])


def test_a_single_model_has_no_pairs(tmp_path: Path) -> None:
    found = compare_maps({"a": write_maps(tmp_path / "a", random_maps()[:, 0])}, SETTINGS)
    assert found.similarity_table().empty
    assert found.agreement_table().empty


INTERVALS = {"replicates": 100, "kind": "bca", "level": 0.9, "seed": 0}


def merged(folder: Path, method: str, files: list[Path], subsets: Sequence[str] = ()) -> Path:
    own = folder / method
    merge_method(
        method, files, own / "s.csv", own / "k.csv", own / "pairs.h5", subsets=subsets, **INTERVALS
    )
    return own


def test_merged_tables_hold_every_method_and_pair(tmp_path: Path) -> None:
    files = slices(tmp_path, {"first": slice(0, 2), "second": slice(2, None)})
    subsets = ("same_class", "both_correct")
    folders = [merged(tmp_path, method, files, subsets) for method in ("m1", "m2")]
    for name in ("s.csv", "k.csv"):
        gather_tables([folder / name for folder in folders], tmp_path / name)
    similarity, agreement = pd.read_csv(tmp_path / "s.csv"), pd.read_csv(tmp_path / "k.csv")
    assert similarity.groupby(["method", "measure", "subset"]).size().tolist() == [6] * 24
    assert agreement.groupby(["method", "measure", "subset"]).size().tolist() == [6] * 12
    pairs = read_pairs(folders[0] / "pairs.h5")
    assert (pairs.models, pairs.measures) == (MODELS, list(SETTINGS.measures))
    rows = similarity.query("method == 'm1' and measure == 'rbf' and subset == 'all'")
    matrix = pairs.dissimilarity("rbf")
    for row in rows.itertuples():
        assert matrix.loc[row.model_a, row.model_b] == pytest.approx(row.dissimilarity)
        assert matrix.loc[row.model_b, row.model_a] == pytest.approx(row.dissimilarity)
        assert pairs.mean("rbf").loc[row.model_a, row.model_b] == pytest.approx(row.mean)


def test_subsets_are_as_if_the_other_images_had_not_been_there(tmp_path: Path) -> None:
    (path,) = slices(tmp_path, {"whole": slice(None)})
    subsets = ("same_class", "both_correct")
    table = merge(Statistics([path]), "m", bootstrap=Bootstrap(100), subsets=subsets).similarity
    every = Statistics([path]).similarity("cosine", slice(None))
    for (a, b), values in zip(PAIRS, every, strict=True):
        same = [i * (a + 1) % 3 == i * (b + 1) % 3 for i in range(IMAGES)]
        correct = [(i + a) % 2 == 1 == (i + b) % 2 for i in range(IMAGES)]
        for subset, chosen in (("same_class", same), ("both_correct", correct)):
            row = table.query(
                f"measure == 'cosine' and subset == {subset!r} and "
                f"model_a == {MODELS[a]!r} and model_b == {MODELS[b]!r}"
            ).iloc[0]
            assert row["images"] == sum(chosen)
            assert row["left_out"] == 0
            expected = values[chosen].mean() if any(chosen) else np.nan
            assert row["mean"] == pytest.approx(expected, nan_ok=True)
