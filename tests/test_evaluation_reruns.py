"""Which jobs of a study's experiments run again: counted in real runs of Snakemake."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from project import Project
from sightline.images.shapes import CLASSES

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

# All that experiments end in; what compares models is counted elsewhere.
TARGET = "results/tiny/tables/evaluation.csv"
MODEL = {
    "name": "test_resnet",
    "pretrained": False,
    "args": {"num_classes": 8},
    "classes": list(CLASSES),
    "input": {"size": [64, 64]},
}
# An experiment of each kind: on maps, with objects, on variants, with the model.
STUDY: dict[str, Any] = {
    "study": "tiny",
    "images": {"source": "shapes", "count": 4},
    "models": {"one": MODEL, "two": MODEL | {"seed": 1}},
    "methods": {"gradcam": {}, "occlusion": {"window": 32, "stride": 32}},
    "evaluate": {
        "occlusion_agreement": {},
        "pointing": {"permutations": 19, "derangements": 3},
        "bias": {"images": 2, "fills": ["inpainted"]},
        "confidence_change": {"images": 2},
    },
}
# By kind: what reads maps is a job a model; what needs the model one a method and range.
METHODS, CONTROLS = 2, 3


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("evaluated"), copy.deepcopy(STUDY))
    project.complete("--", TARGET)
    return project


@pytest.fixture
def project(finished: Project) -> Iterator[Project]:
    """The finished project; a test may change its study."""
    finished.study = copy.deepcopy(STUDY)
    yield finished
    finished.study = copy.deepcopy(STUDY)


def test_nothing_changed_runs_nothing(project: Project) -> None:
    assert project.planned("--", TARGET) == Counter()


def test_a_new_model_is_evaluated_alone(project: Project) -> None:
    project.study["models"]["three"] = MODEL | {"seed": 2}
    planned = project.planned("--", TARGET)
    assert planned == {
        **{"layers": 1, "explain": METHODS, "explain_variant": METHODS},
        **{"evaluate": 3, "evaluate_model": METHODS + CONTROLS},
        **{"experiment_table": 4, "evaluation": 1},
    }


def test_a_changed_setting_runs_its_experiment_alone(project: Project) -> None:
    project.study["evaluate"]["pointing"]["tolerance"] = 3
    assert project.planned("--", TARGET) == {
        **{"evaluate": 2, "experiment_table": 1, "evaluation": 1},
    }


def test_a_changed_fill_explains_its_images_alone(project: Project) -> None:
    project.study["evaluate"]["bias"]["fills"] = ["inpainted", "mean"]
    assert project.planned("--", TARGET) == {
        **{"explain_variant": 2 * METHODS, "evaluate": 2, "experiment_table": 1, "evaluation": 1},
    }
    new = project.planned_files("explain_variant", "--", TARGET)
    assert all("/bias.mean/" in file for file in new)


def test_pictures_do_not_decide_what_is_explained_again(project: Project) -> None:
    project.study["figures"] = {"images": 3}
    assert project.planned("--", TARGET) == Counter()


def test_an_experiment_more_leaves_the_others(project: Project) -> None:
    project.study["evaluate"]["fidelity"] = {"images": 2}
    assert project.planned("--", TARGET) == {
        **{"evaluate_model": 2 * (METHODS + CONTROLS), "experiment_table": 1, "evaluation": 1},
    }
