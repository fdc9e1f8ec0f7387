"""Figures of classes, and axes on which little varies."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sightline.jobs.figures.experiments import draw_classes
from sightline.plots.span import widen
from sightline.tabular import write_table


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.1772, 0.1774], 0.13295, 0.22165),  # half of the largest magnitude
        ([1.0, 1.0], 0.5, 1.0),
        ([0.0, 0.0], 0.0, 1.0),
        ([0.01, 0.011], 0.00775, 0.01325),
        ([-40.0, -39.0], -49.5, -29.5),
        ([0.1, 0.9], None, None),
        ([3.0, 4.6], 2.65, 4.95),
    ],
)
@pytest.mark.parametrize("along", ["x", "y"])
def test_axes_span_half_of_the_largest_magnitude(
    values: list[float], low: float | None, high: float | None, along: str
) -> None:
    _, axes = plt.subplots()
    other = range(len(values))
    axes.plot(*((values, other) if along == "x" else (other, values)), "o")
    usual = axes.get_xlim() if along == "x" else axes.get_ylim()
    widen(axes, along)
    found = axes.get_xlim() if along == "x" else axes.get_ylim()
    if low is None or high is None:
        assert found == usual
    else:
        margin = 0.05 * (high - low)
        np.testing.assert_allclose(found, [low - margin, high + margin], rtol=1e-9)
    plt.close()


def table(classes: int) -> pd.DataFrame:
    """The first is known by something else, the second by answers alone, of the third is nothing
    known, and of the others there is no evidence; they survive less and less."""
    states = {0: (True, True), 1: (True, False), 2: (None, None)}
    rows = [
        {
            **{"model": model, "method": "gradcam", "variant": "mean", "role": "predicted"},
            **{"class": f"c{number:02}", "images": 9, "survival": 1 - number / classes},
            "answers_say": states.get(number, (False, False))[0],
            "biased": states.get(number, (False, False))[1],
        }
        for model in ("a", "b")
        for number in range(classes)
    ]
    return pd.DataFrame(rows)


def drawn(folder: Path, rows: pd.DataFrame, what: str = "", role: str = "predicted") -> str:
    write_table(folder / "t.csv", rows)
    draw_classes(folder / "t.csv", folder / "f.svg", role=role, what=what, palette="viridis")
    return (folder / "f.svg").read_text()


def test_classes_are_marked_with_what_is_said_of_them(tmp_path: Path) -> None:
    text = drawn(tmp_path, table(5))
    for told in ("c00", "c04", ">a<", ">b<", "Without the object", "say answers and maps"):
        assert told in text
    assert text.count(">\u25cf<") == text.count(">\u25cb<") == text.count(">?<") == 2
    # Of anything else that is taken out there is no verdict.
    other = drawn(tmp_path, table(5), what="marker")
    assert "Without marker" in other
    assert ">?<" not in other
    assert "\u25cf" not in other


def test_of_many_classes_those_are_shown_of_which_most_is_said(tmp_path: Path) -> None:
    rows = table(50)
    rows.loc[rows["class"] == "c49", ["answers_say", "biased"]] = True
    text = drawn(tmp_path, rows)
    assert "40 of 50 classes" in text
    assert "c49" in text
    assert "c48" not in text
    assert "object known" in drawn(tmp_path, rows, role="label")
