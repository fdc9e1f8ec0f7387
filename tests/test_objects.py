"""Experiments on objects: where they are, chance by other images' objects, controls beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mapfiles import write_maps
from sightline.compare.bootstrap import Bootstrap
from sightline.errors import SightlineError
from sightline.evaluate.catalogue import EXPERIMENTS, find_experiment
from sightline.evaluate.experiments.chance import against_others
from sightline.evaluate.experiments.truth import GRID, Truth, movable, other_images
from sightline.evaluate.long import over_images
from sightline.evaluate.protocol import Curve, Values
from sightline.images.shards import Entry, png, write_shard
from sightline.jobs.experiments.evaluate_objects import ObjectsJob, evaluate_objects
from sightline.jobs.experiments.scenes import Scenes
from sightline.jobs.experiments.truth import find_truth
from sightline.maps.series import MapSeries
from sightline.study.evaluation import CONTROLS

SHAPE = (60, 80)
BLACK = png(np.zeros((*SHAPE, 3), np.uint8))
WHOLE = (0.0, 0.0, 80.0, 60.0)
CLASSES = ["cat", "dog", "owl"]


def truth_of(
    boxes: np.ndarray, image: Sequence[int] | None = None, role: Sequence[str] | None = None
) -> Truth:
    """One box a row, (n, 4), NaN of none, on images of 80 x 60 pixels seen whole."""
    count = len(boxes)
    located = np.isfinite(boxes).all(axis=1)
    return Truth(
        image=np.arange(count) if image is None else np.array(image),
        role=np.array(["predicted"] * count if role is None else role, object),
        boxes=boxes[:, None].astype(np.float64),
        masks=np.full((1, GRID, GRID), np.nan, np.float16),
        mask_of=np.zeros(count, int),
        size=np.tile(SHAPE, (count, 1)),
        seen=np.tile(WHOLE, (count, 1)),
        located=located,
        absent=~located,
        right=located.astype(float),
    )


def numbered(count: int) -> np.ndarray:
    """A box of each row that tells it: its left edge is the row's number."""
    return np.array([[row, 0, row + 1, 1] for row in range(count)], float)


# Whose objects


def test_no_image_keeps_its_own_objects_and_each_other_is_as_likely() -> None:
    truth = truth_of(numbered(5))
    generator = np.random.default_rng(0)
    drawn = np.array([other_images(truth, generator, all_moved=True) for _ in range(4000)])
    for row in range(5):
        counts = np.bincount(drawn[:, row], minlength=5)
        assert counts[row] == 0
        np.testing.assert_allclose(np.delete(counts, row), 1000, atol=130)
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in drawn.tolist())


def test_rows_of_one_image_get_objects_of_one_other() -> None:
    """Two classes of each image, in places that do not alternate; one image has none."""
    image, role = [0, 1, 2, 0, 1, 2, 3], ["predicted"] * 3 + ["top2"] * 3 + ["predicted"]
    boxes = numbered(7)
    boxes[6] = np.nan
    truth = truth_of(boxes, image, role)
    assert movable(truth).tolist() == [True] * 6 + [False]
    for seed in range(20):
        order = other_images(truth, np.random.default_rng(seed), all_moved=True)
        givers = np.array(image)[order]
        assert (givers[:6] != np.array(image)[:6]).all()
        assert order[6] == 6
        np.testing.assert_array_equal(givers[:3], givers[3:6])
        assert sorted(order[:6]) == list(range(6))


def test_classes_of_their_own_give_to_their_own_class() -> None:
    image, role = [0, 1, 2, 0, 1, 3], ["class:0"] * 3 + ["class:1"] * 3
    truth = truth_of(numbered(6), image, role)
    order = other_images(truth, np.random.default_rng(0), all_moved=True)
    assert set(order[:3]) == {0, 1, 2}
    assert set(order[3:]) == {3, 4, 5}
    alone = truth_of(numbered(2), [0, 1], ["class:0", "class:1"])
    assert not movable(alone).any()


def test_the_order_of_rows_changes_no_draw() -> None:
    boxes = np.random.default_rng(0).uniform(0, 60, (9, 4))
    shuffle = np.random.default_rng(1).permutation(9)
    straight, other = truth_of(boxes), truth_of(boxes[shuffle], shuffle.tolist())
    for moved in (True, False):
        one, two = (
            truth.permuted(other_images(truth, np.random.default_rng(3), all_moved=moved))
            for truth in (straight, other)
        )
        np.testing.assert_array_equal(one.boxes[shuffle], two.boxes)


def test_boxes_are_put_where_others_see_them() -> None:
    """A wide and a high image of which the middle is seen: the objects' places are exchanged."""
    truth = truth_of(np.array([[20, 15, 40, 30], [0, 60, 10, 80]]))
    truth.size[1] = (120, 40)
    truth.seen[:] = [[10, 0, 70, 60], [0, 40, 40, 80]]
    moved = truth.permuted(np.array([1, 0]))
    # From 10/60 to 30/60 of the width, from 15/60 to 30/60 of the height.
    expected = [40 / 6, 50, 20, 60]
    np.testing.assert_allclose(moved.boxes[1, 0], expected)
    np.testing.assert_allclose(moved.boxes[0, 0], [10, 30, 25, 60])
    again = moved.permuted(np.array([1, 0]))
    np.testing.assert_allclose(again.boxes, truth.boxes)
    np.testing.assert_array_equal(truth.permuted(np.array([0, 1])).boxes, truth.boxes)


def test_boxes_are_put_on_images_of_other_sizes() -> None:
    truth = truth_of(np.array([[8, 6, 40, 30], [0, 0, 10, 10]]))
    truth.size[1] = (120, 40)
    truth.seen[1] = (0, 0, 40, 120)
    moved = truth.permuted(np.array([1, 0]))
    # Half as wide and twice as high.
    np.testing.assert_allclose(moved.boxes[1, 0], [4, 12, 20, 60])
    np.testing.assert_allclose(moved.boxes[0, 0], [0, 0, 20, 5])


# Chance and p


def left_edge(truth: Truth) -> Values:
    """1 where a row has its own box, by the row's number, and a curve of twice that."""
    own = (truth.boxes[:, 0, 0] == np.arange(len(truth.located))).astype(float)
    own[~truth.located] = 7
    return {"own": own, "curve": Curve(np.array([0.0, 1.0]), np.stack([own, 2 * own], axis=1))}


def test_chance_is_of_other_images_alone() -> None:
    boxes = numbered(6)
    boxes[5] = np.nan
    found = against_others(
        left_edge,
        truth_of(boxes),
        {"own": "higher", "curve": None},
        derangements=10,
        permutations=99,
        seed=0,
    )
    own, curve = found.chance["own"], found.chance["curve"]
    assert isinstance(own, np.ndarray)
    assert isinstance(curve, Curve)
    # The last has no objects to give away: it stays what it is.
    assert own.tolist() == [0, 0, 0, 0, 0, 7]
    assert np.isnan(curve.values).all()
    assert isinstance(found.p["own"], np.ndarray)
    # 1 of 120 permutations is the right one.
    assert (found.p["own"] <= 0.05).all()
    assert len(set(found.p["own"])) == 1


def test_the_worse_side_gives_the_other_tail() -> None:
    given = {"derangements": 0, "permutations": 99, "seed": 0}
    found = against_others(
        left_edge, truth_of(numbered(6)), {"own": "lower", "curve": "higher"}, **given
    )
    assert isinstance(found.p["own"], np.ndarray)
    assert isinstance(found.p["curve"], Curve)
    assert (found.p["own"] == 1).all()
    assert (found.p["curve"].values <= 0.05).all()
    assert np.isnan(found.chance["own"]).all()


def test_one_image_alone_has_no_chance() -> None:
    better = {"own": "higher", "curve": "higher"}
    found = against_others(
        left_edge, truth_of(numbered(1)), better, derangements=5, permutations=5, seed=0
    )
    assert np.isnan(found.chance["own"]).all()
    assert np.isnan(found.p["own"]).all()


def test_p_is_uniform_where_maps_say_nothing() -> None:
    """Of values that depend on pairs of maps and objects alike, 5 % are below 5 %, and so on."""
    generator = np.random.default_rng(0)
    found = []
    for seed in range(300):
        pairs = generator.normal(size=(8, 8))

        def score(truth: Truth, pairs: np.ndarray = pairs) -> Values:
            return {"value": pairs[np.arange(8), truth.boxes[:, 0, 0].astype(int)]}

        result = against_others(
            score,
            truth_of(numbered(8)),
            {"value": "higher"},
            derangements=0,
            permutations=39,
            seed=seed,
        )
        assert isinstance(result.p["value"], np.ndarray)
        found.append(result.p["value"][0])
    for level in (0.05, 0.25, 0.5, 0.75):
        share = np.mean(np.array(found) <= level + 1e-9)
        assert abs(share - level) < 3 * np.sqrt(level * (1 - level) / 300)


# From shards and map files


def shard(path: Path, entries: Sequence[tuple[str, str, Sequence[Any]]]) -> Path:
    write_shard(path, [Entry(name, label, BLACK, f"{name}.png", tuple(objects))
                       for name, label, objects in entries])  # fmt: skip
    return path


def mask_at(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def test_objects_of_the_explained_class(tmp_path: Path) -> None:
    mask = mask_at(slice(30, 60), slice(0, 40))
    entries = [
        ("both", "cat", [("cat", (0, 0, 8, 6), None), ("dog", (8, 6, 16, 12), None)]),
        ("plain", "dog", [("", None, mask)]),
        ("bare", "owl", []),
        ("odd", "", [("fox", (0, 0, 5, 5), None)]),
        ("any", "", [("", (1, 2, 3, 4), None)]),
    ]
    images = [shard(tmp_path / "0.zip", entries[:2]), shard(tmp_path / "1.zip", entries[2:])]
    ids = ["both", "both", "both", "plain", "plain", "bare", "bare", "odd", "any"]
    targets = [0, 1, 2, 1, 0, 2, 0, 0, 2]
    crop = (0.0, 30.0, 80.0, 60.0)
    maps = write_maps(
        tmp_path / "maps.h5",
        np.ones((9, 3, 3)),
        boxes=[WHOLE] * 3 + [crop] + [WHOLE] * 5,
        targets=targets,
        image_ids=ids,
        size=SHAPE,
    )
    with Scenes(images) as scenes:
        truth = find_truth(MapSeries([maps]), scenes, CLASSES, "m")
    nothing = [np.nan] * 4
    np.testing.assert_array_equal(
        truth.boxes[:, 0],
        [[0, 0, 8, 6], [8, 6, 16, 12], nothing, [0, 30, 40, 60], *[nothing] * 4, [1, 2, 3, 4]],
    )
    assert truth.located.tolist() == [True, True, False, True, *[False] * 4, True]
    # An owl without a box is there, who knows where.
    assert truth.absent.tolist() == [False, False, True, False, True, False, True, True, False]
    # The image's class is what is right; without one, those of its objects.
    np.testing.assert_array_equal(truth.right, [1, 0, 0, 1, 0, 1, 0, 0, np.nan])
    assert np.isnan(truth.masks[0]).all()
    assert np.flatnonzero(truth.mask_of).tolist() == [3]
    # The crop shows the lower half of the image, whose left half is the object.
    expected = np.zeros((GRID, GRID))
    expected[:, : GRID // 2] = 1
    found = truth.masks[truth.mask_of[3]].astype(float)
    # Between pixels of the original a mask is bilinear.
    inner = np.abs(np.arange(GRID) + 0.5 - GRID / 2) > 1
    np.testing.assert_array_equal(found[1:, inner], expected[1:, inner])


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "m.h5", np.ones((1, 2, 2)), image_ids=["a"], size=SHAPE)
    boxed = shard(tmp_path / "boxed.zip", [("a", "cat", [("", (0, 0, 9, 9), None)])])
    bare = shard(tmp_path / "bare.zip", [("a", "cat", [])])
    other = shard(tmp_path / "other.zip", [("b", "cat", [])])
    for path, classes, said in (
        (boxed, None, "Give the model's classes"),
        (bare, CLASSES, "no boxes and no masks"),
        (other, CLASSES, "lack 'a'"),
    ):
        with Scenes([path]) as scenes, pytest.raises(SightlineError, match=said):
            find_truth(MapSeries([maps]), scenes, classes, "m")


def objects_job(name: str, settings: Any, controls: Any = CONTROLS, seed: int = 0) -> ObjectsJob:
    entry = find_experiment(name)
    return ObjectsJob(
        model="m",
        module=entry.path,
        settings=entry.settings.model_validate(settings),
        scaling=dict.fromkeys(("planted", *CONTROLS), ("positive", "minmax")),
        count=100,
        seed=seed,
        controls=controls,
        classes=CLASSES,
        better={one.name: one.better for one in entry.measures},
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """24 images with an object of 20 x 15 pixels somewhere, and maps that show just that."""
    folder = tmp_path_factory.mktemp("objects")
    generator = np.random.default_rng(1)
    entries, maps = [], []
    for number in range(24):
        x, y = 20 * int(generator.integers(4)), 15 * int(generator.integers(4))
        mask = mask_at(slice(y, y + 15), slice(x, x + 20))
        entries.append((f"{number:02d}", "cat", [("cat", (x, y, x + 20, y + 15), mask)]))
        maps.append(mask[::15, ::20].astype(float))
    images = shard(folder / "images.zip", entries)
    stored = write_maps(
        folder / "maps.h5",
        np.array(maps),
        boxes=[WHOLE] * 24,
        targets=[0] * 24,
        image_ids=[name for name, _, _ in entries],
        size=SHAPE,
    )
    return images, stored


def rows_of(study: tuple[Path, Path], job: ObjectsJob, output: Path) -> pd.DataFrame:
    images, stored = study
    evaluate_objects(job, {"planted": [stored]}, [images], output)
    return pd.read_parquet(output)


@pytest.mark.parametrize(
    ("name", "measures", "settings"),
    [
        ("localisation", ["energy_box", "energy_mask"], {"grid": 56}),
        ("pointing", ["hit"], {"tolerance": 0}),
        ("peak_inside", ["share"], {"grid": 56}),
    ],
)
def test_planted_maps_are_found_and_controls_are_at_chance(
    study: tuple[Path, Path], tmp_path: Path, name: str, measures: list[str], settings: Any
) -> None:
    job = objects_job(name, {"permutations": 99, **settings})
    rows = rows_of(study, job, tmp_path / "found.parquet")
    assert set(rows["method"]) == {"planted", *CONTROLS}
    assert set(rows["measure"]) == {one.name for one in EXPERIMENTS[name].measures}
    found = over_images(rows, Bootstrap(replicates=50)).set_index(["method", "measure"])
    for measure in measures:
        planted = found.loc[("planted", measure)]
        assert planted["p"] == 0.01
        assert planted["mean"] > planted["chance"] + 0.3
        # The same on all images: whatever objects are permuted, it has as much of them.
        centre = found.loc[("centred_gaussian", measure)]
        assert centre["p"] == 1
        assert centre["mean"] == pytest.approx(centre["chance"], abs=0.05)
        # The images are black.
        assert found.loc[("sobel", measure), "images"] == 0


def test_random_maps_are_at_chance(study: tuple[Path, Path], tmp_path: Path) -> None:
    """Over seeds the mean is that of chance, and p is small as often as it should be."""
    found = []
    for seed in range(40):
        settings = {"tolerance": 0, "permutations": 19, "derangements": 5}
        job = objects_job("pointing", settings, ["random"], seed)
        rows = rows_of(study, job, tmp_path / "random.parquet")
        hits = rows[(rows["method"] == "random") & (rows["measure"] == "hit")]
        found.append(hits[["value", "chance", "p"]].mean())
    means = pd.DataFrame(found)
    # 1 of 16 places; 40 x 24 draws of it, whose standard error is 0.008.
    assert abs(means["value"].mean() - 1 / 16) < 0.025
    assert abs(means["chance"].mean() - 1 / 16) < 0.025
    assert (means["p"] <= 0.05).mean() <= 0.15


def test_settings_of_none_give_neither_chance_nor_p(
    study: tuple[Path, Path], tmp_path: Path
) -> None:
    job = objects_job("pointing", {"permutations": 0, "derangements": 0}, [])
    rows = rows_of(study, job, tmp_path / "none.parquet")
    assert rows["value"].notna().any()
    assert rows[["chance", "p"]].isna().all(axis=None)


def test_only_the_first_images_are_taken(study: tuple[Path, Path], tmp_path: Path) -> None:
    job = replace(objects_job("pointing", {"permutations": 0}, ["random"]), count=5)
    rows = rows_of(study, job, tmp_path / "first.parquet")
    assert sorted(set(rows["image_id"])) == ["00", "01", "02", "03", "04"]
