"""Weakly supervised localisation: the box that a map draws, and its energy on the object.

    R  = the largest connected region of {p: M(p) >= threshold max M}
    hit = 1 if IoU(box of R, B) >= t(B) for a box B of the explained class, else 0
    t(B) = min(overlap, w h / ((w + 10) (h + 10)))

with M the map made comparable, upsampled bilinearly, and B of w x h pixels of the original,
in which the box of R is too: the map's own box says which part of it M covers. Regions are
connected by sides and corners; of several as large, the first from the top is taken, and what
of it lies beside the image is cut off. (Selvaraju et al. 2017, arXiv:1610.02391, section 4.1:
15 % of the maximum; t(B) is the rule of ILSVRC for small objects, Russakovsky et al. 2015,
arXiv:1409.0575, section 4.3.)

    classification error = 1 - [any of the classes explained is the image's]
    localisation error   = 1 - [any of them is, and its map hits]

of the class predicted (top-1), or of the five most likely (top-5, with the roles predicted and
top2 to top5), once an image, in the row of the class predicted. A map that shows nothing draws
no box: an error, where the class is right.

    energy inside = sum_p max(M(p), 0) O(p) / sum_p max(M(p), 0)

with O the share of each position that the mask, or the union of the boxes, covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from skimage.measure import label

from sightline.evaluate.alike import finite_or_zero, on_grid
from sightline.evaluate.experiments.boxes import area, overlaps, share_inside
from sightline.evaluate.experiments.truth import GRID
from sightline.evaluate.protocol import Findings, Values
from sightline.images.roles import RANKED
from sightline.maps.align import intersect
from sightline.maps.scaling import scale_maps
from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.localisation import Localisation
    from sightline.evaluate.experiments.truth import Truth

# Pixels by which a small object's box may be drawn too large.
_SLACK = 10
# Rows whose energy is held at a time.
_BLOCK = 256


def look(
    maps: MapSet, scaling: Sequence[str], settings: Localisation, seeds: Sequence[int]
) -> Findings:
    """``box`` (n, 4), NaN where a map has no positive value; ``energy`` (n, 56, 56)."""
    scaled = scale_maps(finite_or_zero(maps.maps), scaling)
    drawn = [region_box(one, settings.threshold) for one in on_grid(scaled, settings.grid)]
    box = maps.box.astype(np.float64)
    corner, extent = np.tile(box[:, :2], 2), np.tile(box[:, 2:] - box[:, :2], 2)
    size = maps.size[:, ::-1].astype(np.float64)
    image = np.concatenate([np.zeros_like(size), size], axis=1)
    return {
        "box": intersect(corner + np.array(drawn).reshape(-1, 4) * extent, image),
        "energy": scale_maps(positive(scaled, GRID), ["max"]).astype(np.float16),
    }


def positive(maps: np.ndarray, grid: int) -> np.ndarray:
    """The positive values of maps (n, h, w), on a grid.

    They are cut off where there are more positions: averaged first, values of both signs
    would take each other away; and between the positions of a coarse map there are none.
    """
    if min(maps.shape[1:]) > grid:
        return on_grid(maps.clip(0), grid)
    found: np.ndarray = on_grid(maps, grid).clip(0)
    return found


def region_box(one: np.ndarray, threshold: float) -> tuple[float, float, float, float]:
    """The box of a map's (h, w) largest region, as shares of its sides; NaN of none."""
    largest = one.max()
    if largest <= 0:
        return (np.nan,) * 4
    regions = label(one >= threshold * largest, connectivity=2)
    rows, columns = np.nonzero(regions == 1 + np.bincount(regions.ravel())[1:].argmax())
    height, width = one.shape
    return (
        *(columns.min() / width, rows.min() / height),
        *((columns.max() + 1) / width, (rows.max() + 1) / height),
    )


def score(findings: Findings, truth: Truth, settings: Localisation) -> Values:
    """All measures (n,); NaN where it is not known where an object of the class is."""
    box = findings["box"]
    shared = overlaps(box, truth.boxes)
    wanted = np.full(shared.shape, settings.overlap)
    if settings.small_boxes:
        sides = truth.boxes[..., 2:] - truth.boxes[..., :2]
        wanted = np.minimum(wanted, area(truth.boxes) / (sides + _SLACK).prod(axis=-1))
    located = truth.located & np.isfinite(truth.boxes).all(axis=-1).any(axis=1)
    hit = np.where(located, (shared >= wanted).any(axis=1), np.nan)
    shows = np.isfinite(box).all(axis=1)
    return {
        "iou": np.where(located & shows, np.nan_to_num(shared).max(axis=1, initial=0), np.nan),
        "hit": np.where(shows, hit, np.nan),
        "energy_box": share_inside(findings["energy"], truth.seen, truth.boxes),
        "energy_mask": _energy_in_masks(findings["energy"], truth),
        **_errors("top1", RANKED[:1], hit, truth),
        **_errors("top5", RANKED, hit, truth),
    }


def _energy_in_masks(energy: np.ndarray, truth: Truth) -> np.ndarray:
    """(n,); NaN where a map shows nothing, or no mask is in sight."""
    found = np.full(len(energy), np.nan)
    for start in range(0, len(energy), _BLOCK):
        part = slice(start, start + _BLOCK)
        weights = energy[part].astype(np.float32)
        masks = truth.masks[truth.mask_of[part]].astype(np.float32)
        total, held = weights.sum(axis=(1, 2)), (weights * masks).sum(axis=(1, 2))
        np.divide(held, total, out=found[part], where=(total > 0) & (masks.sum(axis=(1, 2)) > 0))
    return found


def _errors(
    name: str, roles: Sequence[str], hit: np.ndarray, truth: Truth
) -> dict[str, np.ndarray]:
    """Errors of some classes an image, in the rows of the class predicted; NaN elsewhere.

    Images of which not all of the classes are explained, or whose class is not known, have
    none; nor has a localisation error where it is not known where the right class is.
    """
    places = np.full((truth.image.max(initial=-1) + 1, len(roles)), -1)
    for column, role in enumerate(roles):
        rows = np.flatnonzero(truth.role == role)
        places[truth.image[rows], column] = rows
    places = places[(places >= 0).all(axis=1)]
    right = truth.right[places]
    any_right, known = (right == 1).any(axis=1), ~np.isnan(right).any(axis=1)
    any_hit = np.where(right == 1, hit[places], 0).max(axis=1, initial=0)
    classification, localisation = (np.full(len(hit), np.nan) for _ in range(2))
    classification[places[:, 0]] = np.where(known, ~any_right, np.nan)
    localisation[places[:, 0]] = np.where(known, 1 - any_hit, np.nan)
    return {
        f"classification_error_{name}": classification,
        f"localisation_error_{name}": localisation,
    }
