"""How much of the maps' variance is model, method, image and their interactions.

Intervals are over images: the models and methods are what they are. They come
from the jackknife, because a bootstrap takes two copies of an image for two
images, which adds 1/images of the residual to each component without the image.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t as student

from sightline.compare.variance.components import (
    Factors,
    components,
    degrees,
    shares,
    subsets,
    sums_of_squares,
)
from sightline.compare.variance.design import FACTORS, Design

# The jackknife leaves one out, and a variance takes two.
FEWEST_IMAGES = 3
COLUMNS = (
    *("component", "freedom", "sum_of_squares", "mean_square", "variance", "low", "high"),
    *("share", "share_low", "share_high", "reason"),
)


def variance_components(design: Design, level: float = 0.95) -> pd.DataFrame:
    """Components, their shares and intervals.

    Parameters
    ----------
    design
        Sums of all images, at least `FEWEST_IMAGES`, and without each.
    level
        Of the intervals.

    Returns
    -------
    DataFrame
        A row a component (model, method, image, model:method, model:image,
        method:image, model:method:image, which holds the error): component;
        freedom (degrees); sum_of_squares; mean_square; variance (estimate, as
        it is, also below 0); low, high; share (of the sum of the components,
        negative ones as 0); share_low, share_high; reason (why the row has no
        values: a factor of one level).
    """
    alone = {factor for factor, count in design.levels.items() if count < 2}
    levels = {factor: count for factor, count in design.levels.items() if factor not in alone}
    squares = sums_of_squares({one: t for one, t in design.terms.items() if not one & alone})
    fewer = levels | {"image": levels["image"] - 1}
    rows = []
    found = components({one: square[0] for one, square in squares.items()}, levels)
    without = components({one: square[1:] for one, square in squares.items()}, fewer)
    portion, portion_without = shares(found), shares(without)
    for component in subsets(FACTORS)[1:]:
        row: dict[str, object] = {"component": ":".join(f for f in FACTORS if f in component)}
        if component in found:
            freedom = degrees(component, levels)
            low, high = _jackknife(found[component], without[component], level)
            share = _jackknife(portion[component], portion_without[component], level)
            row |= {
                "freedom": freedom,
                "sum_of_squares": squares[component][0],
                "mean_square": squares[component][0] / freedom,
                "variance": found[component],
                "low": low,
                "high": high,
                "share": portion[component],
                "share_low": max(share[0], 0.0),
                "share_high": min(share[1], 1.0),
            }
        rows.append(row | {"reason": _reason(component, alone)})
    return pd.DataFrame(rows, columns=COLUMNS)


def no_components(reason: str) -> pd.DataFrame:
    """The table of `variance_components` where there are too few images, with the reason."""
    names = [":".join(f for f in FACTORS if f in one) for one in subsets(FACTORS)[1:]]
    return pd.DataFrame({"component": names, "reason": reason}, columns=COLUMNS)


def _reason(component: Factors, alone: set[str]) -> str:
    return " and ".join(f"one {factor}" for factor in FACTORS if factor in component & alone)


def _jackknife(found: np.ndarray, without: np.ndarray, level: float) -> tuple[float, float]:
    """Interval of an estimate from those without each image (Efron & Tibshirani 1993, 11.5)."""
    count = len(without)
    error = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    reach = student.ppf((1 + level) / 2, count - 1) * error
    return float(found - reach), float(found + reach)
