"""How much room a study's maps and comparisons take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sightline.methods.catalogue.entry import Method
from sightline.models.sizes import Size
from sightline.study.expected import Expected
from sightline.study.ranges import parse_range

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

# A row besides its map: ids, role, score, box, checksums (327 bytes with a map of 7x7).
ROW = 230
BYTES = 2
# Of a similarity or count, of a pair and an image, compressed; docs/scale.csv has 3 to 4.
COMPARED = 5
# Pixels of the input to a position of a layer, along each side: the finest of common last layers.
STRIDE = 16
# Methods that read a layer and give maps of the input's size all the same.
FULL = ("guided_gradcam",)
MAPS = ("explain", "redraw", "explain_variant")


def stored_bytes(
    study: ResolvedStudy, sizes: Mapping[str, Size], jobs: Mapping[str, list[Expected]]
) -> float:
    """Bytes of all map files of a study.

    Files that are there count as they are, and by them, image for image, the others of the same
    model and method; what has none yet is reckoned as uncompressed.
    """
    total, missing = 0.0, []
    found: dict[tuple[str, str], tuple[float, int]] = {}
    for one in [one for rule in MAPS for one in jobs.get(rule, [])]:
        images = len(parse_range(one.wildcards["range"]))
        path, key = study.results / one.file, (one.wildcards["model"], one.wildcards["method"])
        if not path.exists():
            missing.append((key, images))
            continue
        size = path.stat().st_size
        total += size
        known, counted = found.get(key, (0.0, 0))
        found[key] = known + size, counted + images
    for (model, method), images in missing:
        if (model, method) in found:
            known, counted = found[model, method]
            total += images * known / counted
        else:
            row = row_bytes(study.methods[method].method, sizes[model])
            total += images * len(study.config.roles) * row
    return total


def row_bytes(method: Method, size: Size) -> float:
    """Bytes of a row of a map file: a map at its method's native size, as float16."""
    stride = STRIDE if method.needs_layer and method.name not in FULL else 1
    return ROW + BYTES * (size.height / stride) * (size.width / stride)


def compared_bytes(study: ResolvedStudy) -> float:
    """Bytes of all pairs' similarities on all images, by method and measure."""
    pairs = len(study.models) * (len(study.models) - 1) // 2
    rows = len(study.images) * len(study.config.roles) * len(study.methods)
    return COMPARED * pairs * rows * len(study.measures)
