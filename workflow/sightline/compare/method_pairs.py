"""Methods against each other: how alike two methods explain one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sightline.compare.aggregate import aggregate
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.ordering import pair_indices

# The measure that every study has: `sightline.compare.rank_pairs`.
RANKS = "rank_correlation"
_PAIR = ["measure", "method_a", "method_b"]


def method_table(
    model: str,
    methods: Sequence[str],
    similarities: Mapping[str, np.ndarray],
    target: np.ndarray,
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """Similarity of the maps of one model by each pair of methods.

    Parameters
    ----------
    model, methods
        Ids.
    similarities
        By measure, (pairs, rows); NaN where a row is not used.
    target
        The output that each method explains, (methods, rows).
    bootstrap
        How intervals over images are made.

    Returns
    -------
    DataFrame
        A row a (measure, pair): model, measure, method_a, method_b, images (rows
        used), left_out (a map is zero or not finite, or the measure has no value),
        other_target (rows left out because the two explain different outputs),
        mean, mean_low, mean_high, spread (unbiased standard deviation). Means are
        empty without a row, the rest below two.
    """
    pairs = pair_indices(len(methods))
    same = target[pairs[:, 0]] == target[pairs[:, 1]]
    names = np.array(methods, object)[pairs]
    tables = []
    for measure, values in similarities.items():
        found = aggregate(np.where(same, values, np.nan), bootstrap).columns
        tables.append(
            pd.DataFrame(
                {
                    "model": model,
                    "measure": measure,
                    "method_a": names[:, 0],
                    "method_b": names[:, 1],
                    "images": found["images"],
                    "left_out": same.sum(axis=1) - found["images"],
                    "other_target": (~same).sum(axis=1),
                    **{key: found[key] for key in ("mean", "mean_low", "mean_high", "spread")},
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def over_models(table: pd.DataFrame) -> pd.DataFrame:
    """The same for all models together.

    Parameters
    ----------
    table
        As from `method_table`, of all models.

    Returns
    -------
    DataFrame
        A row a (measure, pair): measure, method_a, method_b, models (with a mean),
        mean (of their means), spread (unbiased standard deviation over models; empty
        below two), lowest, lowest_model, highest, highest_model.
    """
    rows = []
    for keys, own in table.groupby(_PAIR, sort=False):
        known = own.dropna(subset=["mean"]).reset_index(drop=True)
        row = dict(zip(_PAIR, keys, strict=True)) | {"models": len(known)}
        if len(known):
            row |= {"mean": known["mean"].mean(), "spread": known["mean"].std()}
            for name, place in (
                ("lowest", known["mean"].idxmin()), ("highest", known["mean"].idxmax())
            ):  # fmt: skip
                row |= {name: known["mean"][place], f"{name}_model": known["model"][place]}
        rows.append(row)
    columns = [*_PAIR, "models", "mean", "spread"]
    columns += ["lowest", "lowest_model", "highest", "highest_model"]
    return pd.DataFrame(rows, columns=columns)
