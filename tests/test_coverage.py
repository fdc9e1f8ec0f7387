"""The table of docs/coverage.csv, checked row by row; models are left as they were."""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from conftest import THESIS, make_lively, quick_settings
from project import Project
from sightline.errors import SightlineError
from sightline.jobs.coverage import cover
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.load import load_classifier
from sightline.models.preprocessing import Preprocessing
from sightline.models.state import hooks
from sightline.study.config import Model
from sightline.study.models import resolve_model

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_SPEC = spec_from_file_location("coverage_tool", ROOT / "tools" / "coverage.py")
assert _SPEC is not None
assert _SPEC.loader is not None
coverage = module_from_spec(_SPEC)
_SPEC.loader.exec_module(coverage)
with (DOCS / "coverage.csv").open(newline="") as _file:
    ROWS = {row["module"]: row for row in csv.DictReader(_file)}
# Of every layout and way to a class score, what is quick: a second or two each.
SAMPLE = [
    "byobnet", "coat", "convit", "convnext", "crossvit", "cspnet", "dla", "edgenext",
    "efficientformer_v2", "efficientnet", "efficientvim", "efficientvit_mit", "efficientvit_msra",
    "eva", "fasternet", "ghostnet", "hiera", "inception_next", "lcnetv2", "levit", "mambaout",
    "maxxvit", "mobilevit", "nfnet", "pit", "pvt_v2", "regnet", "resnet", "starnet", "tnt",
    "vision_transformer", "vision_transformer_hybrid", "vision_transformer_relpos", "xcit",
]  # fmt: skip


def test_every_module_of_timm_has_its_row() -> None:
    assert sorted(ROWS) == sorted(timm.list_modules())
    assert len(SAMPLE) == len(set(SAMPLE)) >= 25
    for module, row in ROWS.items():
        assert row["model"] in timm.list_models(module=module)


def test_the_page_shows_the_table() -> None:
    text = (DOCS / "coverage.md").read_text()
    assert coverage.page(text) == text


def test_every_module_has_a_layer_that_holds() -> None:
    assert [row["module"] for row in ROWS.values() if row["holds"] != "True"] == []


def examined(row: dict[str, str]) -> None:
    given = Model(name=row["model"], pretrained=False, **coverage.specification(row["model"]))
    found = cover(load_classifier(resolve_model("model", given).spec))
    assert found.holds
    for key in ("layer", "layout", "map", "layers", "depths", "finite"):
        assert str(getattr(found, key)) == row[key], key
    # Rounding differs between machines, and what is largest may change with it.
    for key in ("reach", "spread", "share", "locality"):
        assert getattr(found, key) == pytest.approx(float(row[key]), rel=0.15), key
    assert found.varied == pytest.approx(float(row["varied"]), rel=0.3)


@pytest.mark.parametrize("module", SAMPLE)
def test_a_row_of_the_table_is_what_is_found(module: str) -> None:
    examined(ROWS[module])


@pytest.mark.coverage
@pytest.mark.parametrize("module", sorted(set(ROWS) - set(SAMPLE)))
def test_the_other_rows_are_what_is_found(module: str) -> None:
    examined(ROWS[module])


# --- State --------------------------------------------------------------------------------------

FAMILIES = [
    "byobnet", "convnext", "efficientnet", "efficientvit_msra", "mambaout", "maxxvit", "nfnet",
    "resnet", "vision_transformer", "vision_transformer_relpos",
]  # fmt: skip
Unchanged = Callable[[nn.Module], AbstractContextManager[None]]
# Controls run no model.
EXPLAINING = [name for name, one in CATALOGUE.items() if not one.control]
each_method = pytest.mark.parametrize("method", EXPLAINING)


@pytest.fixture(scope="module", params=FAMILIES)
def trained(request: pytest.FixtureRequest) -> Classifier:
    return in_training(ROWS[request.param]["model"])


def in_training(name: str) -> Classifier:
    """A model as in the middle of its training: dropping paths, some weights held, forgetting."""
    args: dict[str, Any] = {"num_classes": 10, "drop_path_rate": 0.1}
    try:
        module = timm.create_model(name, **args)
    except TypeError:  # it drops no paths
        module = timm.create_model(name, num_classes=10)
    module.set_grad_checkpointing(True)
    module.train()
    next(module.parameters()).requires_grad_(False)
    size = module.pretrained_cfg["input_size"][1:]
    return Classifier(module, Preprocessing(tuple(size)), name=name, batch_size=4)


def left_as_it_was(classifier: Classifier, method: str, unchanged: Unchanged) -> None:
    module = classifier.module
    images = torch.randn(
        2, 3, *classifier.preprocessing.size, generator=torch.Generator().manual_seed(0)
    )
    chosen = CATALOGUE[method]
    how = quick_settings(method)

    def run(fresh: Classifier) -> Any:
        return chosen.load()(fresh, images, torch.tensor([1, 2]), [0, 1], how)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with unchanged(module):
        try:
            assert run(classifier).maps.isfinite().all()
        except SightlineError:
            if not chosen.misfit(classifier):
                raise
            return
    again = replace(classifier, known_layers=())  # so that probing fails as well
    *_, last = module.children()
    with (
        hooks([last.register_forward_hook(fail)]),
        unchanged(module),
        pytest.raises(ZeroDivisionError),
    ):
        run(again)


@each_method
def test_methods_leave_a_model_in_training_as_it_was(
    method: str, trained: Classifier, unchanged: Unchanged
) -> None:
    left_as_it_was(trained, method, unchanged)


@pytest.mark.coverage
@pytest.mark.parametrize("module", sorted(set(ROWS) - set(FAMILIES)))
def test_the_other_families_are_left_as_they_were(module: str, unchanged: Unchanged) -> None:
    classifier = in_training(ROWS[module]["model"])
    for method in EXPLAINING:
        left_as_it_was(classifier, method, unchanged)


# --- A study of models as they come --------------------------------------------------------------

REPRODUCTION = ["torchvision:vgg16", "torchvision:alexnet", "torchvision:googlenet"]


@pytest.mark.coverage
def test_the_models_of_the_seed_studies_run_as_a_study(tmp_path: Path) -> None:
    names = [*THESIS, *REPRODUCTION]
    given = {"pretrained": False, "input": {"size": [224, 224]}}
    # As torchvision draws them, GoogLeNet's weights are so small that its scores are constant.
    module = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False)
    make_lively(module)
    torch.save({"state_dict": module.state_dict()}, tmp_path / "googlenet.pth")
    own = {"weights": "googlenet.pth", "args": {"aux_logits": False}, "input": given["input"]}
    study = {
        "study": "seeds",
        "images": {"source": "photos", "count": 2},
        "models": {
            name.rpartition(":")[2]: {"name": name} | (own if "googlenet" in name else given)
            for name in names
        },
        "methods": {
            "gradcam": {"relu": False},
            "integrated_gradients": {"steps": 4},
            "kernelshap": {"samples": 16, "segments": 8},
        },
        "figures": {"images": 2},
    }
    project = Project(tmp_path, study)
    project.complete(timeout=3600)
    maps = project.maps()
    assert len(maps) == len(names) * 3
    for file, data in maps.items():
        assert len(data["status"]) == 2
        assert (data["status"] == 0).all(), file
        assert all(one.std() > 0 for one in data["maps"].astype(float)), file
