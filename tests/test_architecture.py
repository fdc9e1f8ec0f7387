"""Factors from the configuration to the tables of tests and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import squareform

from factors import MEASURES, examine, study
from sightline.compare.groups.factor import GROUP_TESTS, NUMBER_TESTS
from sightline.errors import SightlineError
from sightline.jobs.merging.models import read_models, write_models_table
from sightline.jobs.merging.predictions import merge_predictions
from sightline.plots.groups import pairs_by_group
from sightline.study.resolve import ResolvedStudy


def configured(compare: dict[str, Any], **attributes: Any) -> ResolvedStudy:
    return ResolvedStudy(
        {
            "study": "s",
            "images": {"source": "shapes"},
            "models": {
                "a": {"name": "zoo:test_vit", "attributes": attributes},
                "b": {"name": "resnet18", "pretrained": False},
            },
            "methods": ["gradcam"],
            "compare": compare,
        }
    )


# --- Configuration ------------------------------------------------------------------------------


def test_factors_are_columns_of_the_study_its_models_and_its_table(tmp_path: Path) -> None:
    table = tmp_path / "models.csv"
    table.write_text("model,flops\na,1\nb,2\nelsewhere,3\n")
    factors = ["family", "accuracy", "parameters", "recipe", "patch", "flops"]
    study = configured({"factors": factors, "table": str(table)}, recipe="distilled", patch=16)
    assert study.described == {
        "a": {"family": "transformer", "recipe": "distilled", "patch": 16},
        "b": {"family": "unknown"},
    }
    # What is said of a model decides none of its maps.
    assert study.models["a"].spec == configured({}).models["a"].spec


@pytest.mark.parametrize(
    ("compare", "attributes", "message"),
    [
        ({"factors": ["familly"]}, {}, "factors: Unknown factor 'familly'. Did you mean 'family'"),
        ({"factors": ["patsh"]}, {"patch": 16}, "Did you mean 'patch'"),
        ({"factors": ["family", "family"]}, {}, "family occurs more than once"),
        ({"factors": ["a b"]}, {"a b": 1}, "'a b' cannot be the id of a factor"),
        ({}, {"accuracy": 0.9}, "models.a.attributes: accuracy is already a column of every"),
        ({}, {"model": "x"}, "models.a.attributes: model is already"),
        ({}, {"recipe": [1]}, "models.a.attributes.recipe"),
        ({"table": "none.csv"}, {}, "compare.table: the file none.csv does not exist"),
        ({"permutations": 0}, {}, "compare.permutations"),
        ({"level": 1}, {}, "compare.level"),
    ],
)
def test_wrong_factors_are_refused_before_any_job(
    compare: dict[str, Any], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SightlineError, match=message):
        configured(compare, **attributes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,x\na,1\n", r"has no column model; it has \['name', 'x'\]"),
        ("", "has no column model"),
        ("model,x,x\na,1,2\n", "has the column x twice"),
        ("model,x\na,1\na,2\n", "has the model a twice"),
        ("model,family\na,cnn\n", "a column family, which is already one of every models table"),
        ("model,patch\na,16\n", "patch is already a column of compare.table"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "models.csv"
    table.write_text(text)
    with pytest.raises(SightlineError, match=message):
        configured({"table": str(table)}, patch=16)


# --- The table of models ------------------------------------------------------------------------


def predictions(folder: Path) -> Path:
    """Accuracies of two models; the third has no labels."""
    files = []
    for model, correct, parameters in (("007", "True", 10), ("NA", "False", 20), ("c", "", 30)):
        path = folder / f"{model}.csv"
        path.write_text(
            "model,image_id,label,rank,target,class,probability,correct,task,parameters\n"
            f"{model},x.png,cat,1,3,cat,0.5,{correct},single,{parameters}\n"
            f"{model},y.png,cat,1,3,cat,0.5,{correct},single,{parameters}\n"
        )
        files.append(path)
    merge_predictions(files, folder / "predictions.csv", folder / "accuracy.csv")
    return folder / "accuracy.csv"


def test_the_models_table_holds_what_is_known(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("model,flops\nelsewhere,9\nNA,4.5\n")
    described = {
        "c": {"family": "cnn", "recipe": "x"},
        "007": {"family": "unknown"},
        "NA": {"family": "cnn", "deep": True},
    }
    write_models_table(predictions(tmp_path), described, table, tmp_path / "models.csv")
    assert "parameters" not in pd.read_csv(tmp_path / "predictions.csv")
    found = read_models(tmp_path / "models.csv")
    assert found.index.tolist() == ["c", "007", "NA"]
    assert list(found)[:3] == ["family", "accuracy", "parameters"]
    assert found["parameters"].tolist() == [30, 10, 20]
    np.testing.assert_array_equal(found["accuracy"], [np.nan, 1, 0])
    np.testing.assert_array_equal(found["flops"], [np.nan, np.nan, 4.5])
    assert found["family"].fillna("").tolist() == ["cnn", "", "cnn"]
    assert found["recipe"].fillna("").tolist() == ["x", "", ""]
    assert found["deep"].fillna("").astype(str).tolist() == ["", "", "True"]


def test_columns_of_a_persons_table_are_what_they_hold(tmp_path: Path) -> None:
    """A column that is an id elsewhere may be a number here."""
    table = tmp_path / "mine.csv"
    table.write_text("model,variant,class\nc,3,NA\n007,4.5,b\n")
    described = {"c": {"family": "1"}, "007": {"family": "NA"}}
    write_models_table(predictions(tmp_path), described, table, tmp_path / "models.csv")
    found = read_models(tmp_path / "models.csv")
    assert found["variant"].tolist() == [3, 4.5]
    assert found["class"].tolist() == ["NA", "b"]
    assert found["family"].tolist() == ["1", "NA"]


def test_a_persons_table_of_uneven_rows_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("model,flops\nc,9\n007,1,2\n")
    described = {"c": {"family": "cnn"}}
    with pytest.raises(SightlineError, match=r"mine\.csv cannot be read as CSV: .*compare\.table"):
        write_models_table(predictions(tmp_path), described, table, tmp_path / "models.csv")


# --- Tests -----------------------------------------------------------------------


def test_every_method_measure_and_test_has_a_row(tmp_path: Path) -> None:
    files = study(tmp_path, (7, 7), {"near": 0.0, "far": 6.0})
    factors = ["family", "depth", "same"]
    tests, answers = examine(tmp_path, files, factors)
    kinds = {"family": GROUP_TESTS, "depth": NUMBER_TESTS, "same": NUMBER_TESTS}
    assert [tuple(row) for row in tests[["method", "measure", "factor", "test"]].to_numpy()] == [
        (method, measure, factor, test)
        for method in files
        for measure in MEASURES
        for factor in factors
        for test in kinds[factor]
    ]
    # Holm's correction is over methods and measures: here the smallest of four p-values.
    own = tests.query("factor == 'family' and test == 'permanova'")
    assert own["p_holm"].min() == pytest.approx(4 * own["p"].min(), rel=1e-4)
    assert (own["permutations"] == 3432).all()
    assert own["exact"].all()
    given = answers.set_index(["method", "factor"])["answer"]
    assert (given["far", "family"] == "yes").all()
    assert (given["near", "family"] == "no evidence").all()
    assert (given["near", "same"] == "cannot be decided").all()


def test_a_factor_without_a_column_is_named(tmp_path: Path) -> None:
    files = study(tmp_path, (3, 3), {"near": 0.0})
    with pytest.raises(SightlineError, match=r"Unknown column 'famly'\. Did you mean 'family'"):
        examine(tmp_path, files, ["famly"])


def test_pairs_lie_within_a_group_or_between() -> None:
    names = list("abcd")
    matrix = pd.DataFrame(squareform(np.arange(1.0, 7)), names, names)
    found = pairs_by_group(matrix, {"a": "x", "b": "x", "d": "y"})
    assert found.to_numpy().tolist() == [["within x", 1], ["between", 3], ["between", 5]]
