"""What is over all images, which images and rows are taken, and what a study may ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from mapfiles import write_maps
from project import ROOT
from sightline.compare.bootstrap import Bootstrap
from sightline.errors import SightlineError
from sightline.evaluate.catalogue import EXPERIMENTS
from sightline.evaluate.catalogue.entry import NO_PASSES
from sightline.evaluate.long import long_table, over_images
from sightline.evaluate.protocol import Curve
from sightline.jobs.experiments.experiment_table import merge_experiment
from sightline.jobs.experiments.map_rows import blocks_of_images, first_images, rows_of
from sightline.maps.series import MapSeries
from sightline.study.evaluation import CONTROLS
from sightline.study.resolve import ResolvedStudy
from sightline.tabular import read_table, write_table

# --- Over images --------------------------------------------------------------------------------


def values(seed: int = 0, rows: int = 40) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    plain = random.normal(size=rows)
    plain[[3, 7]] = np.nan
    curve = Curve(np.array([0.0, 0.5]), random.normal(size=(rows, 2)))
    return {"plain": plain, "curve": curve}


def rows_of_two_methods() -> pd.DataFrame:
    tables = []
    for number, method in enumerate(("near", "far")):
        found = values(number)
        by_chance = {"plain": np.full(40, 0.25 + number), "curve": found["curve"]}
        tables.append(
            long_table(
                found,
                model="a",
                method=method,
                image_id=np.array([f"{i}.png" for i in range(40)], object),
                role=np.full(40, "predicted", object),
                chance=by_chance,
            )
        )
    return pd.concat(tables, ignore_index=True)


def test_means_and_counts_are_those_of_plain_loops() -> None:
    found = over_images(rows_of_two_methods(), Bootstrap(replicates=50))
    assert len(found) == 2 * 3
    for number, method in enumerate(("near", "far")):
        own = found[found["method"] == method]
        given = values(number)
        plain = own[own["measure"] == "plain"].iloc[0]
        kept = [value for value in given["plain"] if value == value]
        assert plain["mean"] == pytest.approx(sum(kept) / len(kept))
        assert (plain["images"], plain["left_out"]) == (38, 2)
        assert plain["chance"] == pytest.approx(0.25 + number)
        assert np.isnan(plain["x"])
        curve = own[own["measure"] == "curve"].set_index("x")
        for column, x in enumerate((0.0, 0.5)):
            expected = sum(row[column] for row in given["curve"].values) / 40
            assert curve.loc[x, "mean"] == pytest.approx(expected)
            assert curve.loc[x, "chance"] == pytest.approx(expected)


def test_intervals_are_those_of_scipy() -> None:
    rows = rows_of_two_methods()
    found = over_images(rows, Bootstrap(replicates=20_000, kind="percentile", level=0.9))
    for _, row in found[found["measure"] == "plain"].iterrows():
        own = rows[(rows["method"] == row["method"]) & (rows["measure"] == "plain")]
        expected = scipy_bootstrap(
            (own["value"].dropna().to_numpy(),),
            np.mean,
            n_resamples=20_000,
            confidence_level=0.9,
            method="percentile",
            rng=np.random.default_rng(1),
        ).confidence_interval
        # Both are drawn: the ends differ by their own errors, a hundredth of the width.
        tolerance = 0.03 * (expected.high - expected.low)
        assert (row["low"], row["high"]) == pytest.approx(tuple(expected), abs=tolerance)


def test_one_image_has_a_mean_and_no_interval() -> None:
    rows = rows_of_two_methods()
    alone = rows[rows["image_id"] == "0.png"]
    found = over_images(alone, Bootstrap(replicates=20))
    assert found["mean"].notna().all()
    assert found[["low", "high"]].isna().all(axis=None)
    assert (found["images"] == 1).all()


def test_an_experiment_gives_what_it_declares(tmp_path: Path) -> None:
    rows = rows_of_two_methods()
    write_table(tmp_path / "a.parquet", rows)
    how = Bootstrap(replicates=20)
    better = {"plain": "lower", "curve": ""}
    of = (["a"], ["near", "far"], ["far"])
    merge_experiment("mine", [tmp_path / "a.parquet"], *of, better, how, tmp_path / "t.csv")
    table = read_table(tmp_path / "t.csv")
    assert list(table.columns[:2]) == ["experiment", "model"]
    assert set(table["experiment"]) == {"mine"}
    assert dict(zip(table["method"], table["control"], strict=True)) == {"near": False, "far": True}
    assert set(table.loc[table["measure"] == "plain", "better"]) == {"lower"}
    with pytest.raises(ValueError, match="declares"):
        merge_experiment("mine", [tmp_path / "a.parquet"], *of, {"plain": ""}, how, tmp_path / "t")


def test_results_that_are_missing_or_there_twice_are_errors(tmp_path: Path) -> None:
    rows, how = rows_of_two_methods(), Bootstrap(replicates=20)
    better = {"plain": "lower", "curve": ""}

    def merge(rows: pd.DataFrame, methods: list[str]) -> None:
        write_table(tmp_path / "a.parquet", rows)
        files = [tmp_path / "a.parquet"]
        merge_experiment("mine", files, ["a"], methods, [], better, how, tmp_path / "t.csv")

    with pytest.raises(ValueError, match="no results of a and third"):
        merge(rows, ["near", "far", "third"])
    fewer = rows[(rows["method"] == "near") | (rows["image_id"] != "3.png")]
    with pytest.raises(ValueError, match=r"more images than others: .*'a'"):
        merge(fewer, ["near", "far"])
    with pytest.raises(ValueError, match=r"two values of one image: .*'0\.png'"):
        merge(pd.concat([rows, rows]), ["near", "far"])


def test_methods_are_held_together_on_the_images_that_all_have() -> None:
    rows = rows_of_two_methods()
    plain = rows[rows["measure"] == "plain"].copy()
    easy = plain["image_id"].isin(["5.png", "6.png"])
    plain.loc[easy & (plain["method"] == "near"), "value"] = np.nan
    control = plain[plain["method"] == "far"].assign(method="control", value=np.nan)
    empty = control.assign(method="reference")
    found = over_images(
        pd.concat([plain, control, empty]), Bootstrap(replicates=20), ["control"]
    ).set_index("method")
    values = plain.pivot(index="image_id", columns="method", values="value")
    shared = values.dropna()
    assert len(shared) < values["far"].notna().sum()
    for method in ("near", "far"):
        assert found.loc[method, "common"] == pytest.approx(shared[method].mean())
        assert found.loc[method, "common_images"] == len(shared)
        assert found.loc[method, "mean"] == pytest.approx(values[method].dropna().mean())


# --- Which rows ---------------------------------------------------------------------------------

ROLES = ["predicted", "label"]


def series(tmp_path: Path, images: int = 150) -> MapSeries:
    """Two files; in each all rows of one role come first."""
    files, half = [], images // 2
    for part, ids in enumerate((range(half), range(half, images))):
        names = [f"{i}.png" for i in ids]
        maps = np.zeros((2 * len(names), 1, 1))
        # A map says which image and role it is of.
        maps[:, 0, 0] = [role * 1000 + i + 1 for role in range(2) for i in ids]
        roles = [role for role in ROLES for _ in names]
        files.append(write_maps(tmp_path / f"{part}.h5", maps, image_ids=names * 2, role=roles))
    return MapSeries(files)


@pytest.mark.parametrize("count", [1, 5, 64, 65, 128, 149, 150, 999])
def test_the_first_images_with_all_their_rows(tmp_path: Path, count: int) -> None:
    found = first_images(series(tmp_path), count)
    expected = [(f"{i}.png", role) for i in range(min(count, 150)) for role in ROLES]
    assert found.rows() == expected
    blocks = list(blocks_of_images(found))
    told = [row for block in blocks for row in found.rows()[block]]
    assert told == expected
    for block in blocks:
        own = [image for image, _ in found.rows()[block]]
        assert len(set(own)) <= 64
        assert all(own.count(image) == len(ROLES) for image in own)
        maps = found.part(block.start, block.stop).maps[:, 0, 0]
        roles = [role for _, role in found.rows()[block]]
        numbers = [int(image.removesuffix(".png")) + 1 for image in own]
        wanted = [ROLES.index(role) * 1000 + n for role, n in zip(roles, numbers, strict=True)]
        np.testing.assert_allclose(maps, wanted, rtol=1e-3)


def test_rows_in_the_order_asked_for(tmp_path: Path) -> None:
    wanted = [("140.png", "label"), ("2.png", "predicted"), ("2.png", "label")]
    found = rows_of(series(tmp_path), wanted, "gradcam")
    np.testing.assert_allclose(found.maps[:, 0, 0], [1141, 3, 1003], rtol=1e-3)
    with pytest.raises(SightlineError, match=r"maps of gradcam lack '7\.png' \(top2\)"):
        rows_of(series(tmp_path), [("7.png", "top2")], "gradcam")


# --- What a study may ask for -------------------------------------------------------------------


def study(**given: Any) -> ResolvedStudy:
    return ResolvedStudy(
        {
            "study": "test",
            "images": {"source": "shapes", "count": 8},
            "models": ["zoo:test_resnet"],
            "methods": ["gradcam", "occlusion"],
            **given,
        }
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"evaluate": ["occlusion_agrement"]},
            r"occlusion_agrement.*occlusion_agreement",
        ),
        ({"evaluate": {"confidence_change": {"imags": 3}}}, r"evaluate\.confidence_change.*imags"),
        ({"evaluate": {"confidence_change": {"images": 0}}}, r"confidence_change.*images"),
        ({"evaluate": {"a": {"experiment": "confidence"}}}, r"evaluate\.a: .*confidence_change"),
        (
            {"evaluate": {"occlusion_agreement": {"reference": "rise"}}},
            r"occlusion_agreement: .*rise.*add it to methods",
        ),
        (
            {
                "evaluate": ["confidence_change"],
                "methods": {"gradcam": None, "sobel": {"method": "random"}},
            },
            r"methods\.sobel: that is the name of a control",
        ),
        ({"evaluate": {"original": {"experiment": "randomisation"}}}, "name of the study's own"),
    ],
)
def test_what_cannot_be_evaluated_says_why(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SightlineError, match=f"(?s){message}"):
        _ = study(**given).evaluation


def test_wrong_settings_are_told_plainly() -> None:
    """No word of the checking package's, no indent before the only line, one full stop."""
    changing = {"transform": "GaussNoise", "x": [0.2, 0.1], "args": {"std_range": ["x", "x"]}}
    with pytest.raises(SightlineError) as one:
        study(evaluate={"corruption": {"transforms": {"n": changing}}})
    assert str(one.value) == (
        "evaluate.corruption.transforms.n: x is [0.2, 0.1]: expected different numbers, increasing."
    )
    with pytest.raises(SightlineError) as several:
        study(evaluate={"bias": {"fils": ["mean"], "region": "boxes"}})
    lines = str(several.value).splitlines()
    assert lines[0] == "evaluate.bias: some settings are wrong."
    assert {line.split(":")[0] for line in lines[1:]} == {
        "  evaluate.bias.fils",
        "  evaluate.bias.region",
    }
    unknown = {"transform": "GausNoise", "x": [0.1], "args": {"std_range": ["x", "x"]}}
    with pytest.raises(SightlineError, match=r"transforms\.n: Unknown transform.*[^.]\.$"):
        study(evaluate={"corruption": {"transforms": {"n": unknown}}})


@pytest.mark.parametrize("needs", ["needs_roles", "fewest_roles"])
def test_missing_roles_are_asked_for(needs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = EXPERIMENTS["confidence_change"].settings
    asked: Any = {"needs_roles": ("predicted", "top2"), "fewest_roles": 2}[needs]
    monkeypatch.setattr(settings, needs, property(lambda _: asked))
    assert study(evaluate=["confidence_change"], roles=["predicted", "top2"]).evaluation
    with pytest.raises(SightlineError, match=r"evaluate\.confidence_change: it .*roles"):
        _ = study(evaluate=["confidence_change"], roles=["predicted"]).evaluation


def test_controls_stand_beside_all_but_variants() -> None:
    found = study(evaluate=["confidence_change", "occlusion_agreement", "bias"]).evaluation
    assert found.methods("bias") == ["gradcam", "occlusion"]
    assert found.methods("occlusion_agreement") == ["gradcam", "occlusion", *CONTROLS]
    assert found.methods("confidence_change")[:2] == ["gradcam", "occlusion"]
    assert set(found.methods("confidence_change")[2:]) == {"random", "centred_gaussian", "sobel"}
    own = study(evaluate=["confidence_change"], methods=["gradcam", "random"]).evaluation
    assert own.methods("confidence_change").count("random") == 1


def test_what_the_summary_and_figures_are_told() -> None:
    found = study(evaluate={"mine": {"experiment": "occlusion_agreement"}}).evaluation
    assert found.rankings == {
        "mine": {"measures": ["spearman"], "references": ["occlusion"], "uncontrolled": []}
    }
    steady = study(evaluate=["max_sensitivity"]).evaluation.rankings["max_sensitivity"]
    assert steady["measures"] == steady["uncontrolled"] == ["max_sensitivity"]
    assert found.drawn("mine")["over"] == {"spearman": ""}
    assert found.drawn("mine")["role"] == "predicted"


# --- The catalogue ------------------------------------------------------------------------------


def test_what_the_page_is_told() -> None:
    marker = {"experiment": "bias", "what": "marker"}
    found = study(evaluate={"bias": {}, "m": marker, "pointing": {}}, roles=["label"]).evaluation
    assert found.told == {
        "role": "label",
        "kinds": {"bias": "", "m": "", "pointing": "place"},
        "classes": {"bias": "", "m": "marker"},
    }
    assert found.drawn_by_class("m")["what"] == "marker"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_entry_of_the_catalogue_is_whole(name: str) -> None:
    one = EXPERIMENTS[name]
    names = [measure.name for measure in one.measures]
    assert len(set(names)) == len(names) > 0
    for measure in one.measures:
        assert measure.better or not measure.ranked, f"{measure.name} ranks, and has no direction"
        # A curve has no one number to rank by; strengths of variants are averaged over.
        assert not (measure.over and measure.ranked) or one.reads == "variants", measure.name
        assert measure.meaning
    assert one.question.endswith("?")
    assert (one.reads == "model") == (one.cost != NO_PASSES)
    assert one.settings().variants or one.reads != "variants"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_entry_of_the_catalogue_is_described(name: str) -> None:
    page = (ROOT / "docs/evaluation.md").read_text()
    assert re.search(rf"`{name}`", page), f"docs/evaluation.md does not mention {name}"
    assert f"<!-- keys: evaluate: {name} -->" in (ROOT / "config/README.md").read_text()
