"""The ready studies plan what they say, on stand-ins for the data that a person fetches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from project import ROOT, Project
from sightline.images.archive import archive_folder

FOLDER = ROOT / "config/studies"
STUDIES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
IMAGENETTE = [
    "n01440764",
    "n02102040",
    "n02979186",
    "n03000684",
    "n03028079",
    "n03394916",
    "n03417042",
    "n03425413",
    "n03445777",
    "n03888257",
]


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
    "rise-abscam": own_classes,
    "survey": nothing,
}

# Jobs of the rules that get, explain and evaluate.
PLANNED: dict[str, dict[str, int]] = {}
RULES = ("unpack", "fetch", "digest", "shard", "predict", "layers", "explain", "explain_variant")
RULES += ("evaluate", "evaluate_objects", "evaluate_model", "experiment_table")


def test_every_study_is_planned_here() -> None:
    assert list(STAND_INS) == STUDIES
    for name in STUDIES:
        assert given(name)["study"] == name


@pytest.mark.workflow
@pytest.mark.parametrize("name", STUDIES)
def test_a_ready_study_plans_its_jobs(name: str, tmp_path: Path) -> None:
    project = Project(tmp_path, given(name))
    STAND_INS[name](project.study, tmp_path)
    jobs = project.planned()
    assert {rule: jobs[rule] for rule in RULES if rule in jobs} == PLANNED.get(name)
