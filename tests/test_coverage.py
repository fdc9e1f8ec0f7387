"""The table of docs/coverage.csv, checked row by row; models are left as they were."""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from conftest import quick_settings
from sightline.jobs.coverage import cover
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.load import load_classifier
from sightline.models.preprocessing import Preprocessing
from sightline.models.state import hooks
from sightline.study.config import Model
from sightline.study.resolve import resolve_model

DOCS = Path(__file__).parent.parent / "docs"
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
    assert len(SAMPLE) >= 25
    for module, row in ROWS.items():
        assert row["model"] in timm.list_models(module=module)


def examined(row: dict[str, str]) -> None:
    given = Model(name=row["model"], pretrained=False, args={"num_classes": 10})
    found = cover(load_classifier(resolve_model("model", given).spec))
    assert found.holds
    for key in ("layer", "layout", "map", "layers", "finite"):
        assert str(getattr(found, key)) == row[key], key
    # Rounding differs between machines, and what is largest may change with it.
    for key in ("spread", "share", "answers"):
        assert getattr(found, key) == pytest.approx(float(row[key]), abs=0.15), key
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
    "byobnet", "convnext", "efficientnet", "mambaout", "maxxvit", "nfnet", "resnet",
    "vision_transformer", "vision_transformer_relpos",
]  # fmt: skip
Unchanged = Callable[[nn.Module], AbstractContextManager[None]]
each_method = pytest.mark.parametrize("method", CATALOGUE)


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

    def run() -> Any:
        return chosen.load()(classifier, images, torch.tensor([1, 2]), [0, 1], how)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with unchanged(module):
        assert run().maps.isfinite().all()
    *_, last = module.children()
    with (
        hooks([last.register_forward_hook(fail)]),
        unchanged(module),
        pytest.raises(ZeroDivisionError),
    ):
        run()


@each_method
def test_methods_leave_a_model_in_training_as_it_was(
    method: str, trained: Classifier, unchanged: Unchanged
) -> None:
    left_as_it_was(trained, method, unchanged)


@pytest.mark.coverage
@pytest.mark.parametrize("module", sorted(set(ROWS) - set(FAMILIES)))
def test_the_other_families_are_left_as_they_were(module: str, unchanged: Unchanged) -> None:
    classifier = in_training(ROWS[module]["model"])
    for method in CATALOGUE:
        left_as_it_was(classifier, method, unchanged)
