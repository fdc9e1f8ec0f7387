"""Of which classes the objects on a source's images are, as far as no image has to be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sightline.images.chestxray14 import BOXES, read_boxes
from sightline.images.labels import labels_of
from sightline.images.listed import Listed
from sightline.images.sources import read_manifest


def object_labels(source: dict[str, Any], listed: Sequence[Listed]) -> set[str] | None:
    """Labels of the objects on some images; None where only their files tell.

    Parameters
    ----------
    source
        The configuration's ``images``.
    listed
        Images of it, as `sightline.images.sources.list_source` gives them.
    """
    if source["source"] == "ilsvrc":
        return None  # an XML file an image
    if source["source"] == "shapes":
        return _of_shapes(source, listed)
    labels = {one.image_id: one.label for one in listed}
    if source["source"] == "manifest":
        return _of_manifest(Path(source["path"]), labels)
    if source["source"] == "chestxray14":
        boxes = read_boxes(Path(source["path"]) / BOXES)
        return {label for name in labels for label, _ in boxes.get(name, ())}
    return set()


def _of_shapes(source: dict[str, Any], listed: Sequence[Listed]) -> set[str]:
    from sightline.images.read import MARKER
    from sightline.images.shapes import CLASSES

    own = {label for one in listed for label in labels_of(one.label)}
    marked = source["patch"] == "all" or source["patch"] in own
    # Of which class a second object is, is drawn with the image.
    return (own if source["objects"] == 1 else set(CLASSES)) | ({MARKER} if marked else set())


def _of_manifest(path: Path, labels: dict[str, str]) -> set[str]:
    found = set()
    for row in read_manifest(path):
        image_id = row.get("id") or Path(row["path"]).as_posix()
        if image_id in labels and any(row.get(key) for key in ("x0", "y0", "x1", "y1", "mask")):
            found.add(row.get("object") or row.get("label") or "")
    return found
