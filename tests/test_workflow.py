"""What runs again, and what a killed run loses: counted in real runs of Snakemake."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import sightline
from project import Project, assert_equal_maps
from sightline.maps.store import read_maps
from sightline.study.estimates.demand import Demands
from sightline.study.estimates.plan import Plan
from sightline.study.estimates.speeds import Speeds
from sightline.study.resolve import ResolvedStudy

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

# Tables that each method has, and the study all together.
GATHERED = {
    *("similarity", "agreement", "prediction_agreement", "linkage", "communities"),
    *("resolutions", "embedding", "clusters", "cluster_test", "consensus", "consensus_accuracy"),
    *("images_needed", "images_recommended", "artefacts"),
}
# Of all methods at once.
TOGETHER = {
    **{"gather": len(GATHERED), "merge_methods": 1, "methods_figure": 1, "compare_methods": 2},
    **{"variance": 1, "variance_figure": 1, "architecture": 1, "architecture_figures": 1},
    "answers": 1,
}


def compared(*methods: str) -> Counter[str]:
    """All that follows from the maps of some methods."""
    of_each = (
        *("compare", "merge", "structure", "prediction_agreement", "figures", "overlays"),
        *("consensus", "merge_consensus", "consensus_figure", "consensus_maps"),
        *("images_needed", "images_needed_figure", "artefacts", "artefacts_figure"),
    )
    planned = Counter(dict.fromkeys(of_each, len(methods))) + Counter(TOGETHER)
    if "kernelshap" in methods:  # it draws, so each model is held against itself
        planned["ceiling"] = 1
    return planned


def make_study(folder: Path) -> dict:
    """Two models and two methods over a folder of small photographs in two classes."""
    pixels = torch.Generator().manual_seed(0)
    for label in ("a", "b"):
        for i in range(6):
            noise = torch.randint(0, 255, (6, 6, 3), generator=pixels, dtype=torch.uint8)
            path = folder / "photos" / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.numpy()).resize((96, 96)).save(path)
    torch.manual_seed(1)
    module = timm.create_model("test_resnet", num_classes=8)
    save_file(module.state_dict(), folder / "resnet.safetensors")
    return {
        "study": "tiny",
        "images": {"source": "folder", "path": "photos", "count": 6},
        "models": {
            "resnet": {
                "name": "test_resnet",
                "weights": "resnet.safetensors",
                "args": {"num_classes": 8},
                "input": {"size": [96, 96]},
                "family": "cnn",
            },
            "vit": {
                "name": "test_vit",
                "pretrained": False,
                "args": {"num_classes": 8, "img_size": 96},
                "family": "transformer",
            },
        },
        "methods": {"gradcam": {}, "kernelshap": {"samples": 20, "segments": 8}},
        "compare": {"second_seed": 4},
        "figures": {"images": 3},
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose study has run to its end."""
    folder = tmp_path_factory.mktemp("finished")
    project = Project(folder, make_study(folder))
    project.complete()
    return project


@pytest.fixture
def project(finished: Project) -> Iterator[Project]:
    """The finished project; whatever a test changes is put back."""
    study = copy.deepcopy(finished.study)
    changed: dict[Path, tuple[bytes, int]] = {}
    finished.changed = changed
    yield finished
    finished.study = study
    for path, (data, mtime) in changed.items():
        path.write_bytes(data)
        os.utime(path, ns=(mtime, mtime))


def edit(project: Project, file: str, change) -> None:
    """Change a file of the project until the test ends."""
    path = project.folder / file
    project.changed[path] = (path.read_bytes(), path.stat().st_mtime_ns)
    path.write_bytes(change(path.read_bytes()))


def edit_source(project: Project, module: str) -> None:
    """Change a module's source, but not what it does."""
    edit(project, f"workflow/sightline/{module}.py", lambda text: text + b"\n# changed\n")


def test_results_take_as_much_room_as_the_plan_says(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder)
    study = ResolvedStudy(finished.study | {"study": "another"})
    expected = Plan(study, Demands(study, Speeds(), "cpu")).storage()
    results = finished.folder / "results/tiny"
    folders = {"images": "images", "maps": "maps", "consensus": "consensus"}
    for part, folder in (folders | {"comparisons": "compare", "figures": "figures"}).items():
        there = sum(path.stat().st_size for path in (results / folder).rglob("*.*"))
        # Maps are estimated as uncompressed, and these photographs have six pixels a side.
        assert 0.5 * there < expected[part] < 5 * there, part
    every = [path for path in results.rglob("*.*") if path.is_file()]
    kept = [path for path in every if not {"logs", "benchmarks"} & set(path.parts)]
    total = sum(path.stat().st_size for path in kept)
    assert 0.5 * total < sum(expected.values()) < 2.5 * total


def test_nothing_changed_runs_nothing(project: Project) -> None:
    assert project.planned() == Counter()


def test_results_are_complete(project: Project) -> None:
    results = project.folder / "results/tiny"
    tables = {path.stem for path in (results / "tables").iterdir()}
    assert tables == GATHERED | {
        *("images", "objects", "predictions", "accuracy", "models", "methods", "methods_overall"),
        *("variance", "architecture", "answers"),
    }
    assert "cluster by architecture" in (results / "answers.html").read_text()
    ceiling = pd.read_csv(results / "compare/kernelshap/ceiling.csv")
    assert set(ceiling["model"]) == {"resnet", "vit"}
    assert (ceiling["images"] + ceiling["left_out"] == 4).all()
    for method in ("gradcam", "kernelshap"):
        drawn = {path.name for path in (results / "figures" / method).iterdir()}
        assert "overlays.png" in drawn
        assert len(drawn) == 12


def test_results_open_in_a_notebook(project: Project) -> None:
    study = sightline.open_study(project.folder / "results/tiny")
    assert study.families == {"resnet": "cnn", "vit": "transformer"}
    maps = study.maps(grid=12)
    assert maps.shape == (2, 2, 6, 12, 12)
    for model in study.models:
        for method in study.methods:
            (path,) = (study.folder / "maps/original" / model / method).glob("*.h5")
            stored = read_maps(path)
            found = study.native(model, method)
            np.testing.assert_array_equal(found.values, stored.maps)
            assert found.image.values.tolist() == stored.image_id.tolist()
            assert np.isfinite(maps.loc[{"model": model, "method": method}]).all()
    assert set(study.table("artefacts")["model"]) == {"resnet", "vit"}


def test_layers_are_found_once_and_read(project: Project) -> None:
    results = project.folder / "results/tiny"
    for model, last in (("resnet", "layer4"), ("vit", "blocks.4")):
        found = json.loads((results / "layers" / f"{model}.json").read_text())
        assert found["size"] == [96, 96]
        assert found["layers"][-1]["maps"][0]["module"] == last
        (maps,) = (results / "maps/original" / model / "gradcam").glob("*.h5")
        with h5py.File(maps) as file:
            assert file.attrs["layer"] == last
    assert not (results / "layers/other.json").exists()
    # Another layer is read where the file says so: jobs believe it.
    edit(project, "results/tiny/layers/vit.json", lambda text: text.replace(b".4", b".3"))
    assert project.planned_files("explain") == {
        "results/tiny/maps/original/vit/gradcam/000000-000005.h5"
    }


def test_added_model(project: Project) -> None:
    project.study["models"]["other"] = project.study["models"]["vit"] | {"seed": 1}
    assert project.planned() == {
        **{"layers": 1, "predict": 1, "predictions": 1, "models_table": 1},
        **{"explain": 2, "redraw": 1},
        **compared("gradcam", "kernelshap"),
        "compare_methods": 1,
    }
    assert all("/other/" in file for file in project.planned_files("explain"))


def test_changed_weights(project: Project) -> None:
    edit(project, "resnet.safetensors", lambda data: data[:-4] + b"\0\0\0\0")
    assert project.planned() == {
        **{"digest": 1, "layers": 1, "predict": 1, "predictions": 1, "models_table": 1},
        **{"explain": 2, "redraw": 1},
        **compared("gradcam", "kernelshap"),
        "compare_methods": 1,
    }
    assert all("/resnet/" in file for file in project.planned_files("explain"))


def test_changed_setting(project: Project) -> None:
    project.study["methods"]["kernelshap"]["samples"] = 24
    assert project.planned() == {"explain": 2, "redraw": 2, **compared("kernelshap")}
    assert all("/kernelshap/" in file for file in project.planned_files("explain"))


@pytest.mark.parametrize(
    ("module", "method"),
    [("methods/cams/gradcam", "gradcam"), ("methods/perturbations/segments", "kernelshap")],
)
def test_changed_source_of_a_method(project: Project, module: str, method: str) -> None:
    edit_source(project, module)
    again = {"redraw": 2} if method == "kernelshap" else {}
    assert project.planned() == {"explain": 2, **again, **compared(method)}
    assert all(f"/{method}/" in file for file in project.planned_files("explain"))


def test_changed_source_shared_by_all_methods(project: Project) -> None:
    edit_source(project, "models/layers")
    planned = project.planned()
    assert planned["explain"] == 4
    assert planned["predict"] == 2
    assert planned["layers"] == 2
    assert planned["shard"] == 0


def test_changed_source_of_another_room(project: Project) -> None:
    edit_source(project, "compare/measures/rbf")
    planned = project.planned()
    assert (planned["explain"], planned["compare"], planned["merge"]) == (0, 2, 2)
    edit_source(project, "methods/catalogue/gradients")
    assert project.planned()["explain"] == 0


def test_larger_count_adds_ranges(project: Project) -> None:
    project.study["images"]["count"] = 10
    expected = {
        **{"shard": 1, "manifest": 1, "predict": 2, "predictions": 1, "models_table": 1},
        "explain": 4,
        **compared("gradcam", "kernelshap"),
    }
    del expected["overlays"]  # of the first images, as before
    assert project.planned() == expected
    assert all("000006-000009" in file for file in project.planned_files("explain"))
    counts = json.loads((project.folder / "results/tiny/counts.json").read_text())
    assert counts == [6]


def test_a_removed_map_is_made_again(project: Project) -> None:
    path = project.map_files()[0]
    edit(project, path.relative_to(project.folder).as_posix(), lambda data: data)
    path.unlink()
    made = project.planned_files("explain")
    assert made == {path.relative_to(project.folder).as_posix()}


def test_maps_may_be_made_in_parts(tmp_path: Path) -> None:
    project = Project(tmp_path, make_study(tmp_path))
    whole = project.planned_files("explain")
    # Snakemake plans the last part once the others are there.
    first, second = (
        project.planned_files("explain", "maps", "--batch", f"maps={part}/3") for part in (1, 2)
    )
    assert first
    assert second
    assert not first & second
    assert first | second < whole
    planned = project.planned("--batch", "maps=1/3", "--", "maps")
    assert planned.keys() <= {"explain", "shard", "digest", "layers"}


def test_figure_option(project: Project) -> None:
    project.study["figures"]["palette"] = "magma"
    drawn = {"figures": 2, "artefacts_figure": 2, "methods_figure": 1, "answers": 1}
    assert project.planned() == drawn
    project.study["figures"]["overlay"] = "jet"
    assert project.planned() == drawn | {"overlays": 2, "consensus_maps": 2}


def test_checks_of_explanations_come_on_top(project: Project) -> None:
    project.study["sanity"] = {"images": 4}
    edit_source(project, "evaluate/sanity/offset")  # no map depends on it
    assert project.planned() == {"sanity": 4, "sanity_table": 1, "sanity_figure": 1}


def test_touched_image_runs_nothing_and_changed_image_its_range(project: Project) -> None:
    shown = (project.folder / "results/tiny/tables/images.csv").read_text()
    file = next(line.split(",") for line in shown.splitlines()[1:])[6]
    edit(project, file, lambda data: data)
    assert project.planned() == Counter()
    edit(project, file, lambda data: data + b"\0")
    planned = project.planned()
    assert planned["shard"] == 2  # its range's, and that of images explained again
    assert planned["explain"] == 4


def test_killed_run_resumes_to_the_same_maps(
    finished: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    killed = Project(folder, make_study(folder))
    process = subprocess.Popen(
        killed.command(),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not killed.map_files():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    survived = set(killed.maps())
    assert survived
    unlocked = killed.run("--unlock")
    assert unlocked.returncode == 0, unlocked.stdout
    done_again = killed.planned_files("explain") & survived
    assert len(done_again) <= 2  # only what two cores had in their hands
    killed.complete()
    assert_equal_maps(finished, killed)
    shutil.rmtree(folder)
