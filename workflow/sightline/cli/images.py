"""Commands that collect images."""

from __future__ import annotations

from typing import Annotated

import typer

from sightline.cli.options import Json, Output, Ranges, from_json, pattern_files


def shard(
    source: Json,
    range_name: Annotated[str, typer.Option("--range", help="Such as 000000-000127.")],
    output: Output,
    seed: int = 0,
) -> None:
    """Collect the images of one range in a file."""
    from sightline.jobs.images import make_shard

    make_shard(from_json(source, "--source"), seed, range_name, output)


def manifest(
    shards: Annotated[str, typer.Argument(help="Image shards, with {range}.")],
    ranges: Ranges,
    images: Output,
    objects: Output,
) -> None:
    """Make the tables of all images and objects."""
    from sightline.jobs.images import make_manifest

    make_manifest(pattern_files(shards, range=ranges), images, objects)


def unpack(
    url: Annotated[str, typer.Argument(help="A tar or zip archive.")],
    digest: Annotated[str, typer.Option(help="sha256:... or md5:... of the archive.")],
    output: Output,
) -> None:
    """Download an archive and unpack it beside the list of its files."""
    from sightline.images.archive import unpack as unpack_archive

    unpack_archive(url, digest, output)
