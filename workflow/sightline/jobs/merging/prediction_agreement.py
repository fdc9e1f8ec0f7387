"""Do models that answer alike look alike?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from sightline.compare.mantel import mantel
from sightline.compare.pairs import read_pairs
from sightline.tabular import write_table

# Fewer have no two pairs without a model in common.
FEWEST = 3


def correlate_predictions(
    method: str, pairs: Path, output: Path, *, permutations: int, level: float, seed: int
) -> None:
    """Correlate agreement in prediction with agreement in explanation, over pairs of models.

    Parameters
    ----------
    method
        Its id.
    pairs
        Its pairs file.
    output
        A table, a row a measure: method, measure, models; same_class (mean over pairs of the
        share of images on which both answer one class); rho (Spearman's correlation of that
        share with the mean similarity); p (Mantel's test, of rho above 0), permutations,
        exact (whether these are all), smallest_p; answer: yes, no evidence, or cannot be
        decided (fewer than 3 models, all pairs agreeing alike, or a smallest p above the
        level).
    permutations, seed
        As for `sightline.compare.mantel.mantel`.
    level
        Of the test.
    """
    found = read_pairs(pairs)
    rows = [
        {
            "method": method,
            "measure": measure,
            "models": len(found.models),
            "same_class": found.same_class.mean() if len(found.same_class) else np.nan,
            **_tested(found.same_class, found.means[measure], len(found.models),
                      permutations=permutations, level=level, seed=seed),
        }
        for measure in found.measures
    ]  # fmt: skip
    write_table(output, pd.DataFrame(rows))


def _tested(
    same: np.ndarray, means: np.ndarray, models: int, *, permutations: int, level: float, seed: int
) -> dict[str, object]:
    nothing = {"rho": np.nan, "p": np.nan, "permutations": 0, "exact": False, "smallest_p": np.nan}
    if models < FEWEST or not np.isfinite(means).all():
        return nothing | {"answer": "cannot be decided"}
    told = mantel(same, means, models, permutations, seed, alternative="greater")
    if np.isnan(told.p) or told.smallest_p > level:
        answer = "cannot be decided"
    else:
        answer = "yes" if told.p <= level else "no evidence"
    return {
        "rho": told.correlation,
        "p": told.p,
        "permutations": told.permutations,
        "exact": told.exact,
        "smallest_p": told.smallest_p,
        "answer": answer,
    }
