"""How much of a map lies inside the object, and how much would by chance.

    S_ij = sum_p M_i(p) B_j(p) / sum_p M_i(p)

with M_i the map of image i as the study compares maps, without negative values,
and B_j the object's mask on image j, both over the part that the model sees. The
share inside is S_ii. Its chance level is not the mask's area, which a map in the
middle of the image beats wherever objects are in the middle: it is the share in
the masks of other images, S_ij with j != i. Were a map to say nothing of its own
image, any permutation of the masks would do as well as the right one, which gives
the p value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightline.evaluate.alike import finite_or_zero, on_grid
from sightline.images.geometry import Box
from sightline.maps.align import resample
from sightline.maps.scaling import scale_maps

PERMUTATIONS = 9999


@dataclass(frozen=True)
class Inside:
    """Shares of maps inside masks.

    Attributes
    ----------
    share
        Inside the image's own mask, float64 (n,); NaN for a map without
        positive values, or an image without a mask in sight.
    chance
        The mean inside the other images' masks.
    area
        Share of the part seen that the own mask covers.
    p
        Of the mean share under permuted masks.
    """

    share: np.ndarray
    chance: np.ndarray
    area: np.ndarray
    p: float


def inside(maps: np.ndarray, masks: np.ndarray, scaling: Sequence[str], *, seed: int = 0) -> Inside:
    """Shares of maps inside their own masks and inside those of others.

    Parameters
    ----------
    maps
        Raw, float32 (n, h, w).
    masks
        float (n, H, W) in [0, 1], over what the maps cover, see `seen_mask`:
        the share of each position that shows the object.
    scaling
        Steps of `sightline.maps.scaling`.
    seed
        Of the permutations.
    """
    scaled = on_grid(scale_maps(finite_or_zero(maps), scaling), masks.shape[1:]).clip(0)
    flat = scaled.reshape(len(maps), -1).astype(np.float64)
    shown = masks.reshape(len(masks), -1).astype(np.float64)
    total = flat.sum(axis=1)
    usable = np.flatnonzero((total > 0) & (shown.sum(axis=1) > 0))
    shares = flat[usable] @ shown[usable].T / total[usable, None]
    count = len(usable)
    share, chance = (np.full(len(maps), np.nan) for _ in range(2))
    share[usable] = np.diag(shares)
    if count > 1:
        chance[usable] = (shares.sum(axis=1) - np.diag(shares)) / (count - 1)
    return Inside(share, chance, shown.mean(axis=1), permutation_p(shares, seed))


def permutation_p(shares: np.ndarray, seed: int) -> float:
    """How often permuted masks hold as much of the maps as the right ones.

    Parameters
    ----------
    shares
        (n, n), maps by masks.

    Returns
    -------
    float
        In (0, 1], NaN below two images; the right order counts as one of the
        permutations.
    """
    count = len(shares)
    if count < 2:
        return float("nan")
    rows = np.arange(count)
    generator = np.random.default_rng(seed)
    orders = generator.permuted(np.tile(rows, (PERMUTATIONS, 1)), axis=1)
    permuted = shares[rows, orders].mean(axis=1)
    # Sums of the same numbers in another order differ by rounding.
    reached = permuted >= np.trace(shares) / count - 1e-12
    return float((1 + reached.sum()) / (1 + PERMUTATIONS))


def seen_mask(mask: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """A mask over what a model sees of its image.

    Parameters
    ----------
    mask
        bool (height, width) of the original.
    box
        The part of the original that the model sees; a border lies beyond it.
    size
        Height and width of the result.

    Returns
    -------
    ndarray
        float32 of ``size``: the share of each position that shows the object.
    """
    height, width = mask.shape
    # Beyond its outermost positions a map is held constant: where a border is seen around the
    # image there is no object.
    x0, y0, x1, y1 = box
    left, top, right, bottom = (int(beyond) for beyond in (x0 < 0, y0 < 0, x1 > width, y1 > height))
    padded = np.pad(mask, ((top, bottom), (left, right))).astype(np.float32)
    covers = np.array([[-left, -top, width + right, height + bottom]], np.float64)
    return resample(padded[None], covers, np.array([box], np.float64), size)[0]
