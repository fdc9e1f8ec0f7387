"""What the tests of a factor come to: yes, no evidence, or cannot be decided, in a sentence.

A group effect is claimed only where PERMANOVA *and* Welch's form of it, which
allows for unequal spreads, are significant after Holm's correction, the latter
both by permuted labels and by flipped signs. Less does not keep the level. With
nine narrowly and five twice as widely spread models around one centre, PERMDISP misses two
differences in three when there are two dimensions, so that to ask for Welch's
form only where PERMDISP finds spreads unequal claims an effect in one study of
nine at a level of one in twenty; and small groups make the permuted Welch
statistic alone claim one in fourteen (docs/comparison.md). PERMDISP is
reported beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

import pandas as pd

from sightline.compare.groups.column import Factor
from sightline.compare.groups.needed import models_needed, permutations_needed

YES, NO, OPEN = "yes", "no evidence", "cannot be decided"
DECIDING = {"groups": ["permanova", "welch", "welch_flipped"], "number": ["regression"]}


@dataclass(frozen=True)
class Asked:
    """What all tests of a study share: level, permutations and how many are corrected for."""

    level: float
    permutations: int
    tests: int


@dataclass(frozen=True)
class Answer:
    """The answer for one method, measure and factor.

    Attributes
    ----------
    answer
        yes, no evidence, cannot be decided.
    effect
        R^2 of the factor.
    p_holm, smallest_p_holm
        The larger of the deciding tests', observed and attainable.
    models_needed
        Least models for a decision, where it cannot be made; else NaN.
    sentence
        The answer in words.
    """

    answer: str
    effect: float
    p_holm: float
    smallest_p_holm: float
    models_needed: float
    sentence: str


def answer(factor: Factor, tests: pd.DataFrame, asked: Asked) -> Answer:
    """Weigh the tests of one factor on one matrix.

    Parameters
    ----------
    factor
        What was tested.
    tests
        Indexed by test: effect, unbiased, p, p_holm, smallest_p, smallest_p_holm.
    asked
        Of the study.
    """
    deciding = tests.loc[DECIDING[factor.kind]]
    effect = float(deciding["effect"].iloc[0])
    p, least = (float(deciding[c].max(skipna=False)) for c in ("p_holm", "smallest_p_holm"))
    found, needed = NO, None
    if isnan(least) or least > asked.level:
        found = OPEN
        groups = len(factor.levels) if factor.kind == "groups" else None
        needed = models_needed(groups, asked.tests, asked.permutations, asked.level)
    elif p <= asked.level:
        found = YES
    if found == OPEN:
        sentence = _open(factor, tests, asked, needed)
    else:
        sentence = _claim(factor, tests, found) + _beside(factor, tests, asked.level)
    return Answer(
        answer=found,
        effect=effect,
        p_holm=p,
        smallest_p_holm=least,
        models_needed=float("nan") if needed is None else needed,
        sentence=sentence + _without(factor),
    )


def number(value: float) -> str:
    """A p-value for people: two digits, never 0."""
    return "less than 0.0001" if value < 0.0001 else f"{value:.2g}"


def _open(factor: Factor, tests: pd.DataFrame, asked: Asked, needed: int | None) -> str:
    if factor.untestable:
        return f"Cannot be decided: {factor.untestable}."
    deciding = tests.loc[DECIDING[factor.kind]]
    if deciding["p"].isna().any():
        return "Cannot be decided: the models do not differ at all."
    least = float(deciding["smallest_p"].max())
    corrected = float(deciding["smallest_p_holm"].max())
    text = f"Cannot be decided: with {_models(factor)} no p-value is below {number(least)}"
    if asked.tests > 1:
        text += f", corrected for {asked.tests} tests {number(corrected)}"
    text += f", which is above {asked.level:g}. As it is, {_figures(factor, tests, 'p')}."
    if needed is None:
        wanted = permutations_needed(asked.tests, asked.level)
        return text + f" It would take at least {wanted} permutations."
    if needed > len(factor.models):
        kind = f" in {len(factor.levels)} equal groups" if factor.kind == "groups" else ""
        return text + f" It would take at least {needed} models{kind}."
    return text + " Groups of more equal size, or other data, could decide it."


def _claim(factor: Factor, tests: pd.DataFrame, found: str) -> str:
    figures = _figures(factor, tests, "p_holm")
    return f"Yes: {figures}." if found == YES else f"No evidence of an effect: {figures}."


def _figures(factor: Factor, tests: pd.DataFrame, column: str) -> str:
    """Effect and p-values of the deciding tests."""
    main = tests.loc[DECIDING[factor.kind][0]]
    name = "PERMANOVA" if factor.kind == "groups" else "distance-based regression"
    p = f"{name} p {number(main[column])}"
    if factor.kind == "groups":
        # NaN counts: a test that could not be made allows for nothing.
        robust = tests.loc[["welch", "welch_flipped"], column].max(skipna=False)
        p += f", {number(robust)} allowing for unequal spreads"
    if column == "p":
        p += ", not corrected"
    return (
        f"{factor.name} explains {main['effect']:.0%} of the variation between the models "
        f"(R² {main['effect']:.2f}, {main['unbiased']:.2f} without its bias; {p})"
    )


def _beside(factor: Factor, tests: pd.DataFrame, level: float) -> str:
    """What the other tests add."""
    if factor.kind == "number":
        row = tests.loc["mantel"]
        return (
            f" Models further apart in {factor.name} are further apart with a rank correlation of "
            f"{row['effect']:.2f} (Mantel p {number(row['p_holm'])})."
        )
    further, spread = tests.loc["within_between"], tests.loc["permdisp"]
    clusters = tests.loc["adjusted_rand"]
    text = (
        f" A pair of unlike {factor.name} is further apart than a pair of one {factor.name} "
        f"in {further['effect']:.0%} of cases. Clusters of the models agree with {factor.name} "
        f"by an adjusted Rand index of {clusters['effect']:.2f} (p {number(clusters['p_holm'])})."
    )
    if isnan(spread["p"]):
        return text
    # As a caution it is read without correction, which would hide unequal spreads.
    if spread["p"] <= level:
        return text + (
            f" The groups are not equally spread (PERMDISP p {number(spread['p'])}, the widest "
            f"{spread['effect']:.1f} times the narrowest): trust no test that takes them to be."
        )
    return text + f" The groups may be equally spread (PERMDISP p {number(spread['p'])})."


def _without(factor: Factor) -> str:
    parts = [f"{len(models)} with {reason}" for reason, models in factor.left_out.items()]
    parts = [part.replace("with the only", "the only") for part in parts]
    return f" Left out: {'; '.join(parts)}." if parts else ""


def _models(factor: Factor) -> str:
    if factor.kind == "number":
        return f"{len(factor.models)} models"
    return f"{' + '.join(map(str, factor.sizes))} models"
