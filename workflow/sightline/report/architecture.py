"""Sections: does a factor, such as the models' family, explain how far apart they are?"""

from __future__ import annotations

import pandas as pd

from sightline.report.page import Figure, Section

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
_GROUP_NOTES = (
    "R² is the share of the variation between models that the groups explain (PERMANOVA); groups "
    "given by chance explain (k - 1) / (m - 1) of it on average. ω² is R² without that.",
    "Yes is said only where PERMANOVA and its Welch form, which allows groups to be unequally "
    "spread, are significant after Holm's correction for all methods and measures, the latter both "
    "by permuted labels and by flipped signs.",
    "PERMDISP asks whether groups are equally spread. Where they are not, PERMANOVA, ANOSIM and "
    "the comparison of pairs may be significant though the groups do not differ in place.",
    "Between > within: how often a pair of models of different groups is further apart than a "
    "pair of one group; one half says nothing.",
    "ARI: agreement of as many average-linkage clusters as there are groups with the groups; 0 by "
    "chance, 1 when they are the same.",
    "The smallest p is what the clearest possible data could give with these groups: above the "
    "level, nothing can be decided.",
)
_NUMBER_NOTES = (
    "R² is the share of the variation between models that the number explains (distance-based "
    "regression); yes is said where its p-value, corrected for all methods and measures, is small.",
    "Mantel's rho: do models further apart in the number have maps further apart?",
)
_GROUP_CAPTION = (
    "Dissimilarity of every pair of models, of one group and of different ones; boxes: quartiles "
    "and median."
)
_NUMBER_CAPTION = (
    "Dissimilarity of every pair of models against their difference; lines: medians of tenths of "
    "the pairs."
)


def architecture_sections(tests: pd.DataFrame, answers: pd.DataFrame) -> list[Section]:
    """A section a factor, with every method's and measure's answer.

    Parameters
    ----------
    tests, answers
        See `sightline.jobs.groups.examine_factors`.
    """
    return [
        _section(str(factor), own, answers[answers["factor"] == factor])
        for factor, own in tests.groupby("factor", sort=False)
    ]


def _section(factor: str, tests: pd.DataFrame, answers: pd.DataFrame) -> Section:
    groups = "permanova" in set(tests["test"])
    asked = "architecture" if factor == "family" else factor
    heading = (
        f"Do these models cluster by {asked}?"
        if groups
        else f"Are models that differ in {factor} further apart?"
    )
    if tests["p"].isna().all():
        # Nothing was tested, of any method and measure: the reasons say it all.
        return Section(heading, list(dict.fromkeys(answers["sentence"])), _short(answers))
    return Section(
        heading=heading,
        sentences=_summary(factor, tests, answers),
        short=_short(answers),
        details=[(f"{row.method}, {row.measure}", row.sentence) for row in answers.itertuples()],
        figures=[Figure(f"factors/{factor}", _GROUP_CAPTION if groups else _NUMBER_CAPTION)],
        table=_numbers(tests, _GROUPS if groups else _NUMBER),
        notes=_GROUP_NOTES if groups else _NUMBER_NOTES,
    )


def _short(answers: pd.DataFrame) -> str:
    counts = answers["answer"].value_counts()
    if len(counts) == 1:
        return str(counts.index[0])
    return "; ".join(f"{name}: {count} of {len(answers)}" for name, count in counts.items())


def _summary(factor: str, tests: pd.DataFrame, answers: pd.DataFrame) -> list[str]:
    """The answers counted, and what they rest on."""
    cases = {
        name: [f"{row.method} by {row.measure}" for row in own.itertuples()]
        for name, own in answers.groupby("answer", sort=False)
    }
    yes, no, undecided = (
        cases.get(name, []) for name in ("yes", "no evidence", "cannot be decided")
    )
    known = len(yes) + len(no)
    sentences = []
    if yes:
        which = "all of them" if len(yes) == known else ", ".join(yes)
        sentences.append(
            f"Yes for {len(yes)} of {known} combinations of method and measure: {which}."
        )
    elif no:
        sentences.append(
            f"There is no evidence of an effect of {factor}, for any of {known} combinations of "
            "method and measure."
        )
    if undecided:
        sentences.append(_undecided(factor, answers, undecided, everywhere=not known))
    if yes and no:
        sentences.append(f"No evidence of an effect of {factor} for {', '.join(no)}.")
    return [*sentences, _range(factor, answers), _permutations(tests)]


def _undecided(
    factor: str, answers: pd.DataFrame, undecided: list[str], *, everywhere: bool
) -> str:
    own = answers[answers["answer"] == "cannot be decided"]
    where = "any method and measure" if everywhere else ", ".join(undecided)
    text = f"Whether {factor} has an effect cannot be decided for {where}"
    least, most, needed = (
        own["smallest_p_holm"].min(),
        int(own["models"].max()),
        own["models_needed"].max(),
    )
    if pd.notna(least):
        text += f": with these {most} models, the clearest data there could be would give a "
        text += f"p-value of {least:.2g} after correction"
    if needed > most:
        text += f". At least {needed:.0f} models would be needed"
    return text + "."


def _range(factor: str, answers: pd.DataFrame) -> str:
    effects = answers["effect"].dropna()
    if effects.empty:
        return ""
    least, most = answers.loc[effects.idxmin()], answers.loc[effects.idxmax()]
    return (
        f"From {least['effect']:.0%} ({least['method']}, {least['measure']}) to "
        f"{most['effect']:.0%} ({most['method']}, {most['measure']}) of the variation between the "
        f"models goes with {factor}."
    )


def _permutations(tests: pd.DataFrame) -> str:
    # Flipped signs are counted otherwise.
    made = tests[(tests["permutations"] > 0) & (tests["test"] != "welch_flipped")]
    if made.empty:
        return ""
    count = made["permutations"].max()
    how = "all there are" if made["exact"].all() else "drawn at random"
    methods, measures = (made[name].nunique() for name in KEY)
    return (
        f"P-values rest on {count:,} permutations of the models' labels, {how}, and are corrected "
        f"for {methods * measures} tests (methods x measures), unless said otherwise."
    )


def _numbers(tests: pd.DataFrame, columns: list[tuple[str, str, str]]) -> pd.DataFrame:
    """A row a method and measure: figures of all tests, as text."""
    wide = tests.set_index([*KEY, "test"])
    table = {}
    for name, test, column in columns:
        values = wide.xs(test, level="test")[column]
        table[name] = [_shown(value, column) for value in values]
    return pd.DataFrame(table, index=wide.xs(columns[0][1], level="test").index)


def _shown(value: float, column: str) -> str:
    if pd.isna(value):
        return "-"
    if column == "permutations":
        return f"{value:,.0f}"
    if "p" in column.split("_"):
        return f"{value:.4f}" if value < 0.1 else f"{value:.2f}"
    return f"{value:.2f}"
