"""The ready studies plan what they say, on stand-ins for the data that a person fetches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torchvision
import yaml

from project import ROOT, Project
from sightline.evaluate.catalogue import EXPERIMENTS
from sightline.images.archive import archive_folder
from sightline.models.zoo import ZOO
from sightline.study.resolve import ResolvedStudy

FOLDER = ROOT / "config/studies"
STUDIES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
IMAGENETTE = (
    *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
    *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
)


def given(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


# --- Stand-ins: names of files are all that planning looks at -----------------------------------


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def imagenette(study: dict[str, Any], root: Path) -> None:
    folder = root / archive_folder(study["images"])
    for number in range(130):
        touch(folder / study["images"]["path"] / IMAGENETTE[number % 10] / f"{number}.JPEG")
    folder.with_name(f"{folder.name}.txt").touch()


def tench(study: dict[str, Any], root: Path) -> None:
    rows = [f"tench/{number}.jpg,n01440764,masks/{number}.png" for number in range(40)]
    (root / study["images"]["path"]).write_text("\n".join(["path,label,mask", *rows]))
    for row in rows:
        touch(root / row.partition(",")[0])


def ilsvrc(study: dict[str, Any], root: Path) -> None:
    source, rows = study["images"], ["ImageId,PredictionString"]
    for number in range(1, 1101):
        name = f"ILSVRC2012_val_{number:08d}"
        touch(root / source["path"] / f"{name}.JPEG")
        touch(root / source["annotations"] / f"{name}.xml")
        rows.append(f"{name},{IMAGENETTE[number % 10]} 1 2 30 40 ")
    (root / source["labels"]).write_text("\n".join(rows))


def own_classes(study: dict[str, Any], root: Path) -> None:
    for number in range(40):
        label = study["models"]["ResNet18"]["classes"][number % 4]
        touch(root / study["images"]["path"] / label / f"{number}.png")
    touch(root / study["models"]["ResNet18"]["weights"])


def radiographs(study: dict[str, Any], root: Path) -> None:
    folder = root / study["images"]["path"]
    findings = ["Image Index,Finding Labels,Follow-up #,"]
    boxes = ["Image Index,Finding Label,Bbox [x,y,w,h],,,"]
    for number in range(30):
        name = f"{number:08d}_000.png"
        touch(folder / f"images_{number % 12 + 1:03d}/images" / name)
        findings.append(f"{name},{('No Finding', 'Mass|Pleural_Thickening')[number % 2]},0,")
        if number % 2:
            boxes.append(f"{name},Mass,1,2,30,40,,,")
    (folder / "Data_Entry_2017.csv").write_text("\n".join(findings))
    (folder / "BBox_List_2017.csv").write_text("\n".join(boxes))
    touch(root / study["models"]["DenseNet121"]["weights"])


def nothing(_study: dict[str, Any], _root: Path) -> None:
    """Its images come with packages."""


STAND_INS: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "architectures": imagenette,
    "architectures-attention": imagenette,
    "architectures-bias": tench,
    "architectures-depth": imagenette,
    "chest-xray": radiographs,
    "full": nothing,
    "gradcam-reproduction": ilsvrc,
    "planted-bias": nothing,
    "rise-abscam": own_classes,
    "survey": nothing,
}

# Jobs of the rules that get, explain and evaluate.
PLANNED = {
    "architectures": {
        **{"fetch": 14, "shard": 2, "predict": 14, "layers": 14},
        **{"explain": 14 * 3, "explain_variant": 14 * 3, "evaluate": 14, "experiment_table": 1},
    },
    "architectures-attention": {
        **{"fetch": 3, "shard": 2, "predict": 3, "layers": 3, "explain": 3 * 4},
    },
    "architectures-bias": {
        **{"fetch": 14, "shard": 2, "predict": 14, "layers": 14},
        **{"explain": 14 * 3, "explain_variant": 14 * 3 * 2, "evaluate": 14},
        **{"experiment_table": 1},
    },
    "architectures-depth": {
        **{"fetch": 5, "shard": 2, "predict": 5, "layers": 5, "explain": 5 * 6},
    },
    "chest-xray": {
        **{"digest": 1, "shard": 1, "predict": 1, "layers": 1},
        **{"explain": 4, "evaluate": 2, "experiment_table": 2},
    },
    # Of 13 variants; ten experiments on stored maps, seven with the model, three controls.
    "full": {
        **{"shard": 4, "predict": 8, "explain": 8 * 3, "explain_variant": 8 * 3 * 13},
        **{"evaluate": 8 * 10, "evaluate_model": 8 * (3 + 3) * 7, "experiment_table": 17},
    },
    # Occlusion of 1,000 images in four ranges; the one-pixel attack of 8 images in four.
    "gradcam-reproduction": {
        **{"fetch": 3, "shard": 10, "predict": 3, "layers": 3},
        **{"explain": 3 * (3 + 4), "explain_variant": 3 * 4, "evaluate": 3 * 5},
        **{"evaluate_model": 3 * (4 + 3) * (1 + 4), "experiment_table": 7},
    },
    # Two fills of the object, one of the marker.
    "planted-bias": {
        **{"shard": 1, "predict": 8, "explain": 8 * 3},
        **{"explain_variant": 8 * 3 * 3, "evaluate": 8 * 2, "experiment_table": 2},
    },
    # 6,000 masks for 40 images in five ranges; the final map at four layers in two.
    "rise-abscam": {
        **{"digest": 1, "shard": 7, "predict": 1, "layers": 1},
        **{"explain": 5 + 1 + 4 + 4 * 2, "evaluate_model": 10 + 3, "experiment_table": 1},
    },
    # Three corruptions, each at three strengths.
    "survey": {
        **{"fetch": 2, "shard": 1, "predict": 2, "layers": 2},
        **{"explain": 2 * 6, "explain_variant": 2 * 6 * 9, "evaluate": 2, "experiment_table": 1},
    },
}
RULES = ("unpack", "fetch", "digest", "shard", "predict", "layers", "explain", "explain_variant")
RULES += ("evaluate", "evaluate_objects", "evaluate_model", "experiment_table")


def test_every_study_is_planned_here() -> None:
    assert list(STAND_INS) == list(PLANNED) == STUDIES
    text = (FOLDER / "README.md").read_text()
    for name in STUDIES:
        assert given(name)["study"] == name
        assert f"`{name}`" in text


def test_the_full_study_has_every_experiment_and_the_whole_zoo() -> None:
    study = ResolvedStudy(given("full"))
    experiments = study.evaluation.experiments.values()
    assert {one.experiment.name for one in experiments} == EXPERIMENTS.keys()
    assert set(ZOO) == set(study.models)


def test_the_thesis_needs_its_archive_and_the_weights_of_all_its_models() -> None:
    study = ResolvedStudy(given("architectures"))
    files = [str(path) for path in study.downloads]
    assert "resources/datasets/imagenette2-fe2fc210.txt" in files
    assert len([file for file in files if file.endswith(".safetensors")]) == 14
    url, digest = torchvision.datasets.Imagenette._ARCHIVES["full"]
    assert study.source["url"] == url
    assert study.source["digest"] == f"md5:{digest}"


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
@pytest.mark.parametrize("name", STUDIES)
def test_a_ready_study_plans_its_jobs(name: str, tmp_path: Path) -> None:
    project = Project(tmp_path, given(name))
    STAND_INS[name](project.study, tmp_path)
    jobs = project.planned()
    assert {rule: jobs[rule] for rule in RULES if rule in jobs} == PLANNED[name]
