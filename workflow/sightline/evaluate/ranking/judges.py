"""Do measures agree on the order of the methods, and does each order them alike on all models?

Kendall's W (`sightline.evaluate.ranking.agreement`) asks two questions: with the measures as
judges, on each model and on the mean over models of their ranks; and, of each measure, with
the models as judges. Measures of one experiment see the same maps of the same images, so
they are no independent judges: that they agree says less than that experiments do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sightline.compare.groups.holm import holm
from sightline.compare.groups.verdict import NO, OPEN, YES
from sightline.evaluate.ranking.agreement import concordance

MEASURES, MODELS = "measures", "models"
COLUMNS = [
    *("judges", "experiment", "measure", "model", "count", "methods", "w", "chi2", "p"),
    *("p_corrected", "smallest_p", "smallest_p_corrected", "exact", "answer", "left_out"),
]


@dataclass(frozen=True)
class Significance:
    """How tests are made: most permutations, the level, the seed of the draws."""

    permutations: int
    level: float
    seed: int


def agreement_table(summary: pd.DataFrame, testing: Significance) -> pd.DataFrame:
    """Kendall's W of measures, and of models.

    Parameters
    ----------
    summary
        See `sightline.evaluate.ranking.summary.summarise`.
    testing
        How tests are made.

    Returns
    -------
    DataFrame
        A row a question: judges (``measures`` or ``models``); for measures the model, empty over
        all of them, for models the experiment and measure; count (of judges), methods (of those
        that are ordered), w, chi2, p, p_corrected (Holm's, over the rows by model, and over
        those by measure; the one over all models is one test), smallest_p and
        smallest_p_corrected (attainable), exact, answer (``yes``, ``no evidence``; ``cannot
        be decided`` where the smallest p is above the level) and left_out: the names of
        judges and methods left out so that every judge ranks every method.
    """
    ranked = summary[summary["rank"].notna()]
    if ranked.empty:
        return pd.DataFrame(columns=COLUMNS)
    named = ranked.assign(judge=ranked["experiment"] + " " + ranked["measure"])
    overall = named.groupby(["judge", "method"], sort=False)["rank"].mean().reset_index()
    blocks = [
        [_asked(overall, "judge", testing, judges=MEASURES)],
        list(_each(named, ["model"], "judge", testing, judges=MEASURES)),
        list(_each(named, ["experiment", "measure"], "model", testing, judges=MODELS)),
    ]
    parts = [_corrected(pd.DataFrame(rows), testing.level) for rows in blocks]
    table = pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)
    names = ["experiment", "measure", "model"]
    table[names] = table[names].fillna("")
    return table


def complete(ranks: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The judges and methods that leave no rank missing, and the names of the others.

    What lacks the largest share of its ranks goes first, of equal shares the judge.

    Parameters
    ----------
    ranks
        Judges by methods.
    """
    left_out = []
    while (missing := ranks.isna()).to_numpy().any():
        judge, method = missing.mean(axis=1), missing.mean(axis=0)
        of_judges = judge.max() >= method.max()
        worst = (judge if of_judges else method).idxmax()
        left_out.append(str(worst))
        ranks = ranks.drop(index=worst) if of_judges else ranks.drop(columns=worst)
    return ranks, left_out


def _each(
    named: pd.DataFrame, by: list[str], judge: str, testing: Significance, **words: str
) -> Iterator[dict[str, object]]:
    for key, own in named.groupby(by, sort=False):
        yield _asked(own, judge, testing, **dict(zip(by, key, strict=True)), **words)


def _asked(
    rows: pd.DataFrame, judge: str, testing: Significance, **words: str
) -> dict[str, object]:
    order = [list(dict.fromkeys(rows[column])) for column in (judge, "method")]
    ranks = rows.set_index([judge, "method"])["rank"].unstack().reindex(order[0])[order[1]]
    ranks, left_out = complete(ranks)
    # Means over models differ by rounding where they are equal.
    found = concordance(ranks.to_numpy(float).round(9), testing.permutations, testing.seed)
    return {
        **words,
        **{"count": ranks.shape[0], "methods": ranks.shape[1], "w": found.w, "chi2": found.chi2},
        **{"p": found.p, "smallest_p": found.smallest_p, "exact": found.exact},
        "left_out": ", ".join(left_out),
    }


def _corrected(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    for column in ("p", "smallest_p"):
        rows[f"{column}_corrected"] = holm(rows[column].to_numpy(float))
    least, p = rows["smallest_p_corrected"], rows["p_corrected"]
    answers = [least.isna() | (least > level), p <= level]
    return rows.assign(answer=np.select(answers, [OPEN, YES], NO))
