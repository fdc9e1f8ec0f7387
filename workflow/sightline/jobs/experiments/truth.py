"""Find where the objects of the explained class are, of each row of a model's maps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from sightline.errors import SightlineError
from sightline.evaluate.experiments.truth import GRID, Truth
from sightline.evaluate.inside import seen_mask
from sightline.images.labels import labels_of
from sightline.images.objects import Region, drawn
from sightline.jobs.experiments.scenes import Scenes
from sightline.maps.series import MapSeries
from sightline.models.classes import Classes, read_classes

_SIZE = (GRID, GRID)


def find_truth(rows: MapSeries, scenes: Scenes, classes: Any, model: str) -> Truth:
    """Objects of the explained class, which is that of the output explained.

    An object without a label is of the image's class; one of an image without a class too is
    of any class.

    Parameters
    ----------
    rows
        Maps of a model, by any method.
    scenes
        Their images.
    classes
        As in the model's specification (`sightline.models.classes.read_classes`).
    model
        For messages.

    Raises
    ------
    SightlineError
        Where no image has a box or a mask, or objects have classes and the model's are not
        known.
    """
    names = read_classes(classes)
    boxes: list[np.ndarray] = []
    masks = [np.full(_SIZE, np.nan, np.float16)]
    mask_of = np.zeros(len(rows), int)
    absent, right = np.zeros(len(rows), bool), np.full(len(rows), np.nan)
    current, regions, known, anything = "", [], set[int](), False
    for row, (image_id, target) in enumerate(zip(rows.image_id, rows.target, strict=True)):
        if row == 0 or image_id != current:
            current, regions = image_id, scenes.regions(image_id)
            labels = labels_of(scenes.label(image_id))
            known = _outputs([*labels, *(one.label for one in regions)], names, model)
            own = _outputs(labels, names, model)
            anything |= any(one.box is not None for one in regions)
        chosen = [one for one in regions if _is_of(one, int(target), names)]
        boxes.append(np.array([one.box for one in chosen if one.box is not None], np.float64))
        absent[row] = bool(known) and target not in known and not chosen
        if own or known:
            right[row] = target in (own or known)
        if any(one.mask is not None for one in chosen):
            shown = drawn(chosen, tuple(rows.size[row]))
            mask_of[row] = len(masks)
            masks.append(seen_mask(shown, tuple(rows.box[row]), _SIZE).astype(np.float16))
    if not anything:
        raise SightlineError(
            "The images have no boxes and no masks of objects, which this experiment needs. Use "
            "images that have them (images: shapes, or a manifest with x0, y0, x1, y1 or mask)."
        )
    return Truth(
        image=np.unique(rows.image_id, return_inverse=True)[1],
        role=rows.role,
        boxes=_together(boxes),
        masks=np.stack(masks),
        mask_of=mask_of,
        size=rows.size,
        seen=rows.box.astype(np.float64),
        located=np.array([len(one) > 0 for one in boxes]),
        absent=absent,
        right=right,
    )


def _outputs(labels: Iterable[str], classes: Classes | None, model: str) -> set[int]:
    """Outputs of the labels that there are; -1 of those that the model does not know."""
    given = {label for label in labels if label}
    if given and classes is None:
        raise SightlineError(
            f"Model {model}: the images and objects have classes ({min(given)!r}), and which "
            f"outputs these are is not known. Give the model's classes."
        )
    return {classes.index(one) if classes and one in classes else -1 for one in given}


def _is_of(one: Region, target: int, classes: Classes | None) -> bool:
    if not one.label:
        return True
    return classes is not None and one.label in classes and classes.index(one.label) == target


def _together(boxes: list[np.ndarray]) -> np.ndarray:
    """Lists of boxes as one array (n, k, 4), filled with NaN."""
    most = max(1, *map(len, boxes))
    found = np.full((len(boxes), most, 4), np.nan)
    for row, own in enumerate(boxes):
        found[row, : len(own)] = own.reshape(-1, 4)
    return found
