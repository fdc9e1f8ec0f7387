"""A study's results in a notebook: what is read, and that it is what the files hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import sightline
from mapfiles import write_maps
from project import ROOT
from sightline.errors import SightlineError
from sightline.maps.align import resample
from sightline.maps.scaling import scale_maps
from sightline.maps.series import MapSeries
from sightline.maps.store import read_maps
from sightline.notebook.opening import OpenStudy
from sightline.study.record import RECORD_FILE, make_record, read_record, write_record
from sightline.study.resolve import ResolvedStudy
from sightline.tabular import write_table

COUNT, GRID = 9, 8
RANGES = ("000000-000004", "000005-000008")
MODELS = {"test_resnet": (6, 6), "test_vit": (4, 5)}
METHODS = ("gradcam", "integrated_gradients")
CONFIG = {
    "study": "small",
    "images": {"source": "shapes", "count": COUNT},
    "models": {
        "test_resnet": {"name": "zoo:test_resnet", "attributes": {"blocks": 4}},
        "test_vit": {"name": "zoo:test_vit", "attributes": {"patch": 16, "blocks": 5}},
    },
    "methods": {"gradcam": {}, "integrated_gradients": {"steps": 5}},
    "roles": ["predicted", "top2"],
    "compare": {"grid": GRID},
}
IDS = [f"{i:03d}" for i in range(COUNT)]
# The second model sees the middle of a wide image only.
BOX = {"test_resnet": (0, 0, 40, 20), "test_vit": (10, 0, 30, 20)}


def raw(model: str, method: str, role: str) -> np.ndarray:
    seed = [list(MODELS).index(model), METHODS.index(method), len(role)]
    maps = np.random.default_rng(seed).normal(size=(COUNT, *MODELS[model])).astype(np.float32)
    if model == "test_vit":
        maps[2] = np.nan
        maps[3] = 0
    return maps


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Map files, record and tables as a run of the study would leave them."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "resources").symlink_to(ROOT / "resources")
        study = ResolvedStudy(CONFIG)
        patch.setattr(ResolvedStudy, "ranges", lambda self, method: list(RANGES))
        write_record(study)
    results = folder / "results" / "small"
    for model in MODELS:
        for method in METHODS:
            for name in RANGES:
                write_range(results, model, method, name)
    (results / "tables").mkdir()
    images = pd.DataFrame({"image_id": IDS, "label": [*"abcabcab", ""]})
    images.to_csv(results / "tables" / "images.csv", index=False)
    similar = pd.DataFrame({"model_a": ["007"], "model_b": ["none"], "mean": [0.5]})
    similar.to_csv(results / "tables" / "similarity.csv", index=False)
    write_table(results / "tables" / "large.parquet", similar)
    return results


def write_range(results: Path, model: str, method: str, name: str) -> None:
    """Both roles' rows of a range, one image after the other."""
    start, stop = (int(part) for part in name.split("-"))
    rows = [(i, role) for i in range(start, stop + 1) for role in CONFIG["roles"]]
    maps = np.stack([raw(model, method, role)[i] for i, role in rows])
    path = results / "maps" / "original" / model / method / f"{name}.h5"
    write_maps(
        path,
        maps,
        boxes=[BOX[model]] * len(rows),
        image_ids=[IDS[i] for i, _ in rows],
        role=[role for _, role in rows],
        targets=[i for i, _ in rows],
        size=(20, 40),
    )


@pytest.fixture
def study(results: Path) -> OpenStudy:
    return sightline.open_study(results)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Model, method and range of each file that maps are read from."""
    seen: list[str] = []
    stored = MapSeries.stored

    def noted(self: MapSeries, start: int, stop: int) -> np.ndarray:
        seen.extend("/".join(path.with_suffix("").parts[-3:]) for path in self._files)
        return stored(self, start, stop)

    monkeypatch.setattr(MapSeries, "stored", noted)
    return seen


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that are opened at all."""
    seen: list[Path] = []
    made = MapSeries.__init__

    def noted(self: MapSeries, files: list[Path]) -> None:
        seen.extend(files)
        made(self, files)

    monkeypatch.setattr(MapSeries, "__init__", noted)
    return seen


# --- What is read -------------------------------------------------------------------------------


def test_opening_and_selecting_open_no_map_file(study: OpenStudy, opened: list[Path]) -> None:
    maps = study.maps()
    assert maps.dims == ("model", "method", "image", "y", "x")
    assert maps.shape == (2, 2, COUNT, GRID, GRID)
    assert maps.dtype == np.float32
    chosen = maps.loc[{"model": "test_vit", "method": "gradcam"}].isel(image=slice(1, 3), y=2)
    assert "values with dtype=float32" in repr(chosen)
    assert repr(study)
    assert opened == []
    assert np.isfinite(chosen.isel(image=0)).sum() > 0
    assert {path.parent.parent.name for path in opened} == {"test_vit"}


def test_a_slice_reads_its_files_and_no_others(study: OpenStudy, read: list[str]) -> None:
    maps = study.maps()
    maps.loc[{"model": "test_vit", "method": "gradcam"}].isel(image=[1, 3]).load()
    assert set(read) == {f"test_vit/gradcam/{RANGES[0]}"}
    read.clear()
    maps.loc[{"method": "integrated_gradients"}].isel(image=-1).load()
    assert set(read) == {f"{model}/integrated_gradients/{RANGES[1]}" for model in MODELS}
    read.clear()
    study.native("test_resnet", "gradcam").isel(image=slice(4, 6)).load()
    assert set(read) == {f"test_resnet/gradcam/{name}" for name in RANGES}


def test_native_reads_no_maps_before_they_are_asked_for(study: OpenStudy, read: list[str]) -> None:
    found = study.native("test_vit", "gradcam")
    assert found.status.values.tolist()[2:4] == ["non-finite", "zero"]
    assert read == []


# --- What is in it ------------------------------------------------------------------------------


def expected(model: str, method: str, role: str, scaling: list[str], grid: int) -> np.ndarray:
    """Map by map, and cell by cell outside the box."""
    maps = raw(model, method, role)
    out = np.full((COUNT, grid, grid), np.nan)
    x0, _, x1, _ = BOX[model]
    for i, one in enumerate(maps):
        if not np.isfinite(one).all():
            continue
        one = one.astype(np.float16)[None].astype(np.float32)
        box, whole = np.array([BOX[model]], float), np.array([[0, 0, 40, 20]], float)
        placed = resample(scale_maps(one, scaling), box, whole, grid)[0]
        for column in range(grid):
            if x0 <= (column + 0.5) / grid * 40 <= x1:
                out[i, :, column] = placed[:, column]
    return out


@pytest.mark.parametrize("scaling", ["compare", "raw", ["abs", "max"]])
@pytest.mark.parametrize("role", ["predicted", "top2"])
@pytest.mark.parametrize("grid", [None, 5])
def test_maps_are_those_of_the_files_over_the_whole_image(
    study: OpenStudy, scaling: str | list[str], role: str, grid: int | None
) -> None:
    maps = study.maps(scaling=scaling, role=role, grid=grid)
    steps = {"raw": [], "compare": None}.get(str(scaling), scaling)
    for model in MODELS:
        for method in METHODS:
            own = study.record.methods[method]["scaling"] if steps is None else steps
            found = maps.loc[{"model": model, "method": method}].values
            wanted = expected(model, method, role, own, grid or GRID)
            np.testing.assert_allclose(found, wanted, rtol=0.02, atol=0.01)


def test_any_selection_is_that_of_the_loaded_array(study: OpenStudy) -> None:
    maps = study.maps()
    whole = maps.copy(data=maps.values)
    image = xr.DataArray([8, 0, 0, 5], dims="image")
    pairs = xr.DataArray([0, 1, 1], dims="pair")
    for choose in (
        lambda a: a.isel(image=image, y=slice(None, None, -2), x=[3, 1]),
        lambda a: a.isel(model=pairs, method=pairs[::-1], image=7),
        lambda a: a.isel(model=-1)[..., 3, 2:],
        lambda a: a.sel(model=a.family == "cnn").isel(image=slice(6, 1, -2)),
        lambda a: a.isel(image=[]),
        lambda a: a.sel(image=a.label == "b").mean("image"),
    ):
        xr.testing.assert_allclose(choose(maps).load(), choose(whole))


def test_labels_say_what_is_what(study: OpenStudy) -> None:
    maps = study.maps(role="top2")
    assert maps.family.values.tolist() == ["cnn", "transformer"]
    assert maps.blocks.values.tolist() == [4, 5]
    assert maps.sel(model=maps.patch == 16).model.values.tolist() == ["test_vit"]
    assert maps.image.values.tolist() == IDS
    assert maps.label.values.tolist() == [*"abcabcab", ""]
    assert maps.attrs == {"study": "small", "role": "top2"}
    np.testing.assert_allclose(maps.y, (np.arange(GRID) + 0.5) / GRID)


def test_writing_changes_a_copy(study: OpenStudy, results: Path) -> None:
    path = results / "maps/original/test_resnet/gradcam" / f"{RANGES[0]}.h5"
    before = path.read_bytes()
    maps = study.maps()
    maps[0, 0, 0] = 7
    assert (maps[0, 0, 0] == 7).all()
    assert not (study.maps()[0, 0, 0] == 7).any()
    assert path.read_bytes() == before


def test_native_maps_are_those_of_the_files(study: OpenStudy, results: Path) -> None:
    for role in CONFIG["roles"]:
        found = study.native("test_vit", "gradcam", role=role)
        assert found.shape == (COUNT, 4, 5)
        files = [results / f"maps/original/test_vit/gradcam/{name}.h5" for name in RANGES]
        parts = [read_maps(path) for path in files]
        rows = [part.role == role for part in parts]
        maps = np.concatenate([part.maps[own] for part, own in zip(parts, rows, strict=True)])
        maps[2] = np.nan
        np.testing.assert_array_equal(found.values, maps)
        assert found.image.values.tolist() == IDS
        assert found.target.values.tolist() == list(range(COUNT))
        assert found.x1.values.tolist() == [30] * COUNT
        assert found.width.values.tolist() == [40] * COUNT
        assert found.predicted.values.tolist() == [str(i) for i in range(COUNT)]
        assert set(found.correct.values.tolist()) == {-1}
        assert found.attrs["role"] == role


def test_tables_are_read_by_name_and_ids_stay_text(study: OpenStudy) -> None:
    assert list(study.tables) == ["images", "large", "similarity"]
    assert "large" in study.tables
    assert "nothing" not in study.tables
    for name in ("similarity", "large"):
        table = study.table(name)
        assert table[["model_a", "model_b"]].to_numpy().tolist() == [["007", "none"]]
    assert study.images["image_id"].tolist() == IDS
    with pytest.raises(SightlineError, match="Did you mean 'similarity'"):
        study.table("similarty")


def test_a_study_shows_what_it_is(study: OpenStudy) -> None:
    assert study.models == list(MODELS)
    assert study.methods == list(METHODS)
    assert study.families == {"test_resnet": "cnn", "test_vit": "transformer"}
    shown = repr(study)
    for word in ("small", "2 models", "9 images", "test_vit (transformer)", "top2", "similarity"):
        assert word in shown


# --- What is wrong ------------------------------------------------------------------------------


def test_no_study_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SightlineError, match="There is no folder"):
        sightline.open_study(tmp_path / "nothing")
    with pytest.raises(SightlineError, match="has not run yet"):
        sightline.open_study(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is damaged"), ('{"schema": 0}', "has the schema 0"), ('{"schema": 1}', "is damaged")],
)
def test_damaged_record_is_said_so(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / RECORD_FILE).write_text(text)
    with pytest.raises(SightlineError, match=message):
        sightline.open_study(tmp_path)


def test_missing_range_says_which_and_what_to_do(
    study: OpenStudy, results: Path, tmp_path: Path
) -> None:
    path = results / "maps/original/test_vit/gradcam" / f"{RANGES[1]}.h5"
    path.rename(tmp_path / "away.h5")
    try:
        maps = study.maps().loc[{"model": "test_vit", "method": "gradcam"}]
        assert maps.isel(image=0).notnull().any()
        said = f"The maps of test_vit under gradcam for images {RANGES[1]}.*Run it again"
        with pytest.raises(SightlineError, match=said):
            maps.isel(image=7).load()
        with pytest.raises(SightlineError, match=said):
            study.native("test_vit", "gradcam")
    finally:
        (tmp_path / "away.h5").rename(path)


def test_study_that_has_just_begun_says_so(results: Path, tmp_path: Path) -> None:
    (tmp_path / RECORD_FILE).write_bytes((results / RECORD_FILE).read_bytes())
    study = sightline.open_study(tmp_path)
    assert "none yet" in repr(study)
    with pytest.raises(SightlineError, match=r"images\.csv does not exist"):
        study.maps()
    (tmp_path / "tables").mkdir()
    pd.DataFrame({"image_id": IDS[:4], "label": "a"}).to_csv(
        tmp_path / "tables/images.csv", index=False
    )
    with pytest.raises(SightlineError, match="lists 4 images, the study now has 9"):
        study.maps()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda study: study.native("test_vt", "gradcam"), "Did you mean 'test_vit'"),
        (lambda study: study.native("test_vit", "gradcm"), "Did you mean 'gradcam'"),
        (lambda study: study.maps(role="label"), "Unknown role 'label'"),
        (lambda study: study.maps(grid=0), "at least one position"),
        (lambda study: study.maps(scaling="abs"), "compare, raw or a list of steps"),
        (lambda study: study.maps(scaling=["abz"]).isel(image=0).load(), "Unknown scaling step"),
    ],
)
def test_wrong_questions_say_what_is_right(study: OpenStudy, call, message: str) -> None:
    with pytest.raises(SightlineError, match=message):
        call(study)


# --- The record ---------------------------------------------------------------------------------


def test_record_is_what_the_study_is(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.parent.parent)
    study = ResolvedStudy(CONFIG)
    record = make_record(study)
    assert record.images == COUNT
    assert record.roles == ["predicted", "top2"]
    assert record.methods["integrated_gradients"]["settings"]["steps"] == 5
    assert record.methods["gradcam"]["ranges"] == study.ranges("gradcam")
    assert record.methods["gradcam"]["scaling"] == study.scaling("gradcam")
    assert record.models["test_vit"] == {
        "family": "transformer",
        "attributes": {"patch": 16, "blocks": 5},
        "spec": study.models["test_vit"].spec,
    }
    monkeypatch.setattr(ResolvedStudy, "results", tmp_path / "new")
    write_record(study)
    assert read_record(tmp_path / "new") == record
    assert [path.name for path in (tmp_path / "new").iterdir()] == [RECORD_FILE]


def test_results_are_read_without_torch(results: Path) -> None:
    code = (
        "import sys, sightline\n"
        f"study = sightline.open_study({str(results)!r})\n"
        "study.maps().isel(image=0).load()\n"
        "assert not {'torch', 'timm', 'snakemake', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_only_open_study_imports_xarray() -> None:
    library = ROOT / "workflow" / "sightline"
    using = {
        path.relative_to(library).as_posix()
        for path in library.rglob("*.py")
        if re.search(r"^\s*(import|from) xarray", path.read_text(), re.MULTILINE)
    }
    assert using == {f"notebook/{name}.py" for name in ("labels", "lazy", "opening")}


def test_examples_of_the_page_run(results: Path) -> None:
    page = (ROOT / "docs" / "notebook.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code = "\n".join(blocks).replace("results/demo", str(results))
    names: dict[str, object] = {}
    exec(compile(code, "docs/notebook.md", "exec"), names)
    assert names["first"].shape == (3, GRID, GRID)
    assert names["means"].sizes["model"] == 2
    xr.testing.assert_allclose(names["means"], names["maps"].mean("image"))
    assert names["cnns"].model.values.tolist() == ["test_resnet"]
