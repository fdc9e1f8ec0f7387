"""Bootstrap intervals over images, for many pairs at once.

Every pair is resampled with the same images, so a resample is a row of
counts W and the sums of all pairs and resamples are one product with W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from threadpoolctl import threadpool_limits

from sightline.images.ahead import cores

# Counts drawn at a time, and kept for all pairs: 256 MB, of 1,000 resamples of 67,000 images.
_DRAWN = 2**26
# Values of one array of resamples: 2 MB.
_RESAMPLED = 2**18

Result = TypeVar("Result")
Kind = Literal["percentile", "bca"]


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes
    ----------
    replicates
        Resamples of the images.
    level
        Share of the intervals that should hold the truth.
    kind
        ``percentile`` (Efron & Tibshirani 1993, equation 13.5) or ``bca``, bias-corrected
        and accelerated (equations 14.9 to 14.15).
    seed
        Of the resamples.
    image
        Which image each row is of, (rows,), where several are of one: two classes explained
        of an image are no two images, and are drawn together. (The acceleration of ``bca``
        still leaves out one row at a time.)
    """

    replicates: int = 1000
    level: float = 0.95
    kind: Kind = "bca"
    seed: int = 0
    image: np.ndarray | None = None

    def over(self, image_ids: np.ndarray) -> Bootstrap:
        """The same for rows of these images."""
        codes, images = pd.factorize(image_ids)
        return self if len(images) == len(codes) else replace(self, image=codes)

    def weights(self, rows: int) -> Iterator[np.ndarray]:
        """How often each row is drawn in each resample, float32 (b, rows) at a time.

        The first resamples are the same however many there are.
        """
        if self.image is None:
            yield from self._of_images(rows)
            return
        for counts in self._of_images(int(self.image.max()) + 1):
            yield counts[:, self.image]

    def _of_images(self, images: int) -> Iterator[np.ndarray]:
        if self.replicates * images <= _DRAWN:
            yield _drawn(images, self.replicates, self.seed)
            return
        random = np.random.default_rng(self.seed)
        step = max(1, _DRAWN // images)
        for start in range(0, self.replicates, step):
            yield _counts(images, min(step, self.replicates - start), random)

    def of_blocks(
        self, function: Callable[[slice], Result], pairs: int, images: int
    ) -> list[Result]:
        """A function of all slices of the pairs whose resamples stay near the processor.

        Slices go by on all cores; each product is then made by one, since threads within
        products of this size mostly wait for each other.
        """
        step = max(1, _RESAMPLED // max(images, self.replicates))
        slices = [slice(at, min(at + step, pairs)) for at in range(0, pairs, step)]
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores()) as threads:
            return list(threads.map(function, slices))

    def interval(
        self, found: np.ndarray, replicates: np.ndarray, without: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends.

        Parameters
        ----------
        found
            The statistic of each pair, (c,).
        replicates
            Of each resample, (replicates, c). A resample in which a pair has no value is
            left out for it.
        without
            The statistic without one image, (c, n); NaN where the pair does not use
            that image. For the acceleration; percentile intervals do not look at it.

        Returns
        -------
        tuple
            (c,) each; NaN where there is no value, or fewer than half of the resamples
            have one.
        """
        ordered = np.sort(replicates.T, axis=1)  # NaN last
        known = np.isfinite(ordered).sum(axis=1)
        tails = np.array([(1 - self.level) / 2, (1 + self.level) / 2])
        shares = np.broadcast_to(tails[:, None], (2, len(found)))
        if self.kind == "bca":
            shares = _bca_shares(tails, found, replicates, known, without)
        usable = np.isfinite(found) & (2 * known >= len(replicates))
        low, high = (_quantile(ordered, known, share) for share in shares)
        return np.where(usable, low, np.nan), np.where(usable, high, np.nan)


@lru_cache(maxsize=2)
def _drawn(images: int, replicates: int, seed: int) -> np.ndarray:
    """Resamples that fit in memory at once, and serve every pair."""
    return _counts(images, replicates, np.random.default_rng(seed))


def _counts(images: int, replicates: int, random: np.random.Generator) -> np.ndarray:
    shares = np.full(images, 1 / max(images, 1))
    return random.multinomial(images, shares, size=replicates).astype(np.float32)


def _bca_shares(
    tails: np.ndarray,
    found: np.ndarray,
    replicates: np.ndarray,
    known: np.ndarray,
    without: np.ndarray,
) -> np.ndarray:
    """Which quantiles of the replicates are the ends, (2, c): equation 14.10."""
    count = np.maximum(known, 1)
    # Ties count half, so that a statistic that hardly varies has no bias.
    found = found.astype(replicates.dtype)
    below = ((replicates < found).sum(axis=0) + (replicates <= found).sum(axis=0)) / 2
    bias = ndtri(np.clip(below / count, 0.5 / count, 1 - 0.5 / count))
    used = np.isfinite(without)
    values = np.where(used, without, 0)
    mean = values.sum(axis=1) / np.maximum(used.sum(axis=1), 1)
    apart = np.where(used, mean[:, None] - values, 0)
    square = (apart**2).sum(axis=1)
    acceleration = np.divide(
        (apart**3).sum(axis=1), 6 * square**1.5, out=np.zeros_like(square), where=square > 0
    )
    shifted = bias + ndtri(tails)[:, None]
    return ndtr(bias + shifted / (1 - acceleration * shifted))


def _quantile(ordered: np.ndarray, known: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """A quantile of each row, linear between order statistics, of its first ``known`` values."""
    last = np.maximum(known - 1, 0)
    place = np.nan_to_num(shares) * last
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, last)
    rows = np.arange(len(ordered))
    first, second = ordered[rows, low], ordered[rows, high]
    return first + (place - low) * (second - first)
