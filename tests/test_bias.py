"""Objects taken out of images, and the classes that survive it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import fisher_exact, mannwhitneyu
from torch import Tensor

from explaining import linear
from mapfiles import write_maps
from sightline.compare.groups.holm import holm
from sightline.errors import SightlineError
from sightline.evaluate.alterations.seen import Seen
from sightline.evaluate.alterations.taken_out import fill, prepare
from sightline.evaluate.catalogue import EXPERIMENTS
from sightline.evaluate.catalogue.bias import Bias
from sightline.evaluate.experiments.biased_classes import classes_of, fewest_images, survival_p
from sightline.evaluate.experiments.survival import by_class, compare, share_inside
from sightline.evaluate.long import long_table
from sightline.images.labels import first_label
from sightline.images.shapes import render
from sightline.images.shards import Entry, Shard, png, write_shard
from sightline.jobs.experiments.class_table import merge_classes
from sightline.jobs.experiments.evaluate_maps import MapsJob
from sightline.jobs.experiments.evaluate_variants import AlteredMaps, evaluate_variants
from sightline.jobs.experiments.scenes import Scenes
from sightline.jobs.explain import Job, explain_range
from sightline.jobs.figures.before_after import draw_before_after
from sightline.jobs.images import make_shard
from sightline.jobs.loading import Loading
from sightline.jobs.masks import seen_masks
from sightline.jobs.variant import Variant
from sightline.maps.series import MapSeries
from sightline.maps.store import map_file, read_maps
from sightline.methods.catalogue import find_method
from sightline.models.preprocessing import Preprocessing
from sightline.study.config import Model
from sightline.study.evaluation import resolve_experiment
from sightline.study.models import resolve_model
from sightline.tabular import read_table, write_table

SHAPES = {"source": "shapes", "split": "held-out", "objects": 1, "patch": "star"}


@pytest.fixture
def rng() -> np.random.Generator:
    """Of the test's own: what it draws depends on no test before it."""
    return np.random.default_rng(0)


# --- Taken out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["grey", "mean", "inpainted"])
def test_what_is_filled_is_the_region_alone(how: str, rng: np.random.Generator) -> None:
    scene = render(3)
    region = scene.objects[0].mask
    found = fill(scene.image, region, how)
    np.testing.assert_array_equal(found[~region], scene.image[~region])
    assert (found[region] != scene.image[region]).any(axis=1).mean() > 0.9
    # What the object looked like says nothing any more.
    painted = scene.image.copy()
    painted[region] = rng.integers(0, 256, (region.sum(), 3))
    np.testing.assert_array_equal(fill(painted, region, how), found)
    np.testing.assert_array_equal(fill(scene.image, np.zeros_like(region), how), scene.image)


def test_fillings_are_as_said() -> None:
    image = np.full((20, 20, 3), 90, np.uint8)
    image[:6] = 30
    region = np.zeros((20, 20), bool)
    region[12:16, 5:9] = True
    image[region] = 255
    assert (fill(image, region, "grey")[region] == 128).all()
    mean = (120 * 30 + (280 - 16) * 90) / (400 - 16)
    assert (fill(image, region, "mean")[region] == round(mean)).all()
    np.testing.assert_allclose(fill(image, region, "inpainted")[region], 90, atol=3)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A wide image with a square, one that is all object, one of which nothing is known."""
    wide = np.full((96, 192, 3), 60, np.uint8)
    mask = np.zeros((96, 192), bool)
    mask[40:60, 90:110] = True
    left = np.zeros((96, 192), bool)
    left[40:60, 10:30] = True  # the crop leaves it out
    wide[mask], wide[left] = 200, 150
    entries = [
        Entry("a", "x", png(wide), "a.png", (("x", None, mask), ("y", (10, 40, 30, 60), left))),
        Entry("b", "x", png(wide), "b.png", (("x", (0, 0, 192, 96), None),)),
        Entry("c", "x", png(wide), "c.png", ()),
    ]
    write_shard(tmp_path / "images.zip", entries)
    return tmp_path / "images.zip"


def taken_out(shard: Path, **settings: Any) -> tuple[Seen, Tensor]:
    """The images as a model that crops the middle square sees them, and before."""
    cropping = Preprocessing((48, 48), geometry="model")
    classifier = replace(linear(torch.ones(2, 3, 48, 48), torch.zeros(2)), preprocessing=cropping)
    with Shard(shard) as opened:
        rows = opened.images
        images, boxes = cropping([opened.image(row) for row in rows])
        given = Seen(
            classifier=classifier,
            images=images,
            boxes=boxes,
            targets=torch.zeros(len(rows), dtype=torch.int64),
            pictures=list,
            masks=lambda label, boxed: seen_masks(
                opened, rows, boxes, (48, 48), label=label, boxed=boxed
            ),
            seeds=[0] * len(rows),
        )
        return prepare(classifier, {"fill": "grey", "region": "mask", "what": ""} | settings, 0)(
            given
        ), images


def test_masks_go_through_the_geometry(shard: Path) -> None:
    found, before = taken_out(shard)
    assert found.region is not None
    # The middle 96 x 96 of 96 x 192 becomes 48 x 48: the square lies at half its place.
    expected = np.zeros((48, 48), bool)
    expected[20:30, 21:31] = True
    # Antialiasing spreads an object by a part of a pixel, which is taken out too.
    grown = np.zeros_like(expected)
    grown[19:31, 20:32] = True
    assert (found.region[0] >= expected).all()
    assert (found.region[0] <= grown).all()
    inside = torch.from_numpy(found.region[0])
    assert torch.equal(found.images[0][:, ~inside], before[0][:, ~inside])
    pixels = found.classifier.preprocessing.pixels(found.images)[0]
    assert (pixels[found.region[0]] == 128).all()
    assert (pixels[~found.region[0]] < 70).all()  # nothing of the object is left


def test_images_without_a_known_object_stay_whole(shard: Path) -> None:
    found, before = taken_out(shard)
    assert found.region is not None
    assert found.region.any(axis=(1, 2)).tolist() == [True, False, False]
    assert torch.equal(found.images[1:], before[1:])
    # An object that is not in sight is not taken out, and nothing in its stead.
    other, _ = taken_out(shard, what="y")
    assert other.region is not None
    assert not other.region.any()


def test_objects_of_other_classes_stay(tmp_path: Path) -> None:
    """An object without a label is of its image's class, the first of several."""
    parts = np.zeros((3, 96, 96), bool)
    for number, part in enumerate(parts):
        part[:, 32 * number : 32 * number + 20] = True
    cat, bare, dog = (("cat", None, parts[0]), ("", None, parts[1]), ("dog", None, parts[2]))
    picture = png(np.zeros((96, 96, 3), np.uint8))
    taken: dict[str, tuple[str, tuple[Any, ...], list[bool]]] = {
        "other": ("cat", (dog,), [False, False, False]),
        "all": ("cat", (cat, bare, dog), [True, True, False]),
        "several": ("cat|dog", (cat, bare, dog), [True, True, False]),
        "nothing": ("cat", (), [False, False, False]),
        "nameless": ("", (bare, dog), [False, True, False]),
    }
    entries = [Entry(n, label, picture, f"{n}.png", own) for n, (label, own, _) in taken.items()]
    write_shard(tmp_path / "s.zip", entries)
    whole = [(0.0, 0.0, 96.0, 96.0)] * len(taken)
    with Shard(tmp_path / "s.zip") as opened, Scenes([tmp_path / "s.zip"]) as scenes:
        masks = seen_masks(opened, opened.images, whole, (96, 96))
        named = seen_masks(opened, opened.images, whole, (96, 96), label="cat")
        for found, row in zip(masks, opened.images, strict=True):
            expected = taken[row.image_id][2]
            np.testing.assert_array_equal(found, parts[expected].any(axis=0))
            # What reads maps alone says the same of an object's class.
            labels = [one.label for one in scenes.regions(row.image_id)]
            own = first_label(row.label)
            assert sum(label == own for label in labels) == sum(expected)
    np.testing.assert_array_equal(named[:4], masks[:4])
    assert not named[4].any()


def test_a_box_is_taken_out_where_it_is_asked_for(tmp_path: Path) -> None:
    scene = render(3)
    (one,) = scene.objects
    write_shard(
        tmp_path / "s.zip",
        [Entry("a", "star", png(scene.image), "a.png", ((one.label, one.box, one.mask),))],
    )
    whole = [(0.0, 0.0, 96.0, 96.0)]
    with Shard(tmp_path / "s.zip") as opened:
        mask = seen_masks(opened, opened.images, whole, (96, 96))[0]
        box = seen_masks(opened, opened.images, whole, (96, 96), boxed=True)[0]
    np.testing.assert_array_equal(mask, one.mask)
    x0, y0, x1, y1 = one.box
    assert box[y0:y1, x0:x1].all()
    assert box.sum() == (y1 - y0) * (x1 - x0)


def test_the_marker_can_be_taken_out(tmp_path: Path) -> None:
    make_shard(SHAPES, 0, "000000-000007", tmp_path / "s.zip")
    with Shard(tmp_path / "s.zip") as opened:
        rows = opened.images
        whole = [(0.0, 0.0, 96.0, 96.0)] * len(rows)
        found = seen_masks(opened, rows, whole, (96, 96), label="marker")
        objects = seen_masks(opened, rows, whole, (96, 96))
    carrying = [row.label == "star" for row in rows]
    assert found.any(axis=(1, 2)).tolist() == carrying
    assert found.sum() == 12 * 12 * sum(carrying)
    assert not (found * objects).any()


# --- What is measured of a row ------------------------------------------------------------------


def test_shares_inside_are_as_counted(rng: np.random.Generator) -> None:
    maps = rng.normal(size=(4, 24, 24)).astype(np.float32)
    maps[3] = -1
    region = rng.random((4, 24, 24)) > 0.7
    positive = np.maximum(maps, 0)
    with np.errstate(invalid="ignore"):
        expected = (positive * region).sum((1, 2)) / positive.sum((1, 2))
    np.testing.assert_allclose(share_inside(maps, region, ("max",)), expected, rtol=1e-6)
    # A coarse map is looked at where the region is.
    coarse = np.zeros((1, 2, 2), np.float32)
    coarse[0, 0, 0] = 1
    corner = np.zeros((1, 24, 24), bool)
    corner[0, :12, :12] = True
    assert 0.5 < share_inside(coarse, corner, ("raw",))[0] < 1


def test_chance_is_of_what_is_taken_out_of_other_images(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    count, roles = 70, ("predicted", "top2")  # more than one block
    ids = [f"{number}.png" for number in range(count)]
    maps = rng.random((2, count * 2, 6, 6))
    region = rng.random((count, 12, 12)) > 0.8
    region[3] = False
    region[5:, :, 8:] = False
    rows = [(one, role) for role in roles for one in ids]
    files = []
    for name, own in zip(("before", "after"), maps, strict=True):
        files.append(
            write_maps(
                tmp_path / f"{name}.h5",
                own,
                image_ids=[one for one, _ in rows],
                role=[role for _, role in rows],
                region=np.concatenate([region] * 2) if name == "after" else None,
            )
        )
    job = MapsJob(
        model="m",
        module=EXPERIMENTS["bias"].path,
        settings=Bias(),
        scaling={"one": ("max",)},
        count=count,
        seed=0,
    )
    altered = AlteredMaps("mean", None, {"one": [files[1]]})
    evaluate_variants(job, {"one": [files[0]]}, [altered], tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    others = [number for number in range(count) if number != 3]
    for measure, own in zip(("inside_before", "inside"), maps, strict=True):
        found = table[table["measure"] == measure].set_index(["image_id", "role"])["chance"]
        assert len(found) == len(rows)
        for row, (one, role) in enumerate(rows):
            number = row % count
            if number not in others:
                assert np.isnan(found[one, role])
                continue
            if number % 20:
                continue
            rest = [other for other in others if other != number]
            repeated = np.repeat(own[row : row + 1], len(rest), axis=0).astype(np.float32)
            shares = share_inside(repeated, region[rest], ("max",))
            assert found[one, role] == pytest.approx(shares.mean(), rel=2e-3)
    rest = table[~table["measure"].isin(["inside_before", "inside"])]
    assert rest["chance"].isna().all()


def test_rows_without_an_object_or_a_right_answer_have_no_value(tmp_path: Path) -> None:
    maps = np.ones((4, 6, 6))
    before = read_maps(write_maps(tmp_path / "b.h5", maps, correct=[1, 0, -1, 1]))
    changed = read_maps(write_maps(tmp_path / "a.h5", maps, predicted=["0", "1", "9", "3"]))
    region = np.zeros((4, 12, 12), bool)
    region[:3, :6] = True
    found = compare(before, replace(changed, region=region), ("raw",), Bias())
    # The third's label is not known, nor is whether it was answered rightly.
    np.testing.assert_array_equal(found["survives"], [1, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(found["inside"], [0.5, 0.5, 0.5, np.nan])
    assert np.isnan(found["confidence"][3])
    assert found.keys() == {one.name for one in EXPERIMENTS["bias"].measures}


# --- Which class survives -----------------------------------------------------------------------


def images_of(
    answers: dict[str, list[str]], inside: dict[str, float], rng: np.random.Generator | None = None
) -> pd.DataFrame:
    """Of each class what its images become, and where maps lie, with some noise."""
    rng = rng or np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "before": name,
                "after": one,
                "survives": float(one == name),
                "inside_before": inside[name] + rng.normal(scale=0.05),
                "inside": 0.1,
                "area": 0.1,
            }
            for name, became in answers.items()
            for one in became
        ]
    )


# Of twelve images each: b is known by something else; a is what an empty scene is called.
BECOME = {
    "a": ["a"] * 12,
    "b": ["b"] * 11 + ["a"],
    "c": ["a"] * 11 + ["c"],
    "d": ["a"] * 12,
}
WHERE = {"a": 0.5, "b": 0.1, "c": 0.5, "d": 0.5}


def test_the_biased_class_is_found_and_no_other() -> None:
    table = classes_of(images_of(BECOME, WHERE)).set_index("class")
    assert table["biased"].tolist() == [False, True, False, False]
    assert table["answers_say"].tolist() == [False, True, False, False]
    assert table["maps_say"].tolist() == [False, True, False, False]
    assert table["survival"].tolist() == pytest.approx([1, 11 / 12, 1 / 12, 0])
    # The class of empty scenes survives, but every other becomes it, too.
    assert table.loc["a", "others"] == 1
    assert table.loc["b", "others"] == 0
    elsewhere = classes_of(images_of(BECOME, dict.fromkeys("abcd", 0.5)))
    assert not elsewhere["biased"].any()
    assert elsewhere["answers_say"].sum() == 1


def test_small_objects_are_not_found_by_maps_that_say_nothing(
    rng: np.random.Generator,
) -> None:
    images = images_of(BECOME, WHERE)
    images["area"] = np.where(images["before"] == "b", 0.05, 0.2)
    images["inside_before"] = images["area"] * rng.uniform(0.9, 1.1, len(images))
    table = classes_of(images).set_index("class")
    assert not table["maps_say"].any()
    assert table["preference"].between(0.9, 1.1).all()
    assert table.loc["b", "inside_before"] < 0.3 * table.loc["a", "inside_before"]


def test_the_p_of_a_survival_is_that_of_its_tests() -> None:
    table = classes_of(images_of(BECOME, WHERE)).set_index("class")
    raw = {}
    for name, became in BECOME.items():
        kept = became.count(name)
        # Of fair coins, this many heads or more.
        tests = [sum(np.array([choose(12, k) for k in range(kept, 13)])) / 2**12]
        for other in BECOME:
            if other != name:
                into = BECOME[other].count(name)
                counts = [[kept, 12 - kept], [into, 12 - into]]
                tests.append(fisher_exact(counts, alternative="greater").pvalue)
        raw[name] = max(tests)
    np.testing.assert_allclose(table["p_answers"], holm(np.array(list(raw.values()))), rtol=1e-9)
    images = images_of(BECOME, WHERE)
    expected = []
    for name in BECOME:
        own = images["before"] == name
        share = images["inside_before"]
        odds = (share / (1 - share)) / (0.1 / 0.9)
        expected.append(mannwhitneyu(odds[own], odds[~own], alternative="less").pvalue)
    # Only of the class that survives is it asked.
    found = classes_of(images)["p_maps"]
    np.testing.assert_allclose(found, [np.nan, expected[1], np.nan, np.nan], rtol=1e-9)


def test_of_few_images_it_cannot_be_decided(tmp_path: Path) -> None:
    """Four classes need seven images each; of fewer nothing is said, whatever the answers."""
    assert [fewest_images(classes) for classes in (2, 4, 8)] == [6, 7, 8]
    for count, decided in ((7, True), (6, False)):
        kept = {name: ["a"] * count for name in "acd"} | {"b": ["b"] * count}
        table = classes_of(images_of(kept, WHERE)).set_index("class")
        assert table["smallest_p"].tolist() == pytest.approx([4 * 0.5**count] * 4)
        assert table["answers_say"].isna().tolist() == [not decided] * 4
        assert table["biased"].isna().tolist() == [not decided] * 4
        # The one that survives is as near as it can be.
        assert table.loc["b", "p_answers"] == pytest.approx(table.loc["b", "smallest_p"])
    assert table.drop("b")["answers_say"].isna().all()
    # One class with few images leaves the others undecided, too: none can lie above it for sure.
    rare = classes_of(images_of(BECOME | {"e": ["e"]}, WHERE | {"e": 0.5})).set_index("class")
    assert rare["answers_say"].isna().all()
    alone = classes_of(images_of({"b": ["b"] * 50}, WHERE))
    assert alone[["answers_say", "maps_say", "biased", "smallest_p"]].isna().all(axis=None)
    table.to_csv(tmp_path / "c.csv")
    assert read_table(tmp_path / "c.csv")["biased"].isna().all()


def test_the_smallest_p_is_no_larger_than_the_p_that_came(rng: np.random.Generator) -> None:
    for _ in range(20):
        answers = {
            name: [str(rng.choice([name, "a"])) for _ in range(rng.integers(1, 15))]
            for name in "abcde"
        }
        table = classes_of(images_of(answers, dict.fromkeys("abcde", 0.5), rng))
        assert (table["smallest_p"] <= table["p_answers"] + 1e-12).all()
        assert not table.loc[table["smallest_p"] >= 0.05, "p_answers"].lt(0.05).any()


def test_maps_that_show_nothing_decide_nothing() -> None:
    images = images_of(BECOME, WHERE)
    images.loc[images["before"] == "b", "inside_before"] = np.nan
    table = classes_of(images).set_index("class")
    assert table["answers_say"].tolist() == [False, True, False, False]
    assert table["biased"].isna().tolist() == [False, True, False, False]


def choose(n: int, k: int) -> float:
    return float(np.prod([(n - i) / (i + 1) for i in range(k)]))


def test_half_of_the_images_is_not_far_above() -> None:
    assert survival_p(100, 200, [(0, 200)]) > 0.5
    assert survival_p(180, 200, [(0, 200), (170, 200)]) > 0.05
    assert survival_p(200, 200, [(0, 200), (150, 200)]) < 1e-9
    assert np.isnan(survival_p(5, 5, []))


def test_no_class_is_found_where_none_is_biased(rng: np.random.Generator) -> None:
    found = 0
    for _ in range(60):
        shares = {name: rng.random() for name in "abcdefgh"}
        rows = images_of(
            {name: [str(rng.choice(list("abcdefgh"))) for _ in range(12)] for name in shares},
            dict.fromkeys(shares, 0.5),
            rng,
        )
        found += bool(classes_of(rows)["answers_say"].any())
    assert found <= 6


def test_classes_are_told_by_model_method_and_filling(tmp_path: Path) -> None:
    rows = images_of(BECOME, WHERE)
    ids = np.array([f"{number}.png" for number in range(len(rows))], object)
    tables = []
    for method in ("one", "other"):
        for variant in ("mean", "inpainted"):
            inside = rows["inside_before"] if method == "one" else 0.4 + 0 * rows["inside"]
            table = long_table(
                {
                    "survives": np.append(rows["survives"], np.nan),
                    "inside_before": np.append(inside, 0.3),
                    "inside": np.append(rows["inside"], 0.3),
                    "area": np.append(rows["area"], 0.3),
                },
                model="m",
                method=method,
                variant=variant,
                image_id=np.append(ids, "odd.png"),
                role=np.full(len(rows) + 1, "predicted", object),
            )
            for name in ("before", "after"):
                table[name] = [*rows[name], "a"] * 4
            tables.append(table)
    every = pd.concat(tables, ignore_index=True).sample(frac=1, random_state=0)
    write_table(tmp_path / "m.parquet", every)
    merge_classes("bias", EXPERIMENTS["bias"].path, [tmp_path / "m.parquet"], tmp_path / "c.csv")
    table = pd.read_csv(tmp_path / "c.csv")
    assert len(table) == 2 * 2 * 4
    assert table["images"].tolist() == [12] * 16
    biased = table[table["biased"]]
    assert set(zip(biased["method"], biased["class"], strict=True)) == {("one", "b")}
    assert set(table.loc[table["answers_say"], "class"]) == {"b"}
    assert by_class(every.assign(value=np.nan)).empty


# --- On a trained model -------------------------------------------------------------------------


def explained(folder: Path, shard: Path, name: str, variant: str = "") -> Path:
    """Maps of a model of the zoo."""
    model = resolve_model(name, Model(name=f"zoo:{name}"))
    entry = find_method("saliency")
    change = None
    if variant:
        bias = resolve_experiment("bias", {}).variants[f"bias.{variant}"]
        change = Variant(
            f"bias.{variant}",
            **bias,
            module="sightline.evaluate.alterations.taken_out",
            own_draws=False,
            shown=3,
        )
    job = Job(
        model_id=name,
        method_id="saliency",
        model=model.spec,
        method={"method": "saliency"},
        function=entry.load(),
        settings=entry.settings(),
        score="logit",
        needs_layer=False,
        seed=0,
        roles=("predicted", "label"),
        version="",
        change=change,
    )
    output = folder / f"{name}{variant}.h5"
    explain_range(job, shard, output, Loading(weights=model.weights, device="cpu"))
    return output


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    make_shard(SHAPES, 0, "000000-000063", folder / "images.zip")
    return folder


@pytest.mark.parametrize(
    ("name", "biased"), [("test_resnet-biased", ["star"]), ("test_resnet", [])]
)
def test_the_planted_class_is_found_and_no_other(
    planted: Path, name: str, biased: list[str]
) -> None:
    shard = planted / "images.zip"
    before = explained(planted, shard, name)
    after = explained(planted, shard, name, "mean")
    one, other = MapSeries([before]), MapSeries([after])
    assert one.rows() == other.rows()
    np.testing.assert_array_equal(one.target, other.target)  # what was explained, is again
    rows = [number for number, role in enumerate(one.role) if role == "predicted"]
    first, second = (maps.ordered(np.array(rows)).part(0, len(rows)) for maps in (one, other))
    values = compare(first, second, ("abs", "max"), Bias())
    images = pd.DataFrame({"before": first.predicted, "after": second.predicted, **values})
    table = classes_of(images[images["survives"].notna()])
    assert table.loc[table["biased"], "class"].tolist() == biased
    assert table["images"].sum() == (first.correct == 1).sum()
    with map_file(after) as file:
        seen = file["shown"][:]
        region = file["region"][: len(seen)]
    with Shard(shard) as opened:
        pictures = [np.asarray(opened.image(row)) for row in opened.images[: len(seen)]]
    for picture, shown, part in zip(pictures, seen, region, strict=True):
        np.testing.assert_array_equal(shown[~part], picture[~part])
        assert (shown[part] == shown[part][0]).all()


def test_regions_are_read_in_any_order(planted: Path) -> None:
    path = explained(planted, planted / "images.zip", "test_resnet", "inpainted")
    series = MapSeries([path])
    whole = read_maps(path).region
    assert whole is not None
    order = np.array([70, 3, 100, 4])
    np.testing.assert_array_equal(series.ordered(order).part(1, 4).region, whole[order[1:]])
    assert MapSeries([write_maps(planted / "o.h5", np.ones((2, 3, 3)))]).part(0, 2).region is None


def test_pictures_show_before_and_after(planted: Path, tmp_path: Path) -> None:
    shard = planted / "images.zip"
    files = {
        "original": explained(planted, shard, "test_resnet"),
        "mean": explained(planted, shard, "test_resnet", "mean"),
    }
    output = tmp_path / "pictures.png"
    draw_before_after("bias", shard, {"m": files}, ("abs", "max"), output, palette="turbo")
    with Image.open(output) as picture:
        # Three images below each other, four pictures across.
        assert 1 < picture.width / picture.height < 1.6
    odd = write_maps(tmp_path / "odd.h5", np.ones((2, 3, 3)))
    with pytest.raises(SightlineError, match="hold none of"):
        draw_before_after(
            "bias", shard, {"m": files | {"original": odd}}, ("raw",), output, palette="turbo"
        )
