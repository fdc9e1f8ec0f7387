"""What methods share that average over random samples: rounds, moments, when to stop.

An image's samples are numbered, and each is drawn from the image's seed and its
number alone: neither the batch nor other images change one, and a larger number
of samples has the smaller one's among its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from sightline.images.ahead import cores

if TYPE_CHECKING:
    from sightline.models.classifier import Classifier

Found = TypeVar("Found")

# Samples before the first look at the error, and how many times more at each later look: at most
# so much is made beyond what was needed.
FIRST_LOOK = 16
GROWTH = 1.25


@dataclass(frozen=True)
class Batch:
    """Some samples of some images.

    Attributes
    ----------
    image, sample
        int64 (n,): which image, in order, and the number of its sample.
    """

    image: np.ndarray
    sample: np.ndarray

    def noise(self, seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
        """Standard normal noise of each sample, float32 (n, *shape), the same on any machine."""
        drawn = np.empty((len(self.image), *shape), np.float32)

        def draw(i: int) -> None:
            generator = np.random.default_rng((seeds[self.image[i]], self.sample[i]))
            generator.standard_normal(out=drawn[i], dtype=np.float32)

        # numpy draws without Python's lock.
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(draw, range(len(drawn))))
        return torch.from_numpy(drawn)


def draw_samples(
    classifier: Classifier,
    images: int,
    samples: int,
    tolerance: float | None,
    run: Callable[[Batch], Found],
    add: Callable[[Batch, Found], None],
    error: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Make samples of every image, each until its own error is small enough.

    Parameters
    ----------
    images
        How many there are.
    samples
        The most of an image.
    tolerance
        The error that suffices; without it all samples are made.
    run
        What a batch gives.
    add
        Takes that into account: once a sample, also where memory ran out and a
        part was run again.
    error
        From the samples made of each image, int64 (images,), to their errors.

    Returns
    -------
    ndarray
        int64 (images,), the samples made of each.
    """
    made = np.zeros(images, np.int64)
    active = np.arange(images)
    for end in _looks(samples, stopping=tolerance is not None):
        for batch, found in _round(classifier, active, int(made[active[0]]), end, run):
            add(batch, found)
        made[active] = end
        if tolerance is not None:
            active = active[error(made)[active] > tolerance]
            if not len(active):
                break
    return made


def _round(
    classifier: Classifier, active: np.ndarray, start: int, end: int, run: Callable[[Batch], Found]
) -> Iterator[tuple[Batch, Found]]:
    """The samples ``start`` to ``end`` of some images, image after image."""
    each = end - start

    def batch(part: slice) -> Batch:
        items = np.arange(part.start, part.stop)
        return Batch(active[items // each], start + items % each)

    for part, found in classifier.batches(len(active) * each, lambda part: run(batch(part))):
        yield batch(part), found


def _looks(samples: int, *, stopping: bool) -> list[int]:
    """Numbers of samples after which the error is looked at; the last is ``samples``."""
    ends, end = [], FIRST_LOOK
    while stopping and end < samples:
        ends.append(end)
        end = math.ceil(end * GROWTH)
    return [*ends, samples]


@dataclass
class Moments:
    """Sums of powers of the maps that samples give, for each image and pixel.

    Attributes
    ----------
    size
        Images, height, width.
    highest
        The highest power: 2 for the error of a mean, 4 for that of a variance.
    device
        Where the sums are kept.
    sums
        float64 (highest, images, height, width).
    """

    size: tuple[int, int, int]
    highest: int
    device: torch.device
    sums: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.sums = torch.zeros((self.highest, *self.size), dtype=torch.float64, device=self.device)

    def add(self, image: np.ndarray, maps: Tensor) -> None:
        """Count maps (n, height, width) of some images."""
        which = torch.from_numpy(image).to(self.device)
        power = maps = maps.to(self.device, torch.float64)
        for total in self.sums:
            total.index_add_(0, which, power)
            power = power * maps

    def mean(self, power: int, made: np.ndarray) -> Tensor:
        """The mean of a power of the maps, from the samples made of each image."""
        count = torch.from_numpy(made).to(self.device)[:, None, None]
        return self.sums[power - 1] / count.clamp_min(1)


def relative_error(variance: Tensor, maps: Tensor, made: np.ndarray) -> np.ndarray:
    """How far means are from those of infinitely many samples, as a share of the maps.

    The root mean square over the pixels of each one's standard error, over that
    of the map. A map of nothing but noise has 1.

    Parameters
    ----------
    variance
        Of one sample, with n in its denominator, (N, height, width).
    maps
        What is compared with: the map itself, or how it differs from its mean.
    made
        Samples of each image, (N,); one alone tells no error.
    """
    with np.errstate(divide="ignore"):
        error = variance.clamp_min(0).mean(dim=(1, 2)).sqrt().cpu().numpy() / np.sqrt(made - 1)
    size = maps.square().mean(dim=(1, 2)).sqrt().cpu().numpy()
    found: np.ndarray = error / np.maximum(size, np.finfo(np.float64).tiny)
    return found
