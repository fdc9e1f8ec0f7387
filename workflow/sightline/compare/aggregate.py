"""From the similarities of each image to those of a pair of models, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.compare.bootstrap import Bootstrap
from sightline.compare.measures.kappa import kappa, kappa_of_cells


def dissimilarity(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The thesis's dissimilarity of a pair, sqrt((1 - mean)^2 + spread^2).

    Parameters
    ----------
    mean, spread
        Mean and unbiased standard deviation of the similarity over images.

    Examples
    --------
    >>> values = np.array([0.9, 0.7, 0.5])
    >>> round(float(dissimilarity(values.mean(), values.std(ddof=1))), 7)
    0.3605551
    """
    apart = (1 - mean) ** 2
    apart += spread**2
    found: np.ndarray = np.sqrt(apart)
    return found


class Moments:
    """Mean and unbiased standard deviation over images, of pairs, resamples and the jackknife.

    Parameters
    ----------
    values
        float64 (c, n); NaN where a pair does not use an image.

    Attributes
    ----------
    count
        Images used, (c,).
    mean
        (c,); NaN without an image.
    spread
        (c,); NaN below two images.
    """

    def __init__(self, values: np.ndarray) -> None:
        self._used = np.isfinite(values)
        self.count = self._used.sum(axis=1)
        total = np.where(self._used, values, 0).sum(axis=1)
        self.mean = _divide(total, self.count)
        # About the mean, or squares in float32 would lose the spread.
        self._centre = np.nan_to_num(self.mean)
        self._apart = np.where(self._used, values - self._centre[:, None], 0)
        self._square = (self._apart**2).sum(axis=1)
        self.spread = np.sqrt(_divide(self._square, self.count - 1))

    @property
    def all_used(self) -> bool:
        """Whether every pair uses every image."""
        return bool(self._used.all())

    def without(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread without each image, (c, n); NaN where it is not used anyway."""
        rest = (self.count - 1)[:, None]
        mean = _divide(-self._apart, rest)
        # Of the rest about its own mean.
        square = self._square[:, None] - self._apart**2 - rest * mean**2
        spread = np.sqrt(np.maximum(_divide(square, rest - 1), 0))
        return (
            np.where(self._used, mean + self._centre[:, None], np.nan),
            np.where(self._used, spread, np.nan),
        )

    def resampled(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread of resamples, float32 (b, c), from counts of images (b, n)."""
        apart = self._apart.T.astype(np.float32)
        if self.all_used:
            count = weights.sum(axis=1)[:, None]
        else:
            count = weights @ self._used.T.astype(np.float32)
        mean = _divide(weights @ apart, count)
        square = weights @ apart**2
        square -= count * mean**2
        spread = np.sqrt(np.maximum(_divide(square, count - 1), 0))
        mean += self._centre.astype(np.float32)
        return mean, spread


@dataclass(frozen=True)
class Aggregates:
    """What is told of pairs, arrays (c,).

    Attributes
    ----------
    columns
        images, mean, mean_low, mean_high, spread, dissimilarity, dissimilarity_low,
        dissimilarity_high.
    replicates
        The dissimilarity of resamples, (replicates, c).
    """

    columns: dict[str, np.ndarray]
    replicates: np.ndarray


def aggregate(values: np.ndarray, bootstrap: Bootstrap) -> Aggregates:
    """Mean, spread and dissimilarity of pairs, with bootstrap intervals over images.

    Parameters
    ----------
    values
        Similarities float64 (c, n), NaN where a pair does not use an image.
    bootstrap
        How intervals are made. Images are resampled, used or not, so that the number
        that a pair uses varies as it would in another study.
    """
    blocks = bootstrap.of_blocks(lambda block: _aggregate(values[block], bootstrap), *values.shape)
    return Aggregates(
        {
            name: np.concatenate([block.columns[name] for block in blocks])
            for name in blocks[0].columns
        },
        np.concatenate([block.replicates for block in blocks], axis=1),
    )


def _aggregate(values: np.ndarray, bootstrap: Bootstrap) -> Aggregates:
    moments = Moments(values)
    found = dissimilarity(moments.mean, moments.spread)
    parts = [moments.resampled(weights) for weights in bootstrap.weights(values.shape[1])]
    means, spreads = (np.concatenate(part) for part in zip(*parts, strict=True))
    apart = dissimilarity(means, spreads)
    mean_without, spread_without = moments.without()
    mean = bootstrap.interval(moments.mean, means, mean_without)
    ends = bootstrap.interval(found, apart, dissimilarity(mean_without, spread_without))
    columns = {
        "images": moments.count,
        "mean": moments.mean,
        "mean_low": mean[0],
        "mean_high": mean[1],
        "spread": moments.spread,
        "dissimilarity": found,
        "dissimilarity_low": ends[0],
        "dissimilarity_high": ends[1],
    }
    return Aggregates(columns, apart)


def aggregate_kappa(
    counts: np.ndarray, used: np.ndarray, bootstrap: Bootstrap
) -> dict[str, np.ndarray]:
    """Cohen's kappa over the pixels of all images pooled, with bootstrap intervals over images.

    Parameters
    ----------
    counts
        Confusion counts (c, n, classes, classes), 0 where a pair does not use an image.
    used
        bool (c, n).
    bootstrap
        How intervals are made.

    Returns
    -------
    dict
        images, pixels, kappa, kappa_low, kappa_high, (c,) each.
    """
    blocks = bootstrap.of_blocks(
        lambda block: _aggregate_kappa(counts[block], used[block], bootstrap), *used.shape
    )
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _aggregate_kappa(
    counts: np.ndarray, used: np.ndarray, bootstrap: Bootstrap
) -> dict[str, np.ndarray]:
    chosen = np.where(used[:, :, None, None], counts, 0)
    pooled = chosen.sum(axis=1)
    found = kappa(pooled)
    # (classes, classes, n, c); resamples need no more than seven digits, half the work.
    cells = chosen.transpose(2, 3, 1, 0).astype(np.float32)
    replicates = np.concatenate(
        [kappa_of_cells(weights @ cells) for weights in bootstrap.weights(used.shape[1])]
    )
    without = np.where(used, kappa(pooled[:, None] - chosen), np.nan)
    low, high = bootstrap.interval(found, replicates, without)
    return {
        "images": used.sum(axis=1),
        "pixels": pooled.sum(axis=(1, 2)),
        "kappa": found,
        "kappa_low": low,
        "kappa_high": high,
    }


def _divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A quotient; NaN where there is nothing to divide by."""
    shape = np.broadcast_shapes(one.shape, other.shape)
    out = np.full(shape, np.nan, np.result_type(one, np.float32))
    return np.divide(one, other, out=out, where=other > 0)
