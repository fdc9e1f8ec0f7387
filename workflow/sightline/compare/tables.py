"""Tables of pairs of models, from their statistics over all images."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from sightline.compare.similarity import dissimilarity, kappa
from sightline.compare.statistics import AGREEMENTS, SIMILARITIES, PairStatistics


def similarity_table(statistics: PairStatistics, method: str) -> pd.DataFrame:
    """Mean and spread of the similarity of each pair.

    Returns
    -------
    DataFrame
        A row a (metric, pair): method, metric, model_a, model_b, count (rows
        used), left_out (rows with a map that is zero or non-finite), mean,
        spread (unbiased standard deviation), dissimilarity, and
        same_prediction (rows used on which both explain the same output).
        Spread and dissimilarity are NaN below two rows, all below one.
    """
    tables = []
    same = _same_target(statistics) & statistics.used
    for metric in SIMILARITIES:
        values = getattr(statistics, metric).astype(np.float64)
        count = statistics.used.sum(axis=1)
        mean, spread = _mean_and_spread(values)
        tables.append(
            pd.DataFrame(
                {
                    "method": method,
                    "metric": metric,
                    **_models(statistics),
                    "count": count,
                    "left_out": statistics.used.shape[1] - count,
                    "mean": mean,
                    "spread": spread,
                    "dissimilarity": dissimilarity(mean, spread),
                    "same_prediction": same.sum(axis=1),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def agreement_table(statistics: PairStatistics, method: str) -> pd.DataFrame:
    """Cohen's kappa of each pair, over the pixels of all images pooled.

    Returns
    -------
    DataFrame
        A row a (metric, pair): method, metric (kappa, kappa_graded), classes,
        model_a, model_b, count, left_out, pixels, kappa (NaN where both models
        put every pixel into one class).
    """
    tables = []
    for metric in AGREEMENTS:
        pooled = getattr(statistics, metric).sum(axis=1)
        count = statistics.used.sum(axis=1)
        tables.append(
            pd.DataFrame(
                {
                    "method": method,
                    "metric": metric,
                    "classes": pooled.shape[-1],
                    **_models(statistics),
                    "count": count,
                    "left_out": statistics.used.shape[1] - count,
                    "pixels": pooled.sum(axis=(1, 2)),
                    "kappa": kappa(pooled),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def square(table: pd.DataFrame, column: str, diagonal: float) -> pd.DataFrame:
    """A pair table's column as a symmetric matrix, models by name.

    Parameters
    ----------
    table
        One method and metric of a table of pairs.
    column
        Its values.
    diagonal
        A model against itself.
    """
    models = list(dict.fromkeys([*table["model_a"], *table["model_b"]]))
    matrix = pd.DataFrame(np.nan, models, models, dtype=float)
    for row in table.itertuples():
        value = getattr(row, column)
        matrix.loc[row.model_a, row.model_b] = matrix.loc[row.model_b, row.model_a] = value
    values = matrix.to_numpy(copy=True)
    np.fill_diagonal(values, diagonal)
    return pd.DataFrame(values, models, models)


def _models(statistics: PairStatistics) -> dict[str, np.ndarray]:
    return {"model_a": statistics.pair[:, 0], "model_b": statistics.pair[:, 1]}


def _same_target(statistics: PairStatistics) -> np.ndarray:
    number = {model: i for i, model in enumerate(statistics.model)}
    sides = [[number[model] for model in side] for side in statistics.pair.T]
    return statistics.target[sides[0]] == statistics.target[sides[1]]


def _mean_and_spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with warnings.catch_warnings():
        # No row, or one: NaN is the answer, as the table says.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(values, axis=1), np.nanstd(values, axis=1, ddof=1)
