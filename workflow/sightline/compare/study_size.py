"""How precise a new study of so many images would be, and how many a precision needs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from sightline.compare.images_needed import Drawn


def half_widths(found: Drawn, sizes: list[int], level: float = 0.95) -> pd.DataFrame:
    """How narrow the intervals of mean similarities are that a new study is to expect.

    A half width is z s / sqrt(n u), with s the spread over images, u the share of
    images that a pair uses and z the normal quantile (1.96).

    Returns
    -------
    DataFrame
        A row a size: images, half_width (of the median pair), half_width_worst.
    """
    scale = _scales(found, level)
    typical = _typical(scale)
    middle, worst = scale[typical] if typical else (np.nan, np.nan)
    roots = np.sqrt(np.array(sizes, np.float64))
    return pd.DataFrame(
        {"images": sizes, "half_width": middle / roots, "half_width_worst": worst / roots}
    )


def recommend(
    found: Drawn, pairs: np.ndarray, images: int, precision: float, level: float = 0.95
) -> pd.DataFrame:
    """Images that a new study needs for intervals of mean similarities of a wanted width.

    Parameters
    ----------
    found
        Of a study.
    pairs
        Names of the two models of each pair, (p, 2).
    images
        Of the study.
    precision
        Half width wanted.
    level
        Of the intervals.

    Returns
    -------
    DataFrame
        A row each for the median and the worst pair: of_pair, model_a, model_b,
        spread, share, images, half_width, precision, recommended and enough of
        `sightline.jobs.merging.images_needed.find_images_needed`; none where no pair has a
        spread.
    """
    scale = _scales(found, level)
    rows = []
    for name, pair in zip(("median", "worst"), _typical(scale), strict=False):
        needed = max(2, int(np.ceil((scale[pair] / precision) ** 2)))
        rows.append(
            {
                "of_pair": name,
                "model_a": pairs[pair, 0],
                "model_b": pairs[pair, 1],
                "spread": found.spread[pair],
                "share": found.share[pair],
                "images": images,
                "half_width": scale[pair] / np.sqrt(images),
                "precision": precision,
                "recommended": needed,
                "enough": needed <= images,
            }
        )
    columns = ["of_pair", "model_a", "model_b", "spread", "share", "images", "half_width"]
    return pd.DataFrame(rows, columns=[*columns, "precision", "recommended", "enough"])


def _scales(found: Drawn, level: float) -> np.ndarray:
    """Half width at one image, (p,); NaN where a pair has no spread."""
    z = norm.ppf((1 + level) / 2)
    return z * found.spread / np.sqrt(np.where(found.share > 0, found.share, np.nan))


def _typical(scales: np.ndarray) -> list[int]:
    """The pairs with the median and the largest scale; none where none is known."""
    known = np.flatnonzero(np.isfinite(scales))
    order = known[np.argsort(scales[known], kind="stable")]
    return [int(order[(len(order) - 1) // 2]), int(order[-1])] if len(order) else []
