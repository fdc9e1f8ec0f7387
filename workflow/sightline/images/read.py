"""Read the images of a source and what is known of their objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sightline.errors import SightlineError
from sightline.images import chestxray14, ilsvrc
from sightline.images.decode import decode, upright_size
from sightline.images.geometry import Box
from sightline.images.listed import Listed
from sightline.images.objects import clipped, mask_bounds
from sightline.images.shapes import render
from sightline.images.shards import Entry, png
from sightline.images.sources import read_manifest

# From a listed image and its bytes to its label and objects, see `Entry`.
Reader = Callable[[Listed, bytes], tuple[str, tuple[Any, ...]]]

# What the tell-tale patch of ``shapes`` is called among the objects of an image.
MARKER = "marker"


def read_entries(source: dict[str, Any], listed: list[Listed], seed: int) -> Iterator[Entry]:
    """What goes into a shard for each of some images of a source.

    Boxes are clipped to their image.

    Parameters
    ----------
    source
        The configuration's ``images``.
    listed
        Images as `sightline.images.sources.list_source` gives them.
    seed
        The study's seed; decides the images of ``shapes``.

    Raises
    ------
    SightlineError
        For a file that cannot be read, or an object that is nowhere on its image.
    """
    if source["source"] == "shapes":
        yield from (_shape(source, one, seed) for one in listed)
        return
    read = _READERS.get(source["source"], _as_listed)(source)
    for one in listed:
        assert one.path is not None
        # An embedded photograph's folder differs between machines.
        name = one.path.name if source["source"] == "photos" else str(one.path)
        data = _bytes(one.path)
        label, objects = read(one, data)
        yield Entry(one.image_id, label, data, name, _on_image(objects, data, one, source["path"]))


def _shape(source: dict[str, Any], one: Listed, seed: int) -> Entry:
    scene = render(
        int(one.image_id.rpartition("/")[2]),
        seed=seed,
        split=source["split"],
        objects=source["objects"],
        patch=source["patch"],
    )
    objects: list[tuple[str, Box | None, np.ndarray | None]]
    objects = [(shown.label, shown.box, shown.mask) for shown in scene.objects]
    if scene.patch_box is not None:
        objects.append((MARKER, scene.patch_box, None))
    return Entry(
        one.image_id, scene.label, png(scene.image), f"shapes:{one.image_id}.png", tuple(objects)
    )


def _on_image(
    objects: tuple[Any, ...], data: bytes, one: Listed, source: str
) -> tuple[tuple[str, Box | None, np.ndarray | None], ...]:
    """Objects with their boxes clipped to the image."""
    if all(box is None for _, box, _ in objects):
        return objects
    size = upright_size(data, str(one.path))
    return tuple(
        (label, box and clipped(box, size, f"{source}, {one.image_id}, object {label!r}"), mask)
        for label, box, mask in objects
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {error.strerror}.") from error


def _as_listed(_source: dict[str, Any]) -> Reader:
    return lambda one, _data: (one.label, ())


def _manifest_reader(source: dict[str, Any]) -> Reader:
    manifest = Path(source["path"])
    objects: dict[str, list[Any]] = {}
    for number, row in enumerate(read_manifest(manifest), start=2):
        edges = [row.get(key) or "" for key in ("x0", "y0", "x1", "y1")]
        file = row.get("mask") or ""
        if not any(edges) and not file:
            continue
        where = f"{manifest}, line {number}"
        label = row.get("object") or row.get("label") or ""
        mask = _mask(manifest.parent / file) if file else None
        image_id = row.get("id") or Path(row["path"]).as_posix()
        objects.setdefault(image_id, []).append((label, _box(edges, mask, where), mask))
    return lambda one, _data: (one.label, tuple(objects.get(one.image_id, ())))


def _box(edges: list[str], mask: np.ndarray | None, where: str) -> Box:
    if not any(edges):
        assert mask is not None
        found = mask_bounds(mask)
        if found is None:
            raise SightlineError(f"{where}: the mask is empty.")
        return found
    try:
        x0, y0, x1, y1 = (float(edge) for edge in edges)
    except ValueError as error:
        raise SightlineError(
            f"{where}: x0, y0, x1, y1 must be four numbers, got {edges}."
        ) from error
    if not (x0 < x1 and y0 < y1):
        raise SightlineError(f"{where}: the box {edges} is empty: expected x0 < x1 and y0 < y1.")
    return x0, y0, x1, y1


def _mask(path: Path) -> np.ndarray:
    return np.asarray(decode(_bytes(path), str(path)).convert("L")) > 0


_READERS: dict[str, Callable[[dict[str, Any]], Reader]] = {
    "manifest": _manifest_reader,
    "ilsvrc": ilsvrc.reader,
    "chestxray14": chestxray14.reader,
}
