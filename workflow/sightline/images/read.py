"""Read the images of a source and what is known of their objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sightline.errors import SightlineError
from sightline.images.decode import decode
from sightline.images.geometry import Box
from sightline.images.shapes import render
from sightline.images.shards import Entry, png
from sightline.images.sources import Listed, read_manifest

# What the tell-tale patch of ``shapes`` is called among the objects of an image.
MARKER = "marker"


def read_entries(source: dict[str, Any], listed: list[Listed], seed: int) -> Iterator[Entry]:
    """What goes into a shard for each of some images of a source.

    Parameters
    ----------
    source
        The configuration's ``images``.
    listed
        Images as `sightline.images.sources.list_source` gives them.
    seed
        The study's seed; decides the images of ``shapes``.
    """
    if source["source"] == "shapes":
        yield from (_shape(source, one, seed) for one in listed)
        return
    objects = _manifest_objects(Path(source["path"])) if source["source"] == "manifest" else {}
    for one in listed:
        assert one.path is not None
        # An embedded photograph's folder differs between machines.
        name = one.path.name if source["source"] == "photos" else str(one.path)
        found = objects.get(one.image_id, ())
        yield Entry(one.image_id, one.label, _bytes(one.path), name, found)


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


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {error.strerror}.") from error


def _manifest_objects(manifest: Path) -> dict[str, tuple[Any, ...]]:
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
    return {image_id: tuple(found) for image_id, found in objects.items()}


def _box(
    edges: list[str], mask: np.ndarray | None, where: str
) -> tuple[float, float, float, float] | None:
    if not any(edges):
        assert mask is not None
        rows, columns = np.nonzero(mask)
        if not len(rows):
            raise SightlineError(f"{where}: the mask is empty.")
        return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
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
