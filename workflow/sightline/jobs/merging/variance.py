"""How much of the maps' variance is model, method, image and their interactions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from sightline.compare.consensus.file import Rows, read_consensus, read_directions
from sightline.compare.variance.design import collect
from sightline.compare.variance.table import FEWEST_IMAGES, no_components, variance_components
from sightline.errors import SightlineError
from sightline.tabular import write_table

# Of coarse maps that are held at a time.
_BYTES = 2**28


def find_variance(files: Mapping[str, Sequence[Path]], output: Path, *, level: float) -> None:
    """Tell the variance components of all maps of a study.

    Only images of which every model's map by every method is ok are used: the
    estimates need a balanced design. Of several roles the first is used.

    Parameters
    ----------
    files
        Consensus files of each method's ranges, in order.
    output
        A table, a row a component: component, freedom, sum_of_squares,
        mean_square, variance, low, high, share, share_low, share_high, reason
        (see `sightline.compare.variance.table.variance_components`); models, methods,
        images (used), left_out (not all maps ok, or not of one part of the image).
    level
        Of the intervals.
    """
    found = {method: read_consensus(parts, Rows) for method, parts in files.items()}
    rows = _common_rows(found)
    whole = np.all([place >= 0 for place in rows.values()], axis=0)
    shown = np.stack([found[method].shown[place] for method, place in rows.items()])
    usable = whole & shown.all(axis=(0, 2))
    images = int(usable.sum())
    first = next(iter(found.values()))
    if images < FEWEST_IMAGES:
        table = no_components(_reason(list(found), first.model, shown, images))
    else:
        chosen = {method: place[usable] for method, place in rows.items()}
        table = variance_components(collect(_cells(files, chosen, len(first.model))), level)
    counts = {"models": len(first.model), "methods": len(files), "images": images}
    write_table(output, table.assign(**counts, left_out=len(usable) - images))


def _cells(
    files: Mapping[str, Sequence[Path]], rows: Mapping[str, np.ndarray], models: int
) -> Iterator[np.ndarray]:
    """Of each model its coarse maps by every method, float32 (methods, images, positions)."""
    step = 1
    start = 0
    while start < models:
        part = slice(start, min(start + step, models))
        read = [read_directions(parts, part)[:, rows[method]] for method, parts in files.items()]
        held = np.stack(read, axis=1)
        yield from held
        start = part.stop
        step = max(1, _BYTES // max(held[0].nbytes, 1))


def _reason(methods: Sequence[str], models: np.ndarray, shown: np.ndarray, images: int) -> str:
    """Why there are too few images, from which maps (methods, images, models) are there."""
    missing = (~shown).sum(axis=1)
    method, model = np.unravel_index(missing.argmax(), missing.shape)
    return (
        f"{images} of {shown.shape[1]} images have all maps, {FEWEST_IMAGES} are needed; "
        f"{models[model]} with {methods[method]} lacks most: {missing.max()}"
    )


def _common_rows(found: Mapping[str, Rows]) -> dict[str, np.ndarray]:
    """Where each method keeps the images of the first role, in the order of the first method."""
    first = next(iter(found.values()))
    role = first.role[0]
    images = first.image_id[first.role == role]
    places = {}
    for method, one in found.items():
        if one.model.tolist() != first.model.tolist():
            raise SightlineError(f"The maps of {method} are of other models: run again.")
        known = {
            image: row
            for row, (image, of) in enumerate(zip(one.image_id, one.role, strict=True))
            if of == role
        }
        if known.keys() != set(images):
            raise SightlineError(f"The maps of {method} are of other images: run again.")
        place = np.array([known[image] for image in images])
        # Another part of the image has other positions.
        same = np.isclose(one.box[place], first.box[first.role == role], atol=1e-3).all(axis=1)
        places[method] = np.where(same, place, -1)
    return places
