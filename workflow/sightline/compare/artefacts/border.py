"""Maxima at the border, and in one corner.

A maximum that is moved with its map by a random circular shift lies at every
position alike. So the number of images whose maximum lies in the border band is,
under such shifts, exactly binomial, with the band's share of the positions as
its probability. Maps flipped at random, left to right and upside down, put a
maximum that lies in a corner into any of the four alike: the count of the corner
that has most is then the largest of a multinomial with probabilities 1/4. These
are the permutation distributions themselves; nothing has to be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

# The border is a fourteenth of a side wide, a patch of 16 pixels in 224, and a
# corner a square of a seventh: a position of a 7 x 7 map is the least of both.
BAND = 1 / 14
CORNER = 1 / 7
CORNERS = ("top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True)
class Location:
    """How often maxima lie somewhere.

    Attributes
    ----------
    share
        Of the images.
    reference
        What is expected of maxima that lie at every position alike.
    p
        One-sided; NaN without images.
    corner
        Which corner; "" for the border.
    """

    share: float
    reference: float
    p: float
    corner: str = ""

    @property
    def excess(self) -> float:
        """(share - reference) / (1 - reference): 0 as by chance, 1 when always there."""
        return (self.share - self.reference) / (1 - self.reference)


def peaks(maps: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where maps are largest.

    Parameters
    ----------
    maps
        (n, h, w).
    rng
        Draws one position, all alike, where several hold the largest value: the
        first would always lie at the top left.

    Returns
    -------
    ndarray, ndarray
        int (n, 2), row and column; bool (n,), whether it was drawn among several.
    """
    flat = maps.reshape(len(maps), maps.shape[1] * maps.shape[2])
    place = flat.argmax(axis=1)
    largest = flat == flat.max(axis=1, keepdims=True)
    tied = largest.sum(axis=1) > 1
    for row in np.flatnonzero(tied):
        place[row] = rng.choice(np.flatnonzero(largest[row]))
    return np.stack(np.divmod(place, maps.shape[2]), axis=1), tied


def border_share(peak: np.ndarray, shape: tuple[int, int]) -> Location:
    """The share of images whose maximum lies at the border.

    Parameters
    ----------
    peak
        (n, 2): row and column of each maximum.
    shape
        Height and width of the maps; the band is `BAND` of each wide, at least
        one position.

    Returns
    -------
    Location
        Smooth maps have more maxima at the border than its area's share: read
        the excess beside p.
    """
    height, width = (_positions(side, BAND) for side in shape)
    inner = max(shape[0] - 2 * height, 0) * max(shape[1] - 2 * width, 0)
    area = 1 - inner / (shape[0] * shape[1])
    row, column = peak.T
    outside = (row < height) | (row >= shape[0] - height)
    outside |= (column < width) | (column >= shape[1] - width)
    return _located(int(outside.sum()), len(peak), area)


def corner_share(peak: np.ndarray, shape: tuple[int, int]) -> Location:
    """The share of images whose maximum lies in the corner that has most.

    Parameters
    ----------
    peak, shape
        As for `border_share`; a corner is `CORNER` of each side, at least one
        position.

    Returns
    -------
    Location
        p is four times that of a binomial with 1/4 out of the maxima in any
        corner: Bonferroni's bound for the largest of the four counts, and all
        but equal to it where it is small.
    """
    height, width = (_positions(side, CORNER) for side in shape)
    row, column = peak.T
    top, bottom = row < height, row >= shape[0] - height
    left, right = column < width, column >= shape[1] - width
    counts = [int((a & b).sum()) for a in (top, bottom) for b in (left, right)]
    most = int(np.argmax(counts))
    found = _located(counts[most], len(peak), height * width / (shape[0] * shape[1]))
    p = min(1.0, 4 * float(binom.sf(counts[most] - 1, sum(counts), 0.25)))
    return Location(found.share, found.reference, p if len(peak) else np.nan, CORNERS[most])


def _positions(side: int, share: float) -> int:
    return max(1, round(side * share))


def _located(count: int, images: int, area: float) -> Location:
    if not images:
        return Location(np.nan, area, np.nan)
    return Location(count / images, area, float(binom.sf(count - 1, images, area)))
