"""Make the shard of a range, and the study's table of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sightline.images.read import read_entries
from sightline.images.shards import Shard, write_shard
from sightline.images.sources import list_source
from sightline.study.ranges import parse_range
from sightline.tabular import written_in_parts


def make_shard(source: dict[str, Any], seed: int, range_name: str, output: Path) -> None:
    """Write the shard of one range of a source's image order.

    Parameters
    ----------
    source
        The configuration's ``images``; its count is of no account.
    seed
        The study's seed.
    range_name
        Such as ``000000-000127``.
    output
        The shard.
    """
    chosen = parse_range(range_name)
    # Sources that are made by code have no end of their own.
    count = {"count": chosen.stop} if source["source"] == "shapes" else {}
    listed = list_source(source | count, seed)[chosen.start : chosen.stop]
    write_shard(output, read_entries(source, listed, seed))


def make_manifest(shards: Sequence[Path], images: Path, objects: Path) -> None:
    """Write the tables of all images and objects of a study; one shard's rows are held at a time.

    Parameters
    ----------
    shards
        Of consecutive ranges.
    images
        CSV: position, image_id, label, width, height, sha256, source, shard.
    objects
        CSV: image_id, label, x0, y0, x1, y1 (pixels of the upright original,
        half-open), mask (its place in the shard).
    """
    columns = ["image_id", "label", "x0", "y0", "x1", "y1", "mask", "shard"]
    position = 0
    with written_in_parts(images) as add_images, written_in_parts(objects) as add_objects:
        for path in shards:
            with Shard(path) as shard:
                rows = [{**vars(row), "shard": path.name} for row in shard.images]
                things = [{**vars(row), "shard": path.name} for row in shard.objects]
            table = pd.DataFrame(rows).drop(columns="file")
            table.insert(0, "position", range(position, position + len(table)))
            add_images(table)
            add_objects(pd.DataFrame(things, columns=columns))
            position += len(table)
