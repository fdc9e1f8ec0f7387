"""The documents say what the code does."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml

from project import ROOT
from sightline.compare.catalogue import MEASURES
from sightline.evaluate.catalogue import EXPERIMENTS
from sightline.maps.steps import STEPS
from sightline.methods.catalogue import CATALOGUE, gradients
from sightline.methods.gradients import input_x_gradient
from sightline.models.zoo import ZOO
from sightline.study.config import read_study

README = (ROOT / "README.md").read_text()
KEYS = (ROOT / "config/README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def tool(name: str, folder: str = "tools") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
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


def test_every_measure_is_described_as_it_is() -> None:
    schema = tool("schema")
    page = schema.COMPARISON.read_text()
    assert schema.with_measures(page) == page, "run make schema"
    (table,) = re.findall(r"<!-- measures -->\n(.*?)<!-- end -->", page, re.DOTALL)
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert rows == list(MEASURES)
    for name in MEASURES:
        # A paragraph of its own, and its settings.
        assert re.search(rf"^\*\*`{name}`\*\*[:,]", KEYS, re.MULTILINE), name


def test_every_experiment_is_described_as_it_is() -> None:
    schema = tool("schema")
    page = schema.EVALUATION.read_text()
    assert schema.with_experiments(page) == page, "run make schema"
    (table,) = re.findall(r"<!-- experiments -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(EXPERIMENTS)


def test_the_page_on_evaluation_begins_with_what_to_do() -> None:
    page = (ROOT / "docs/evaluation.md").read_text()
    start, contents = re.findall(r"^## (?:Start here|Contents)\n(.*?)(?=^## )", page, re.M | re.S)
    assert len(start.strip().splitlines()) <= 25
    (example,) = blocks(start, "yaml")
    assert set(yaml.safe_load(example)["evaluate"]) <= EXPERIMENTS.keys()
    # The table of contents has every heading below it, in order, and nothing else.
    headings = re.findall(r"^##+ (.*)$", page[page.index(contents) + len(contents) :], re.M)
    named = [re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings]
    assert re.findall(r"\(#([\w-]+)\)", contents) == named


def test_every_step_of_a_scaling_is_described() -> None:
    rows = re.findall(r"^\| `([\w:]+)` \| [^|]+ \|$", KEYS, re.MULTILINE)
    assert set(rows) >= {":".join([name, *arguments]) for name, arguments in STEPS.items()}


@pytest.mark.parametrize("text", blocks(README, "yaml") + blocks(KEYS, "yaml")[:1])
def test_example_studies_are_right(text: str) -> None:
    given = yaml.safe_load(text)
    study = read_study(given)
    jsonschema.validate(given, tool("schema").config.Study.model_json_schema())
    assert set(study.methods) <= CATALOGUE.keys()


class _Bare(ast.NodeTransformer):
    """Code without types, docstrings and what is imported for types alone."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        kept = [one for one in node.body if not isinstance(one, ast.If)]
        node.body = [one for one in kept if ast.unparse(one) not in TYPES_ALONE]
        return self.visit_FunctionDef(node)

    def visit_FunctionDef(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)


TYPES_ALONE = {
    "from __future__ import annotations",
    "from collections.abc import Sequence",
    "from typing import TYPE_CHECKING",
    "from torch import Tensor",
}


def bare(code: str) -> str:
    return ast.unparse(_Bare().visit(ast.parse(code)))


def test_example_method_is_the_one_that_is_there() -> None:
    code, entry = (block for block in blocks(README, "python") if "input_x_gradient" in block)
    module = Path(input_x_gradient.__file__)
    assert bare(code) == bare(module.read_text())
    assert f"/{module.name}\n" in code
    catalogue = ast.parse(Path(gradients.__file__).read_text())
    assert ast.unparse(ast.parse(entry)) in {
        ast.unparse(node) for node in ast.walk(catalogue) if isinstance(node, ast.Call)
    }


def test_make_targets_and_files_named_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for text, folder in ((README, ROOT), (KEYS, ROOT / "config")):
        for link in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", text):
            assert (folder / link).exists(), link


def test_the_power_table_is_that_of_the_simulations() -> None:
    power = tool("power", "benchmarks")
    table = power.read()
    text = power.PAGE.read_text()
    assert power.page(text, table) == text, "run python benchmarks/power.py --page"
    layouts = {("+".join(map(str, m)), ":".join(map(str, s))) for m, s in power.LAYOUTS}
    families = table[table["data"] != "number"]
    found = families.groupby(["data", "models", "spreads", "effect", "test"]).size()
    tests = (*power.RULES, *power.GROUP_TESTS)
    assert found.to_dict() == {
        (data, *layout, effect, test): 1
        for data, layout, effect, test in product(power.DATA, layouts, power.SHIFTS, tests)
    }
    # What the page says: the claim keeps its level, within three standard errors and a half.
    none = families[families["effect"] == 0].set_index("test")["rejected"]
    error = (power.LEVEL * (1 - power.LEVEL) / power.STUDIES["level"]) ** 0.5
    assert none["claim"].max() < power.LEVEL + 3.5 * error
    assert none["permanova"].max() > 0.2
    assert none["permanova_unless_permdisp"].max() > power.LEVEL + 3.5 * error


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


def test_the_table_of_planning_is_what_was_measured() -> None:
    planning = tool("planning", "benchmarks")
    text, rows = planning.PAGE.read_text(), planning.read()
    assert planning.page(text, rows) == text, "run python benchmarks/planning.py --write"
    assert [planning.key_of(row) for row in rows] == planning.order()


def test_the_table_of_scale_is_what_was_measured() -> None:
    scale = tool("scale", "benchmarks")
    text, rows = scale.PAGE.read_text(), scale.read()
    assert scale.page(text, rows) == text, "run python benchmarks/scale.py --write"
    measured = [scale.key_of(row) for row in rows]
    assert measured == [(case.models, case.images, case.native, case.grid) for case in scale.CASES]


def test_the_workflow_asks_for_the_snakemake_that_it_is_tested_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["optional-dependencies"]["workflow"]
    (pinned,) = (one for one in wanted if one.startswith("snakemake=="))
    major, minor, *_ = pinned.removeprefix("snakemake==").split(".")
    assert f'min_version("{major}.{minor}")' in (ROOT / "Snakefile").read_text()
