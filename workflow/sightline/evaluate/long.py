"""Values of an experiment as rows of a table, and what they are over all images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sightline.compare.bootstrap import Bootstrap
from sightline.evaluate.protocol import Curve, Values

KEYS = ["model", "method", "variant", "role", "measure", "x"]
COLUMNS = [*KEYS, "image_id", "value", "chance", "p"]


def long_table(
    values: Values,
    *,
    model: str,
    method: str,
    image_id: np.ndarray,
    role: np.ndarray,
    variant: str = "",
    chance: Values | None = None,
    p: Values | None = None,
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
    p
        Of the mean over the rows of each role, on each of them, where it is known.

    Returns
    -------
    DataFrame
        model, method, variant, role, measure, x (NaN where the measure is no curve),
        image_id, value (NaN where the row has none), chance, p.
    """
    tables = []
    for measure, found in values.items():
        beside = [None if known is None else known[measure] for known in (chance, p)]
        for x, column, other, tail in _columns(found, *beside):
            tables.append(
                pd.DataFrame(
                    {
                        **{"model": model, "method": method, "variant": variant, "role": role},
                        **{"measure": measure, "x": x, "image_id": image_id},
                        **{"value": column.astype(np.float64), "chance": other, "p": tail},
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _columns(
    found: np.ndarray | Curve, *beside: np.ndarray | Curve | None
) -> list[tuple[float, np.ndarray, np.ndarray | float, np.ndarray | float]]:
    """Of each point x, what is found there and what stands beside it."""
    points = [float(x) for x in found.x] if isinstance(found, Curve) else [np.nan]
    chance, p = ([np.nan] * len(points) if one is None else list(_points(one)) for one in beside)
    return list(zip(points, _points(found), chance, p, strict=True))


def _points(values: np.ndarray | Curve) -> Sequence[np.ndarray]:
    return list(values.values.T) if isinstance(values, Curve) else [values]


def over_images(
    rows: pd.DataFrame, bootstrap: Bootstrap, controls: Sequence[str] = ()
) -> pd.DataFrame:
    """Means over images with their bootstrap intervals.

    Parameters
    ----------
    rows
        As `long_table` gives them, of any models and methods.
    bootstrap
        How intervals are made.
    controls
        Methods that no others have to share their images with.

    Returns
    -------
    DataFrame
        A row a (model, method, variant, role, measure, x): mean, low, high (NaN where fewer
        than two images have a value), images (with a value), left_out, common and
        common_images (the mean over those images of which every method but the controls has a
        value, if it has any, and how many they are), chance (the mean of what chance gives
        those of them of which that is known) and p (how likely chance gives such a mean); NaN
        where that is not known.

    Raises
    ------
    ValueError
        Where an image has two values of one kind.
    """
    if rows.duplicated([*KEYS, "image_id"]).any():
        twice = rows[rows.duplicated([*KEYS, "image_id"])].iloc[0]
        raise ValueError(f"two values of one image: {twice[[*KEYS, 'image_id']].to_dict()}")
    rows = rows.assign(common=_common(rows, controls))
    found = []
    for key, group in rows.groupby(KEYS, sort=False, dropna=False):
        values = group["value"].to_numpy(np.float64)
        low, high = mean_interval(values, bootstrap)
        known = np.isfinite(values)
        chance = group["chance"].to_numpy(np.float64)[known]
        chance = chance[np.isfinite(chance)]
        found.append(
            {
                **dict(zip(KEYS, key, strict=True)),
                "mean": values[known].mean() if known.any() else np.nan,
                **{"low": low, "high": high},
                **{"images": int(known.sum()), "left_out": int((~known).sum())},
                **_over_common(values[group["common"].to_numpy() & known]),
                "chance": chance.mean() if len(chance) else np.nan,
                "p": group["p"].iloc[0],
            }
        )
    return pd.DataFrame(found)


def _common(rows: pd.DataFrame, controls: Sequence[str]) -> np.ndarray:
    """Whether every method that has values at all has one of a row's image, bool (n,)."""
    every = [key for key in KEYS if key != "method"]
    value = rows["value"].where(~rows["method"].isin(list(controls)))
    has = value.notna()
    keys = [rows[key] for key in every]
    methods = rows["method"].where(has).groupby(keys, dropna=False).transform("nunique")
    here = has.groupby([*keys, rows["image_id"]], dropna=False).transform("sum")
    return ((here == methods) & (methods > 0)).to_numpy()


def _over_common(values: np.ndarray) -> dict[str, float]:
    return {"common": values.mean() if len(values) else np.nan, "common_images": len(values)}


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
