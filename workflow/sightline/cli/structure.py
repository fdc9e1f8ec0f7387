"""Commands that find structure among models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Id


def structure(
    pairs: Annotated[Path, typer.Argument(help="The method's pairs file.")],
    method: Id,
    folder: Annotated[Path, typer.Option(help="For linkage, communities and embedding.")],
    linkage: str = "average",
    resolution: float = 1.06,
    seed: int = 42,
) -> None:
    """Cluster, partition and embed the models."""
    from sightline.jobs.structure import find_structures

    find_structures(method, pairs, folder, linkage=linkage, resolution=resolution, seed=seed)
