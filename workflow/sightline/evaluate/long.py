"""Values of an experiment as rows of a table, and what they are over all images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sightline.compare.bootstrap import Bootstrap
from sightline.evaluate.protocol import Curve, Values

KEYS = ["model", "method", "variant", "role", "measure", "x"]
COLUMNS = [*KEYS, "image_id", "value", "chance"]


def long_table(
    values: Values,
    *,
    model: str,
    method: str,
    image_id: np.ndarray,
    role: np.ndarray,
    variant: str = "",
    chance: Values | None = None,
) -> pd.DataFrame:
    """One row a (measure, point of a curve, row).

    Parameters
    ----------
    values
        Of each row, by measure.
    model, method, variant
        Ids; no variant for the study's own maps.
    image_id, role
        Of each row.
    chance
        The same by chance, where that is known.

    Returns
    -------
    DataFrame
        model, method, variant, role, measure, x (NaN where the measure is no curve),
        image_id, value (NaN where the row has none), chance.
    """
    tables = []
    for measure, found in values.items():
        by_chance = None if chance is None else chance[measure]
        for x, column, other in _columns(found, by_chance):
            tables.append(
                pd.DataFrame(
                    {
                        **{"model": model, "method": method, "variant": variant, "role": role},
                        **{"measure": measure, "x": x, "image_id": image_id},
                        **{"value": column.astype(np.float64), "chance": other},
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _columns(
    found: np.ndarray | Curve, chance: np.ndarray | Curve | None
) -> list[tuple[float, np.ndarray, np.ndarray | float]]:
    if not isinstance(found, Curve):
        assert not isinstance(chance, Curve)
        return [(np.nan, found, np.nan if chance is None else chance)]
    assert chance is None or isinstance(chance, Curve)
    return [
        (float(x), found.values[:, k], np.nan if chance is None else chance.values[:, k])
        for k, x in enumerate(found.x)
    ]


def over_images(rows: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Means over images with their bootstrap intervals.

    Parameters
    ----------
    rows
        As `long_table` gives them, of any models and methods.
    bootstrap
        How intervals are made.

    Returns
    -------
    DataFrame
        A row a (model, method, variant, role, measure, x): mean, low, high (NaN where fewer
        than two images have a value), images (with a value), left_out, chance (the mean of
        what chance gives; NaN where that is not known).
    """
    found = []
    for key, group in rows.groupby(KEYS, sort=False, dropna=False):
        values = group["value"].to_numpy(np.float64)
        low, high = mean_interval(values, bootstrap)
        known = np.isfinite(values)
        chance = group["chance"].to_numpy(np.float64)[known]
        found.append(
            {
                **dict(zip(KEYS, key, strict=True)),
                "mean": values[known].mean() if known.any() else np.nan,
                **{"low": low, "high": high},
                **{"images": int(known.sum()), "left_out": int((~known).sum())},
                "chance": chance.mean() if len(chance) else np.nan,
            }
        )
    return pd.DataFrame(found)


def mean_interval(values: np.ndarray, bootstrap: Bootstrap) -> tuple[float, float]:
    """The interval of a mean over images, (n,); images without a value are no part of it."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return np.nan, np.nan
    drawn = np.concatenate([weights @ known for weights in bootstrap.weights(len(known))])
    without = (known.sum() - known) / (len(known) - 1)
    low, high = bootstrap.interval(known.mean()[None], (drawn / len(known))[:, None], without[None])
    return float(low[0]), float(high[0])


def joined(rows: Sequence[tuple[str, str]], wanted: Sequence[tuple[str, str]]) -> np.ndarray:
    """Where each of the wanted (image_id, role) rows is among others, int (n,)."""
    place = {row: number for number, row in enumerate(rows)}
    return np.array([place[row] for row in wanted])
