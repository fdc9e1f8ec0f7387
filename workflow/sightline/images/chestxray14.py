"""ChestX-ray14 (Wang et al. 2017, arXiv:1705.02315): radiographs with several findings.

    Data_Entry_2017.csv     Image Index,Finding Labels,...: findings with | between them
    BBox_List_2017.csv      Image Index,Finding Label,Bbox [x,y,w,h]: 984 boxes on 880 images
    images_001/images/...   PNG files, in one folder or in twelve

An image's labels begin with the findings that have a box, in the order of the boxes:
the first is what the role ``label`` explains. Images without a finding have no label.
The list of boxes calls "Infiltrate" what the table calls "Infiltration"; here it is
the latter. Boxes are in the pixels of the published images, 1024 a side, and are
brought to those of an image that was resized.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

from sightline.errors import SightlineError
from sightline.images.labels import SEPARATOR, labels_of
from sightline.images.listed import Listed, list_folder

FINDINGS = "Data_Entry_2017.csv"
BOXES = "BBox_List_2017.csv"
_FINDINGS_HEADER = "Image Index,Finding Labels,"
# Not quoted in the file, so that it is four columns; three more are empty.
_BOXES_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h]"
_OTHER_NAMES = {"Infiltrate": "Infiltration"}
_NONE = "No Finding"
# Boxes are in the pixels of the images as published, this many a side.
_SIDE = 1024

Box = tuple[float, float, float, float]
Found = tuple[str, tuple[tuple[str, Box, None], ...]]


def list_images(source: dict[str, Any]) -> list[Listed]:
    """The images with their findings: those with a box, or all.

    Parameters
    ----------
    source
        The configuration's ``images``: path, boxed.

    Raises
    ------
    SightlineError
        Where a file is missing or another one, or an image that it names is not there.
    """
    root = Path(source["path"])
    boxes = read_boxes(root / BOXES)
    findings = read_findings(root / FINDINGS)
    files = _files(root, findings.keys() | boxes.keys())
    names = list(boxes) if source["boxed"] else [name for name in findings if name in files]
    listed = []
    for name in names:
        if name not in findings or name not in files:
            missing = f"{FINDINGS} has no row" if name not in findings else f"{root} has no file"
            raise SightlineError(
                f"images.path: {BOXES} has a box on {name}, but {missing} of that name. Unpack "
                f"all of the data set's images below {root}."
            )
        shown = [label for label, _ in boxes.get(name, ())]
        label = SEPARATOR.join(dict.fromkeys([*shown, *findings[name]]))
        listed.append(Listed(name, label, files[name], root / BOXES if shown else None))
    if not listed:
        raise SightlineError(f"images.path: {root} holds no image that {FINDINGS} names.")
    return listed


def reader(source: dict[str, Any]) -> Callable[[Listed, bytes], Found]:
    """What gives an image's labels and objects."""
    from sightline.images.decode import upright_size

    boxes = read_boxes(Path(source["path"]) / BOXES)

    def found(one: Listed, data: bytes) -> Found:
        own = boxes.get(one.image_id)
        if own is None:
            return one.label, ()
        width, height = upright_size(data, str(one.path))
        across, down = width / _SIDE, height / _SIDE
        return one.label, tuple(
            (label, (x0 * across, y0 * down, x1 * across, y1 * down), None)
            for label, (x0, y0, x1, y1) in own
        )

    return found


def read_findings(path: Path) -> dict[str, tuple[str, ...]]:
    """The findings of each image.

    Raises
    ------
    SightlineError
        For another file.
    """
    found = {}
    for number, row in _rows(path, _FINDINGS_HEADER):
        if len(row) < 2 or not row[0] or not row[1]:
            raise SightlineError(
                f"{path}, line {number}: expected an image and its findings, got {','.join(row)!r}."
            )
        found[row[0]] = tuple(one for one in labels_of(row[1]) if one != _NONE)
    return found


def read_boxes(path: Path) -> dict[str, list[tuple[str, Box]]]:
    """Finding and box, half-open in pixels, of each image that has any.

    Raises
    ------
    SightlineError
        For another file, or what is no box.
    """
    found: dict[str, list[tuple[str, Box]]] = {}
    for number, row in _rows(path, _BOXES_HEADER):
        try:
            name, label = row[:2]
            x, y, width, height = (float(cell) for cell in row[2:6])
        except ValueError as error:
            raise SightlineError(
                f"{path}, line {number}: expected an image, a finding and the numbers x, y, width, "
                f"height, got {','.join(row)!r}."
            ) from error
        if not (width > 0 and height > 0):
            raise SightlineError(
                f"{path}, line {number}: the box is {width:g} wide and {height:g} high: expected "
                "more than 0."
            )
        label = _OTHER_NAMES.get(label, label)
        found.setdefault(name, []).append((label, (x, y, x + width, y + height)))
    return found


def _rows(path: Path, header: str) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SightlineError(f"images.path: {path} cannot be read: {error}.") from error
    first = ",".join(rows[0][1]) if rows else ""
    if not first.startswith(header):
        raise SightlineError(
            f"images.path: {path} begins with {first[:80]!r}. Expected {header!r}."
        )
    yield from rows[1:]


def _files(root: Path, names: Set[str]) -> dict[str, Path]:
    """Where the images of some names are; other files below the folder are passed over."""
    found: dict[str, Path] = {}
    for one in list_folder(root):
        name = Path(one.image_id).name
        assert one.path is not None
        if name not in names:
            continue
        if found.setdefault(name, one.path) != one.path:
            raise SightlineError(
                f"images.path: {name} is there twice, as {found[name]} and {one.path}. Remove one."
            )
    return found
