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
        `sightline.jobs.merging.images_needed.find_images_needed`.
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
