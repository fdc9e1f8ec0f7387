"""Sections: does a factor, such as the models' family, explain how far apart they are?"""

from __future__ import annotations

import pandas as pd

from sightline.report.factor_tables import KEY, answer_numbers, numbers_of_tests
from sightline.report.page import Figure, Section

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


def architecture_sections(
    tests: pd.DataFrame, answers: pd.DataFrame, *, measure: str
) -> list[Section]:
    """A section a factor, with every method's and measure's answer.

    Parameters
    ----------
    tests, answers
        See `sightline.jobs.merging.factors.examine_factors`.
    measure
        Whose numbers do not fold away.
    """
    return [
        _section(str(factor), own, answers[answers["factor"] == factor], measure)
        for factor, own in tests.groupby("factor", sort=False)
    ]


def _section(factor: str, tests: pd.DataFrame, answers: pd.DataFrame, measure: str) -> Section:
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
    told = answers[answers["measure"] == measure]
    return Section(
        heading=heading,
        sentences=_summary(factor, tests, answers),
        short=_short(answers),
        details=[(f"{row.method}, {row.measure}", row.sentence) for row in answers.itertuples()],
        figures=[Figure(f"factors/{factor}", _GROUP_CAPTION if groups else _NUMBER_CAPTION)],
        table=answer_numbers(told if len(told) else answers),
        more=numbers_of_tests(tests, groups=groups),
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
