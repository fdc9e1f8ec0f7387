"""Which methods cannot explain which models, known before anything is loaded."""

from __future__ import annotations

import importlib.util
import json
from types import ModuleType
from typing import Any

import pytest
import timm

from conftest import THESIS
from project import ROOT
from sightline.errors import SightlineError
from sightline.jobs.fits import misfits
from sightline.methods.catalogue import CATALOGUE
from sightline.models.load import load_classifier
from sightline.models.names import timm_names, torchvision_names
from sightline.study.config import Model
from sightline.study.fits import TABLE, WHO, known_misfit
from sightline.study.models import resolve_model
from sightline.study.resolve import ResolvedStudy

FOUND: dict[str, dict[str, str]] = json.loads(TABLE.read_text())
# Every zoo architecture and every kind of attention; the rest of the sample is of the table.
SAMPLE = [
    "test_resnet", "test_convnext", "test_efficientnet", "test_byobnet", "test_vit", "test_vit3",
    "test_mambaout", "deit_tiny_distilled_patch16_224", "swin_tiny_patch4_window7_224",
    "pvt_v2_b0", "convit_tiny", "xcit_nano_12_p16_224", "mixer_s32_224", "darknet53",
    "torchvision:alexnet", "torchvision:vit_b_32", "torchvision:swin_t",
]  # fmt: skip


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fits", ROOT / "tools/fits.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def specification(name: str, **given: Any) -> dict[str, Any]:
    return resolve_model("m", Model(name=name, pretrained=False, **given)).spec


def study(models: dict[str, Any], methods: Any) -> ResolvedStudy:
    shapes = {"source": "shapes", "count": 4}
    return ResolvedStudy({"study": "s", "images": shapes, "models": models, "methods": methods})


# --- The table ----------------------------------------------------------------------------------


def test_the_table_is_of_the_catalogues_checks() -> None:
    assert FOUND.keys() == {one.fits for one in CATALOGUE.values() if one.fits}, "run make fits"


def test_the_table_is_of_names_that_there_are() -> None:
    torchvisions = {f"torchvision:{name}" for name in torchvision_names()}
    for check, reasons in FOUND.items():
        named = [name for models in reasons.values() for name in models.split()]
        assert len(named) == len(set(named)), check
        assert set(named) <= timm_names().keys() | torchvisions
        for reason in reasons:
            assert WHO in reason


def smallest(names: list[str]) -> str:
    """A name that says that it is small, so that it is built soon."""
    return min(names, key=lambda name: (not any(word in name for word in SMALL), name))


SMALL = ("nano", "tiny", "atto", "femto", "pico", "18", "_s", "xx", "050")


@pytest.mark.parametrize("check", FOUND)
def test_the_table_says_what_the_checks_say(check: str) -> None:
    fits = tool()
    method = next(one for one in CATALOGUE.values() if one.fits == check)
    each_reason = [smallest(models.split()) for models in FOUND[check].values()]
    for name in dict.fromkeys([*SAMPLE, *each_reason]):
        known: dict[Any, Any] = {}
        said = fits.examine(name, fits.on_meta(name), known).get(check)
        if said is None and check in fits.BY_VALUES:
            continue  # that it fits is tried in test_attention.py
        expected = known_misfit(specification(name), method)
        assert expected == (said and said.replace(WHO, name)), f"{name}: run make fits"


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "darknet53"])
def test_the_table_has_the_words_of_the_loaded_model(name: str) -> None:
    spec = specification(name, args={"num_classes": 8})
    loaded = misfits(load_classifier(spec))
    for method in CATALOGUE.values():
        if method.fits:
            assert known_misfit(spec, method) == loaded.get(method.name)


def test_the_tool_writes_what_is_read(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = tool()
    monkeypatch.setattr(fits, "TABLE", tmp_path / "unfit.json")
    fits.write({"a:b": {f"{WHO} is odd": ["z", "torchvision:x"]}, "c:d": {}})
    written = json.loads((tmp_path / "unfit.json").read_text())
    assert written == {"a:b": {f"{WHO} is odd": "torchvision:x z"}, "c:d": {}}


# --- A study ------------------------------------------------------------------------------------


def test_a_study_refuses_what_does_not_fit() -> None:
    models = {
        "cnn": {"name": "resnet18.a1_in1k"},
        "vit": {"name": "vit_tiny_patch16_224"},
        "shipped": {"name": "zoo:test_resnet"},
        "dark": {"name": "darknet53", "pretrained": False},
        "tv": {"name": "torchvision:vgg16", "pretrained": False},
    }
    methods = {"rollout": {"method": "attention_rollout"}, "gradcam": None, "guided_gradcam": None}
    with pytest.raises(SightlineError) as error:
        study(models, methods)
    lines = str(error.value).splitlines()
    reason = "cannot be explained by its attention: it has no attention of tokens to each other."
    assert [line.partition(": ")[0] for line in lines[:-1]] == [
        "models.cnn and methods.rollout",
        "models.shipped and methods.rollout",
        "models.dark and methods.rollout",
        "models.dark and methods.guided_gradcam",
        "models.tv and methods.rollout",
    ]
    assert f"Model resnet18.a1_in1k {reason}" in lines[0]
    assert "not defined for LeakyRelu, which the model darknet53 has" in lines[3]
    assert f"Model torchvision:vgg16 {reason}" in lines[4]
    assert "sightline methods --model" in lines[-1]
    study({name: models[name] for name in ("vit",)}, methods)
    del methods["rollout"]
    study({name: one for name, one in models.items() if name != "dark"}, methods)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "resnet18", "args": {"act_layer": "gelu"}, "pretrained": False},
        {"name": "timm.models:resnet18"},
        {"name": "hf-hub:timm/resnet18.a1_in1k"},
    ],
)
def test_what_the_table_does_not_know_is_left_to_the_job(given: dict[str, Any]) -> None:
    found = study({"m": given}, ["attention_rollout"])
    assert known_misfit(found.models["m"].spec, CATALOGUE["attention_rollout"]) is None


def test_harmless_arguments_change_no_answer() -> None:
    spec = specification("resnet18", args={"num_classes": 3, "in_chans": 3})
    assert known_misfit(spec, CATALOGUE["attention_rollout"])
    assert known_misfit(spec, CATALOGUE["gradcam"]) is None


def test_transformers_of_the_thesis_with_attention() -> None:
    """Its attention rollout was of its ViT alone; both DeiTs would have allowed it."""
    method = CATALOGUE["attention_rollout"]
    fitting = {name for name in THESIS if not known_misfit(specification(name), method)}
    assert {name.partition("_patch")[0] for name in fitting} == {
        "deit_small", "deit_tiny", "vit_base"
    }  # fmt: skip


def test_most_vision_transformers_fit() -> None:
    method = CATALOGUE["attention_rollout"]
    names = timm.list_models(module="vision_transformer")
    fitting = [name for name in names if not known_misfit(specification(name), method)]
    assert len(fitting) > 0.9 * len(names)
