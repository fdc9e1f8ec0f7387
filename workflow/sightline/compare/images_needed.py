"""How many images are enough: what smaller studies would have found, and larger ones may.

Subsets of a study's N images are drawn without replacement. They must agree
with the full study at n = N, whatever its images are worth: the variance of a
mean over such a subset is (1 - n/N) of what it is over n new images (Cochran
1977, theorem 2.2). So beside what the subsets differ by stand the variance
freed of that factor, and the standard error s/sqrt(n) that a new study of n
images is to expect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from sightline.compare.aggregate import Moments, dissimilarity

# A spread takes two images, and a subset of fewer than four hardly has one.
_SMALLEST = 4


def subset_sizes(images: int, steps: int = 10) -> list[int]:
    """Sizes of subsets, evenly spaced on a logarithmic scale up to all images."""
    smallest = min(_SMALLEST, images)
    return sorted({int(size) for size in np.rint(np.geomspace(smallest, images, steps))})


def subsets(images: int, sizes: list[int], draws: int, seed: int) -> np.ndarray:
    """Which images each subset holds, as 0 and 1, float32 (sizes x draws, images)."""
    random = np.random.default_rng(seed)
    ranks = random.permuted(np.tile(np.arange(images), (len(sizes) * draws, 1)), axis=1)
    return (ranks < np.repeat(sizes, draws)[:, None]).astype(np.float32)


@dataclass(frozen=True)
class Drawn:
    """Dissimilarities of all pairs, of the full study and of each subset.

    Attributes
    ----------
    full
        float64 (p,).
    drawn
        float32 (subsets, p); NaN where a pair has fewer than two images in a subset.
    spread
        float64 (p,): unbiased standard deviation over images of the similarity.
    share
        float64 (p,): of the images, those that a pair uses.
    """

    full: np.ndarray
    drawn: np.ndarray
    spread: np.ndarray
    share: np.ndarray


def draw_dissimilarities(chunks: Iterable[np.ndarray], weights: np.ndarray) -> Drawn:
    """Dissimilarities of subsets, chunk by chunk of the pairs.

    Parameters
    ----------
    chunks
        Similarities float64 (c, images) of consecutive pairs; NaN where not used.
    weights
        As from `subsets`.
    """
    full, drawn, spread, share = [], [], [], []
    for values in chunks:
        moments = Moments(values)
        full.append(dissimilarity(moments.mean, moments.spread))
        drawn.append(dissimilarity(*moments.resampled(weights)).astype(np.float32))
        spread.append(moments.spread)
        share.append(moments.count / values.shape[1])
    return Drawn(
        np.concatenate(full),
        np.concatenate(drawn, axis=1),
        np.concatenate(spread),
        np.concatenate(share),
    )


def differences(found: Drawn, sizes: list[int], images: int) -> pd.DataFrame:
    """How far subsets are from the full study.

    Returns
    -------
    DataFrame
        A row a size, with the columns images, difference, difference_low,
        difference_high, difference_a_pair, variance, variance_new and missing of
        `sightline.jobs.images_needed.find_images_needed`.
    """
    rows = []
    of_size = found.drawn.reshape(len(sizes), -1, len(found.full))
    for size, drawn in zip(sizes, of_size, strict=True):
        apart = np.abs(drawn - found.full)
        known = np.isfinite(apart)
        summed = np.where(known, apart, 0).sum(axis=1, dtype=np.float64)
        a_pair = _divide(summed, known.sum(axis=1))
        low, high = np.quantile(summed, [0.05, 0.95])
        variance = _mean_variance(drawn)
        rest = 1 - size / images
        rows.append(
            {
                "images": size,
                "difference": summed.mean(),
                "difference_low": low,
                "difference_high": high,
                "difference_a_pair": a_pair.mean(),
                "variance": variance,
                "variance_new": variance / rest if rest > 0 else np.nan,
                "missing": (~known).sum(axis=1).mean(),
            }
        )
    return pd.DataFrame(rows)


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
        `sightline.jobs.images_needed.find_images_needed`; none where no pair has a
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


def _mean_variance(drawn: np.ndarray) -> float:
    """Mean over pairs of the unbiased variance over draws; pairs without two are left out."""
    known = np.isfinite(drawn)
    count = known.sum(axis=0)
    mean = _divide(np.where(known, drawn, 0).sum(axis=0, dtype=np.float64), count)
    square = np.where(known, (drawn - mean) ** 2, 0).sum(axis=0)
    usable = count > 1
    return float((square[usable] / (count[usable] - 1)).mean()) if usable.any() else np.nan


def _divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.divide(one, other, out=np.full(len(one), np.nan), where=other > 0)
