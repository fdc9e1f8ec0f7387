"""Where the objects of the explained class are, of each row; and those of other images.

Chance is the same maps against other images' objects, not the objects' area: objects are
near the middle of most images, and so is much of any map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sightline.images.roles import RANKED

# Positions along a side of the masks.
GRID = 56


@dataclass(frozen=True)
class Truth:
    """Objects of the class that each row explains.

    Attributes
    ----------
    image
        int (n,): a number of each row's image, by the order of their ids.
    role
        (n,), of each row.
    boxes
        float64 (n, k, 4): x0, y0, x1, y1 in pixels of the original, half-open; NaN where a
        row has fewer than k.
    masks
        float16 (m, GRID, GRID) in [0, 1]: share of each position of what the map covers that shows
        an object; NaN where no object of the row has a mask.
    mask_of
        int (n,): which mask is each row's.
    size
        int (n, 2): height and width of the original.
    seen
        float64 (n, 4): the part of the original that the map covers, in its pixels.
    located
        bool (n,): whether it is known where an object of the class is.
    absent
        bool (n,): whether the image is known to hold none of the class.
    right
        float (n,): 1 where the explained class is the image's, else 0; NaN where the
        image's is not known.
    """

    image: np.ndarray
    role: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    mask_of: np.ndarray
    size: np.ndarray
    seen: np.ndarray
    located: np.ndarray
    absent: np.ndarray
    right: np.ndarray

    def permuted(self, order: np.ndarray) -> Truth:
        """Other rows' objects put on these rows' images.

        Boxes come to the same place of what the map covers, as masks do: a crop sees objects
        elsewhere than they are on the original, and were they brought over by its sizes they
        would not be as good as the row's own. What is known of the classes stays.

        Parameters
        ----------
        order
            int (n,): whose objects each row gets. A row without objects keeps its own.
        """
        corner, extent = np.tile(self.seen[:, :2], 2), self.seen[:, 2:] - self.seen[:, :2]
        ratio = np.tile(extent / extent[order], 2)
        boxes = corner[:, None] + (self.boxes - corner[:, None])[order] * ratio[:, None]
        return replace(self, boxes=boxes, mask_of=self.mask_of[order])


def other_images(truth: Truth, generator: np.random.Generator, *, all_moved: bool) -> np.ndarray:
    """A random order in which rows get the objects of other images, for `Truth.permuted`.

    Images are permuted among those of the same kind of role that have objects: the roles of
    a rank (predicted, top2 ... top5) are one kind, so that any of them gives its objects to
    any; each other role (label, class:k) is its own, where a class may have its usual place.

    Parameters
    ----------
    truth
        With its rows.
    generator
        What is drawn from. What comes out does not depend on the order of the rows.
    all_moved
        Whether no image may keep its own objects, as chance has it: a random cycle, in which
        each other image is as likely. Otherwise any permutation is.

    Returns
    -------
    ndarray
        int (n,).
    """
    order = np.arange(len(truth.located))
    kind = np.array([_kind(role) for role in truth.role], object)
    for one in sorted(set(kind)):
        rows = np.flatnonzero((kind == one) & truth.located)
        rows = rows[np.lexsort((truth.role[rows], truth.image[rows]))]
        images, first, code, count = np.unique(
            truth.image[rows], return_index=True, return_inverse=True, return_counts=True
        )
        shuffled = generator.permutation(len(images))
        given = np.empty(len(images), int)
        given[shuffled] = np.roll(shuffled, 1) if all_moved else np.arange(len(images))
        # Of an image with several rows, each gives to the one in its place.
        place = np.arange(len(rows)) - first[code]
        giver = given[code]
        order[rows] = rows[first[giver] + place % count[giver]]
    return order


def movable(truth: Truth) -> np.ndarray:
    """Rows that can get another image's objects, bool (n,): those with objects, not alone."""
    kind = np.array([_kind(role) for role in truth.role], object)
    found = np.zeros(len(kind), bool)
    for one in set(kind):
        rows = (kind == one) & truth.located
        found |= rows & (len(set(truth.image[rows])) > 1)
    return found


def _kind(role: str) -> str:
    return "rank" if role in RANKED else str(role)
