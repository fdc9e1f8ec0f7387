"""Commands that compare maps and find structure among models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Json, Output, from_json, groups, pairs


def compare(
    maps: Annotated[list[str], typer.Argument(help="MODEL=FILE of each model.")],
    settings: Json,
    output: Output,
) -> None:
    """Compare the maps of all models for one method and range."""
    from sightline.compare.statistics import CompareSettings, compare_maps, write_statistics

    given = from_json(settings, "--settings")
    how = CompareSettings(
        grid=given["grid"],
        sigma=given["sigma"],
        **{key: tuple(given[key]) for key in ("important", "graded", "scaling")},
    )
    files = {model: Path(path) for model, path in pairs(maps)}
    write_statistics(output, compare_maps(files, how))


def merge(
    statistics: Annotated[list[str], typer.Argument(help="METHOD=FILE of each range, in order.")],
    similarity: Output,
    agreement: Output,
) -> None:
    """Make the tables of pairs from all comparisons."""
    from sightline.jobs.compare import merge_statistics

    merge_statistics(groups(statistics), similarity, agreement)


def structure(
    similarity: Annotated[Path, typer.Argument(help="The table of pairs.")],
    folder: Annotated[Path, typer.Option(help="For linkage, communities and embedding.")],
    linkage: str = "average",
    resolution: float = 1.06,
    seed: int = 42,
) -> None:
    """Cluster, partition and embed the models."""
    from sightline.jobs.compare import find_structures

    find_structures(similarity, folder, linkage=linkage, resolution=resolution, seed=seed)
