"""The documents say what the code does."""

from __future__ import annotations

import importlib.util
import re
import sys
from itertools import product
from types import ModuleType, SimpleNamespace

import jsonschema
import pytest
import torch
import yaml
from captum.attr import InputXGradient

from project import ROOT
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.catalogue.entry import Cost, Method, Settings
from sightline.models.load import load_classifier
from sightline.models.zoo import ZOO
from sightline.study.config import Model, read_study
from sightline.study.models import resolve_model

README = (ROOT / "README.md").read_text()
KEYS = (ROOT / "config/README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_key_is_documented_as_it_is() -> None:
    schema = tool("schema")
    assert schema.with_tables(KEYS) == KEYS, "run make schema"
    assert schema.SCHEMA.read_text() == schema.schema(), "run make schema"
    documented = set(re.findall(r"<!-- keys: (.+?) -->", KEYS))
    assert documented == schema.SECTIONS.keys()


@pytest.mark.parametrize("text", blocks(README, "yaml") + blocks(KEYS, "yaml")[:1])
def test_example_studies_are_right(text: str) -> None:
    given = yaml.safe_load(text)
    study = read_study(given)
    jsonschema.validate(given, tool("schema").config.Study.model_json_schema())
    assert set(study.methods) <= CATALOGUE.keys()


def test_example_method_is_right() -> None:
    code, entry = (block for block in blocks(README, "python") if "input_x_gradient" in block)
    module = ModuleType("sightline.methods.input_x_gradient")
    exec(code, module.__dict__)
    sys.modules[module.__name__] = module
    method = eval(
        f"({entry.partition(chr(10))[2].strip().rstrip(',')})",
        {
            "Method": Method,
            "Settings": Settings,
            "Cost": Cost,
        },
    )
    spec = Model(name="test_resnet", pretrained=False, args={"num_classes": 8})
    classifier = load_classifier(resolve_model("tiny", spec).spec)
    images = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([3, 5])
    try:
        found = method.load()(classifier, images, targets, [0, 0], SimpleNamespace())
    finally:
        del sys.modules[module.__name__]
    expected = (
        InputXGradient(classifier.module)
        .attribute(images.clone().requires_grad_(), target=targets)
        .sum(1)
    )
    torch.testing.assert_close(found.maps, expected.detach(), rtol=1e-4, atol=1e-6)
    assert method.cost(Settings()).passes == 3


def test_make_targets_and_files_named_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README + KEYS):
        assert (ROOT / link).exists(), link


def test_shares_inside_are_of_every_method_and_model() -> None:
    inside = tool("inside")
    rows = inside.read()
    assert {(row["method"], row["model"]) for row in rows} == set(product(CATALOGUE, ZOO)), (
        "run python tools/inside.py --resume"
    )
    assert inside.page(inside.PAGE.read_text(), rows) == inside.PAGE.read_text(), "... --page"
    known = [row for row in rows if not row["reason"]]
    assert {row["images"] for row in known} == {str(inside.IMAGES)}
    for row in known:
        assert bool(row["cosine"]) == CATALOGUE[row["method"]].stochastic
