"""The validation images of ILSVRC 2012, whose boxes are one XML file an image.

    ILSVRC2012_val_00000001.JPEG      in one folder, or in one folder a synset
    ILSVRC2012_val_00000001.xml       in another: PASCAL VOC's form, many objects
    LOC_val_solution.csv              ImageId,PredictionString: synset and box, repeated

Boxes are edges xmin, ymin, xmax, ymax in the pixels of the ``size`` that the file
says, clipped to it, and brought to the pixels of the image where it has others.
Deviation: the devkit's evaluation counts the pixels of both edges, which makes boxes
one pixel wider and higher; here, as in TensorFlow's process_bounding_boxes, edges are
places, from 0 to the width and height.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sightline.errors import SightlineError
from sightline.images.listed import Listed, list_folder

# Sides of a picture that was resized are rounded to whole pixels.
_SAME_ASPECT = 0.02
_SYNSET = re.compile(r"n\d{8}")
Found = tuple[str, tuple[tuple[str, tuple[float, float, float, float], None], ...]]


def list_images(source: dict[str, Any]) -> list[Listed]:
    """The images with the synset of each, as far as it is known without reading their boxes.

    Parameters
    ----------
    source
        The configuration's ``images``: path, annotations, labels.

    Raises
    ------
    SightlineError
        Where a folder or file is missing, or an image has no label in ``labels``.
    """
    annotations = Path(source["annotations"])
    if not annotations.is_dir():
        raise SightlineError(
            f"images.annotations: {annotations} is not a folder. Expected one XML file an image, "
            "such as ILSVRC2012_val_00000001.xml."
        )
    labels = None if source["labels"] is None else read_labels(Path(source["labels"]))
    found = []
    for one in list_folder(Path(source["path"])):
        name = Path(one.image_id).stem
        label = one.label if labels is None else labels.get(name)
        if label is None:
            raise SightlineError(
                f"images.labels: {source['labels']} has no row of {name}, which is in "
                f"{source['path']}."
            )
        found.append(replace(one, label=label, about=annotations / f"{name}.xml"))
    return found


def read_labels(path: Path) -> dict[str, str]:
    """The synset of each image, of LOC_val_solution.csv.

    Raises
    ------
    SightlineError
        For another file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SightlineError(f"images.labels: {path} cannot be read: {error}.") from error
    if not rows or rows[0] != ["ImageId", "PredictionString"]:
        raise SightlineError(
            f"images.labels: {path} begins with {','.join(rows[0]) if rows else 'nothing'}. "
            "Expected LOC_val_solution.csv, whose header is ImageId,PredictionString."
        )
    found = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2 or not _SYNSET.match(row[1]):
            raise SightlineError(
                f"images.labels: {path}, line {number}: expected an image and its objects, such as "
                f"ILSVRC2012_val_00000001,n01751748 111 108 441 193, got {','.join(row)!r}."
            )
        found[row[0]] = row[1].partition(" ")[0]
    return found


def reader(_source: dict[str, Any]) -> Callable[[Listed, bytes], Found]:
    """What gives an image's label and objects."""
    return _objects


def _objects(one: Listed, data: bytes) -> Found:
    from sightline.images.decode import upright_size

    assert one.about is not None
    root = _parse(one.about)
    said = _numbers(root.find("size"), ("width", "height"), one.about)
    factors = _factors(said, upright_size(data, str(one.path)), one.about)
    found = []
    for thing in root.iter("object"):
        name = (thing.findtext("name") or "").strip()
        if not name:
            raise SightlineError(f"{one.about}: an object has no name.")
        edges = _numbers(thing.find("bndbox"), ("xmin", "ymin", "xmax", "ymax"), one.about)
        inside = [min(max(edge, 0), said[i % 2]) for i, edge in enumerate(edges)]
        if not (inside[0] < inside[2] and inside[1] < inside[3]):
            raise SightlineError(
                f"{one.about}: the box {edges} of {name} is empty on an image of "
                f"{said[0]:g}x{said[1]:g}: expected xmin < xmax and ymin < ymax."
            )
        x0, y0, x1, y1 = (edge * factors[i % 2] for i, edge in enumerate(inside))
        found.append((name, (x0, y0, x1, y1), None))
    return one.label or (found[0][0] if found else ""), tuple(found)


def _parse(path: Path) -> ElementTree.Element:
    """An XML file's root; one that declares a document type, and so could entities, is refused."""
    try:
        # As text, so that no other encoding than the one looked at is parsed.
        text = path.read_bytes().decode("utf-8-sig")
        if "<!DOCTYPE" in text:
            raise SightlineError(
                f"{path} declares a document type, which no annotation of ILSVRC does: it is not "
                "read. Get the file again."
            )
        return ElementTree.fromstring(text)
    except OSError as error:
        raise SightlineError(
            f"{path} cannot be read: {error.strerror}. Every image needs its annotation: "
            "images.annotations."
        ) from error
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise SightlineError(f"{path} is no XML file in UTF-8: {error}.") from error


def _numbers(
    element: ElementTree.Element | None, names: tuple[str, ...], path: Path
) -> list[float]:
    texts = [None if element is None else element.findtext(name) for name in names]
    try:
        return [float(text or "") for text in texts]
    except ValueError as error:
        raise SightlineError(
            f"{path}: expected the numbers {', '.join(names)}, got "
            f"{', '.join(text or 'nothing' for text in texts)}."
        ) from error


def _factors(said: list[float], size: tuple[int, int], path: Path) -> tuple[float, float]:
    if min(said) > 0:
        across, down = size[0] / said[0], size[1] / said[1]
        if abs(across / down - 1) <= _SAME_ASPECT:
            return across, down
    raise SightlineError(
        f"{path} is of an image of {said[0]:g}x{said[1]:g} pixels, the upright image has "
        f"{size[0]}x{size[1]}: where its boxes are is not known. Correct one of them."
    )
