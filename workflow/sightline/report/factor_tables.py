"""Tables of the tests of a factor."""

from __future__ import annotations

import pandas as pd

from sightline.report.words import p_value, shown

KEY = ["method", "measure"]
# Column of the page's table, test, column of the table of tests.
_GROUPS = [
    ("R²", "permanova", "effect"),
    ("ω²", "permanova", "unbiased"),
    ("PERMANOVA p", "permanova", "p"),
    ("p, Holm", "permanova", "p_holm"),
    ("Welch p", "welch", "p"),
    ("p, Holm ", "welch", "p_holm"),
    ("flipped p", "welch_flipped", "p"),
    ("p, Holm  ", "welch_flipped", "p_holm"),
    ("smallest p, Holm", "permanova", "smallest_p_holm"),
    ("PERMDISP p", "permdisp", "p"),
    ("ratio of spreads", "permdisp", "effect"),
    ("between > within", "within_between", "effect"),
    ("its p, Holm", "within_between", "p_holm"),
    ("ANOSIM R", "anosim", "effect"),
    ("its p, Holm ", "anosim", "p_holm"),
    ("ARI", "adjusted_rand", "effect"),
    ("its p, Holm   ", "adjusted_rand", "p_holm"),
    ("permutations", "permanova", "permutations"),
]
_NUMBER = [
    ("R²", "regression", "effect"),
    ("R², adjusted", "regression", "unbiased"),
    ("regression p", "regression", "p"),
    ("p, Holm", "regression", "p_holm"),
    ("smallest p, Holm", "regression", "smallest_p_holm"),
    ("Mantel rho", "mantel", "effect"),
    ("its p, Holm", "mantel", "p_holm"),
    ("permutations", "regression", "permutations"),
]


def answer_numbers(answers: pd.DataFrame) -> pd.DataFrame:
    """A row a method and measure: what decides the answer, as text.

    Parameters
    ----------
    answers
        See `sightline.jobs.merging.factors.examine_factors`, of one factor.
    """
    return pd.DataFrame(
        {
            "answer": list(answers["answer"]),
            "R²": [shown(value) for value in answers["effect"]],
            "p, corrected": [p_value(value) for value in answers["p_holm"]],
            "smallest p possible": [p_value(value) for value in answers["smallest_p_holm"]],
        },
        index=pd.MultiIndex.from_frame(answers[KEY]),
    )


def numbers_of_tests(tests: pd.DataFrame, *, groups: bool) -> pd.DataFrame:
    """A row a method and measure: figures of all tests of one factor, as text.

    Parameters
    ----------
    tests
        See `sightline.jobs.merging.factors.examine_factors`.
    groups
        Whether the factor makes groups, rather than being a number.
    """
    columns = _GROUPS if groups else _NUMBER
    wide = tests.set_index([*KEY, "test"])
    table = {}
    for name, test, column in columns:
        values = wide.xs(test, level="test")[column]
        table[name] = [_written(value, column) for value in values]
    return pd.DataFrame(table, index=wide.xs(columns[0][1], level="test").index)


def _written(value: float, column: str) -> str:
    if pd.isna(value):
        return "-"
    if column == "permutations":
        return f"{value:,.0f}"
    if "p" in column.split("_"):
        return f"{value:.4f}" if value < 0.1 else f"{value:.2f}"
    return f"{value:.2f}"
