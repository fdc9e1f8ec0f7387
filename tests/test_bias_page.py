"""What the page of answers says of classes that are known by something else than their object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from sightline.report.biased import biased_section
from sightline.report.page import Section, render

# Of each state of a class what the table says: answers, and both.
STATES: dict[str, tuple[Any, Any]] = {
    "biased": (True, True),
    "answers": (True, False),
    "none": (False, False),
    "open": (None, None),
}


def table(states: Mapping[str, Mapping[str, str]], images: int = 12, **given: Any) -> pd.DataFrame:
    """Classes of each model, of two methods."""
    rows = [
        {
            **{"model": model, "method": method, "variant": "mean", "role": "predicted"},
            **{"class": name, "images": images, "survival": 1.0},
            "answers_say": STATES[state][0],
            "biased": STATES[state][1] if method == "one" else STATES[state][1] and None,
            **given,
        }
        for model, own in states.items()
        for method in ("one", "other")
        for name, state in own.items()
    ]
    found = pd.DataFrame(rows)
    # As the table is read: true, false, or nothing.
    other = found["method"] == "other"
    found.loc[other & found["biased"].isna() & found["answers_say"].eq(True), "biased"] = False
    return found


def told(table: pd.DataFrame) -> Section:
    return biased_section({"bias": table}, {"bias": ""}, "predicted")


def test_the_biased_class_is_named_with_its_model() -> None:
    states = {"m": {"cat": "none", "dog": "biased"}, "n": {"cat": "answers", "dog": "none"}}
    found = told(table(states))
    assert found.sentences[0] == (
        "Known by something else than its object: dog on m (1 of 2 combinations of method and "
        "filling)."
    )
    assert "answers alone say so, and no method's maps: cat on n." in found.sentences[1]
    assert found.short == "dog on 1 of 2 models"
    assert found.table.loc["m"].tolist() == ["dog", "-", "-", "cat"]
    assert found.table.loc["n"].tolist() == ["-", "cat", "-", "dog"]
    assert "dog on m" in render("t", [found])
    assert [one.name for one in found.figures] == ["classes/bias"]


def test_no_bias_is_not_said_where_it_cannot_be_decided() -> None:
    classes = [f"c{number}" for number in range(8)]
    every = told(table({"m": dict.fromkeys(classes, "open")}, images=3))
    (sentence,) = every.sentences
    assert sentence.startswith("It cannot be decided for any class on m: with 3 images a class")
    assert "at least 8 of each of 8 classes" in sentence
    assert every.short == "cannot be decided"
    some = told(table({"m": dict.fromkeys(classes, "none") | {"c1": "open"}}))
    assert some.sentences[0].startswith("No class of any model is shown")
    assert some.sentences[1].startswith("It cannot be decided for c1 on m")
    none = told(table({"m": dict.fromkeys(classes, "none")}))
    assert len(none.sentences) == 1
    assert none.short == "no class is shown to be"


def test_of_what_else_is_taken_out_it_says_how_many_keep_their_answer() -> None:
    rows = table({"m": {"star": "open"}, "n": {"star": "open"}})
    rows.loc[rows["model"] == "m", "survival"] = 0.0
    tables = {"bias": table({"m": {"star": "biased"}}), "marker": rows}
    found = biased_section(tables, {"bias": "", "marker": "marker"}, "predicted")
    assert found.sentences[-1].startswith("Without marker (marker), ")
    assert "star 0% (m) to 100% (n)" in found.sentences[-1]
    assert list(found.table.index) == ["m"]
    alone = biased_section({"marker": rows}, {"marker": "marker"}, "predicted")
    assert len(alone.sentences) == 1
    assert "star 0%" in render("t", [alone])


def test_without_a_row_nothing_is_known() -> None:
    empty = table({"m": {"a": "none"}}).iloc[:0]
    assert told(empty).sentences[0].startswith("Not known: no image is answered rightly")
    found = biased_section({"bias": empty}, {"bias": "marker"}, "predicted")
    assert "no image" in found.sentences[0]


@pytest.mark.parametrize("role", ["predicted", "top2"])
def test_only_the_first_role_counts(role: str) -> None:
    rows = pd.concat([table({"m": {"a": "none"}}), table({"m": {"a": "biased"}}, role="top2")])
    found = biased_section({"bias": rows}, {"bias": ""}, role)
    assert found.short == (
        "no class is shown to be" if role == "predicted" else "a on the only model"
    )


def test_of_many_models_the_table_is_short() -> None:
    found = told(table({f"m{number}": {"a": "none"} for number in range(20)}))
    assert len(found.table) == 16
    assert found.notes[-1] == "4 rows more: tables/classes."
