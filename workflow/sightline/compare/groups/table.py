"""Every factor on every method's and measure's matrix, corrected and answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sightline.compare.groups.column import Factor, read_factor
from sightline.compare.groups.factor import examine_factor
from sightline.compare.groups.holm import holm
from sightline.compare.groups.verdict import DECIDING, Asked, answer

KEY = ["method", "measure", "factor"]


def architecture(
    matrices: Iterable[tuple[str, str, pd.DataFrame]],
    models: pd.DataFrame,
    factors: Sequence[str],
    *,
    permutations: int,
    level: float,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Test whether factors explain the models' dissimilarities.

    Parameters
    ----------
    matrices
        Method, measure and dissimilarity, symmetric, models by models.
    models
        Indexed by model: a column a factor.
    factors
        Columns to test.
    permutations, seed
        As for `sightline.compare.groups.permutations.arrange`.
    level
        Of the corrected p-values.

    Returns
    -------
    tests : DataFrame
        A row a (method, measure, factor, test), see `sightline.jobs.merging.factors`.
    answers : DataFrame
        A row a (method, measure, factor), see `sightline.jobs.merging.factors`.
    """
    tested: dict[tuple[str, str, str], Factor] = {}
    rows = []
    for method, measure, matrix in matrices:
        for name in factors:
            factor = read_factor(models[name], matrix)
            tested[method, measure, name] = factor
            found = examine_factor(matrix, factor, permutations=permutations, seed=seed)
            rows += [_row((method, measure, name), factor, vars(test)) for test in found]
    tests = pd.DataFrame(rows)
    # One family of tests: the same question, asked of each method and measure.
    family = tests.groupby(["factor", "test"], sort=False)
    for column in ("p", "smallest_p"):
        corrected = family[column].transform(lambda p: holm(p.to_numpy(np.float64)))
        tests.insert(tests.columns.get_loc(column) + 1, f"{column}_holm", corrected)
    return tests, _answers(tests, tested, Asked(level, permutations, 1))


def _row(key: tuple[str, str, str], factor: Factor, test: dict[str, object]) -> dict[str, object]:
    return {
        **dict(zip(KEY, key, strict=True)),
        **test,
        "models": len(factor.models),
        "left_out": sum(map(len, factor.left_out.values())),
    }


def _answers(
    tests: pd.DataFrame, tested: dict[tuple[str, str, str], Factor], asked: Asked
) -> pd.DataFrame:
    # How many are corrected for: tests that cannot be made are no part of the family.
    made = tests[tests["p"].notna()].groupby(["factor", "test"]).size()
    rows = []
    for key, own in tests.groupby(KEY, sort=False):
        factor = tested[key]
        main = (factor.name, DECIDING[factor.kind][0])
        given = answer(factor, own.set_index("test"), replace(asked, tests=int(made.get(main, 1))))
        left = own[["models", "left_out"]].iloc[0].to_dict()
        rows.append({**dict(zip(KEY, key, strict=True)), **vars(given), **left})
    columns = [*KEY, "answer", "effect", "p_holm", "smallest_p_holm", "models", "left_out"]
    return pd.DataFrame(rows)[[*columns, "models_needed", "sentence"]]
