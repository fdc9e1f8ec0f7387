"""What jobs that run no model ask for: more than they were measured to take, of every rule."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from project import ROOT
from sightline.study.estimates.extent import CURVE, extent_of
from sightline.study.estimates.merging import Merging
from sightline.study.ranges import cut
from sightline.study.resolve import ResolvedStudy

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    """benchmarks/merging.py, which lies beside what it imports."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import merging

        yield merging
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def read(name: str) -> Rows:
    with (ROOT / "docs" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def wildcards_of(bench: ModuleType, rule: str, images: int, length: int) -> dict[str, str]:
    if rule in ("compare", "consensus"):
        return {"range": cut(images, length)[0].name}
    names = {"evaluate": "light", "experiment_table": "experiment"}
    return {names[rule]: bench.EXPERIMENT} if rule in names else {}


def test_every_rule_asks_for_more_than_it_took(bench: ModuleType) -> None:
    rows = read("merging.csv")
    assert {row["rule"] for row in rows} == Merging.RULES
    for row in rows:
        case = bench.Case(*(int(row[name]) for name in bench.Case._fields))
        merging = Merging(bench.study_of(case))
        words = wildcards_of(bench, row["rule"], case.images, bench.RANGE)
        seconds, megabytes = merging.takes(row["rule"], words)
        # As asked for: twice what is expected.
        assert 2 * seconds > float(row["seconds"]), row
        assert megabytes > float(row["megabytes"]), row


def test_comparing_many_models_and_images_asks_for_more_than_it_took(bench: ModuleType) -> None:
    rows = read("scale.csv")
    assert len(rows) > 5
    for row in rows:
        models, images, native, grid = (
            int(row[name]) for name in ("models", "images", "native", "grid")
        )
        study = bench.study_of(bench.Case(models, images, 1, 1, native, grid))
        # Those that were timed.
        study.measures = {name: study.measures[name] for name in ("cosine", "kappa")}
        merging = Merging(study)
        for rule in ("compare", "merge"):
            words = wildcards_of(bench, rule, images, images)
            assert 2 * merging.seconds(rule, words) > float(row[f"{rule}_s"]), row
            assert merging.memory(rule, words, 1) > float(row[f"{rule}_mb"]), row


def study(**given: Any) -> ResolvedStudy:
    return ResolvedStudy(
        {
            "study": "extent",
            "images": {"source": "shapes", "count": 5000},
            "models": {
                name: {"name": name, "pretrained": False} for name in ("resnet18", "resnet34")
            },
            "methods": ["gradcam", "saliency", "rise"],
        }
        | given
    )


@pytest.mark.parametrize("rule", ["variance", "artefacts", "merge", "compare_methods"])
def test_more_images_and_roles_ask_for_more(rule: str) -> None:
    few, many = study(images={"source": "shapes", "count": 500}), study()
    roles = study(roles=["predicted", "top2", "top3", "top4", "top5"])
    small, large, several = (Merging(one).takes(rule, {}) for one in (few, many, roles))
    assert small[0] < large[0]
    assert small[1] < large[1]
    if rule != "variance":  # it reads the first role
        assert several[1] > large[1]


def test_what_a_job_reads_by_hand() -> None:
    evaluate = {"pointing": {"images": 100}, "attack": {"attacks": ["fgsm"], "epsilons": [0.1]}}
    resolved = study(roles=["predicted", "top2"], evaluate=evaluate)
    of_range = extent_of(resolved, "compare", {"method": "rise", "range": "000000-000063"})
    assert (of_range.models, of_range.methods, of_range.rows) == (2, 1, 2 * 64)
    assert extent_of(resolved, "variance", {}).methods == 3
    assert (of_range.pairs, extent_of(resolved, "variance", {}).method_pairs) == (1, 3)
    pointing = extent_of(resolved, "evaluate", {"light": "pointing", "model": "resnet18"})
    # Three controls beside three methods; of two measures, curves.
    assert (pointing.models, pointing.methods, pointing.rows) == (1, 6, 2 * 100)
    assert pointing.values == 1 + 2 * CURVE
    attack = extent_of(resolved, "experiment_table", {"experiment": "attack"})
    measures = resolved.evaluation.experiments["attack"].experiment.measures
    # The alteration, and the original that its curve begins with.
    curves = sum(bool(one.over) for one in measures)
    assert attack.values == 2 * (len(measures) - curves + curves * CURVE)
    assert (attack.models, attack.methods, attack.images) == (2, 3, 5000)
