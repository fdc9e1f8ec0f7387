"""How far each model agrees with the others, and whether the accurate ones agree more."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd

from sightline.compare.aggregate import aggregate
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.consensus.agreement import MEASURES, REFERENCES
from sightline.compare.consensus.file import Scored
from sightline.compare.correlation import CORRELATIONS, correlate

ALL, CORRECT = "all", "correct"
_KEYS = ["method", "measure", "reference", "subset"]


def consensus_table(found: Scored, method: str, bootstrap: Bootstrap) -> pd.DataFrame:
    """Mean agreement of each model with the consensus.

    Parameters
    ----------
    found
        Of all ranges.
    method
        Its id.
    bootstrap
        How intervals over images are made.

    Returns
    -------
    DataFrame
        A row a (measure, reference, subset, model): method; measure (cosine,
        spearman); reference (``others``: the mean of the other models' unit
        maps, ``all``: with its own, as in the paper); subset (``all`` rows, or
        those that this model answers with the label, ``correct``: where it is
        wrong it may disagree only because it explains another class); model;
        images (rows used); left_out (rows in which its map, or all others, are
        not ok, or show nothing that can be compared); mean; mean_low, mean_high
        (its bootstrap interval over images); spread (unbiased standard
        deviation over rows).
    """
    within = {ALL: np.ones(found.correct.T.shape, bool), CORRECT: found.correct.T == 1}
    bootstrap = bootstrap.over(found.image_id)
    tables = []
    for (i, measure), (j, reference), (subset, chosen) in product(
        enumerate(MEASURES), enumerate(REFERENCES), within.items()
    ):
        values = np.where(chosen, found.scores[i, j].T.astype(np.float64), np.nan)
        columns = aggregate(values, bootstrap).columns
        told = {
            "method": method,
            "measure": measure,
            "reference": reference,
            "subset": subset,
            "model": found.model,
            "images": columns["images"],
            "left_out": chosen.sum(axis=1) - columns["images"],
            **{key: columns[key] for key in ("mean", "mean_low", "mean_high", "spread")},
        }
        tables.append(pd.DataFrame(told))
    return pd.concat(tables, ignore_index=True)


def accuracy_table(
    consensus: pd.DataFrame,
    accuracy: Mapping[str, float],
    *,
    permutations: int,
    seed: int,
    level: float,
) -> pd.DataFrame:
    """Correlation over models of agreement with the consensus and accuracy.

    Parameters
    ----------
    consensus
        As from `consensus_table`.
    accuracy
        Share of the labelled images that each model answers rightly; NaN where
        no image has a label.
    permutations, seed
        Of the permutation test, see `sightline.compare.correlation.correlate`.
    level
        Of the test, which is not corrected for how many there are.

    Returns
    -------
    DataFrame
        A row a (measure, reference, subset, correlation): method, measure,
        reference, subset, correlation (spearman, pearson), models (with an
        accuracy and a mean agreement), value, p (two-sided), smallest_p (the
        least that so many models could give), permutations, exact (all of
        them), level, answer (yes, no evidence, cannot be decided).
    """
    rows = []
    for keys, own in consensus.groupby(_KEYS, sort=False):
        known = own["model"].map(dict(accuracy)).to_numpy(np.float64)
        agreement = own["mean"].to_numpy(np.float64)
        for kind in CORRELATIONS:
            found = correlate(agreement, known, kind, permutations=permutations, seed=seed)
            rows.append(
                {
                    **dict(zip(_KEYS, keys, strict=True)),
                    "correlation": kind,
                    "models": int((np.isfinite(known) & np.isfinite(agreement)).sum()),
                    **vars(found),
                    "level": level,
                    "answer": found.answer(level),
                }
            )
    return pd.DataFrame(rows)
