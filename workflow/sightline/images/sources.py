"""List the images of a source, without reading them.

The workflow calls this each time it parses, to name the ranges and their
input files, so only names are looked at here.
"""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sightline.errors import SightlineError
from sightline.images import chestxray14, ilsvrc
from sightline.images.archive import image_folder
from sightline.images.listed import Listed, list_folder
from sightline.images.order import balanced_order

# Photographs that lie inside the scikit-image package; its others would be downloaded.
PHOTOS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cell": "cell.png",
    "chelsea": "chelsea.png",
    "clock": "clock_motion.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble_deep_field": "hubble_deep_field.jpg",
    "immunohistochemistry": "ihc.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}


def list_source(source: dict[str, Any], seed: int) -> list[Listed]:
    """All images of a source, in the study's order.

    Parameters
    ----------
    source
        The configuration's ``images``, without its defaults left out.
    seed
        The study's seed.

    Raises
    ------
    SightlineError
        Where the source is missing, holds no image or fewer than ``count``.
    """
    if source["source"] == "shapes":
        return _list_shapes(source)
    wanted = source.get("count")
    listed = {
        "photos": _list_photos,
        "folder": _list_folder,
        "manifest": _list_manifest,
        "archive": _list_archive,
        "ilsvrc": ilsvrc.list_images,
        "chestxray14": chestxray14.list_images,
    }[source["source"]](source)
    if wanted is not None and wanted > len(listed):
        raise SightlineError(
            f"images: count is {wanted}, but {_described(source)} holds {len(listed)} images. "
            "Lower count, leave it out to take all, or add images."
        )
    return balanced_order(listed, seed)[:wanted]


def _described(source: dict[str, Any]) -> str:
    return f"{source['source']} {source.get('path', '')}".strip()


def _list_shapes(source: dict[str, Any]) -> list[Listed]:
    from sightline.images.shapes import CLASSES

    if source["patch"] not in (None, "all", *CLASSES):
        raise SightlineError(
            f"images.patch is {source['patch']!r}: expected all or one of {', '.join(CLASSES)}."
        )
    return [
        Listed(f"{source['split']}/{index:06d}", CLASSES[index % len(CLASSES)])
        for index in range(source["count"])
    ]


def _list_photos(_source: dict[str, Any]) -> list[Listed]:
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise SightlineError("images: the source photos needs the package scikit-image.")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    return [Listed(name, path=folder / file) for name, file in PHOTOS.items()]


def _list_folder(source: dict[str, Any]) -> list[Listed]:
    return list_folder(Path(source["path"]))


def _list_archive(source: dict[str, Any]) -> list[Listed]:
    return list_folder(image_folder(source))


def read_manifest(path: Path) -> list[dict[str, str]]:
    """The rows of a manifest: one an image, or one an object of an image.

    Raises
    ------
    SightlineError
        For a missing file or column, or an unknown column.
    """
    known = {"id", "path", "label", "object", "x0", "y0", "x1", "y1", "mask"}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SightlineError(
            f"images.path: the manifest {path} cannot be read: {error}."
        ) from error
    if "path" not in columns or columns - known:
        raise SightlineError(
            f"images.path: the manifest {path} has the columns {', '.join(sorted(columns))}. "
            f"Expected path, and any of {', '.join(sorted(known - {'path'}))}."
        )
    if not rows:
        raise SightlineError(f"images.path: the manifest {path} holds no row.")
    for number, row in enumerate(rows, start=2):
        # DictReader puts cells beyond the header under None.
        if not row["path"] or None in row:
            raise SightlineError(
                f"images.path: the manifest {path}, row {number}, has "
                f"{'more cells than the header' if row['path'] else 'no path'}."
            )
    return rows


def _list_manifest(source: dict[str, Any]) -> list[Listed]:
    manifest = Path(source["path"])
    listed: dict[str, Listed] = {}
    for row in read_manifest(manifest):
        image_id = row.get("id") or Path(row["path"]).as_posix()
        one = Listed(image_id, row.get("label") or "", manifest.parent / row["path"])
        # Further rows of an image are further objects of it.
        if listed.setdefault(image_id, one) != one:
            raise SightlineError(
                f"images.path: the manifest {manifest} gives {image_id!r} two paths or labels. "
                "Rows of one image differ in object, box and mask alone."
            )
    return list(listed.values())
