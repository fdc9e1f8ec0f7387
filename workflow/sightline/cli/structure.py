"""Commands that find structure among models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import Id, Json, from_json


def structure(
    pairs: Annotated[Path, typer.Argument(help="The method's pairs file.")],
    method: Id,
    folder: Annotated[Path, typer.Option(help="For the tables.")],
    options: Json,
) -> None:
    """Cluster, partition and embed the models, and say how sure that is."""
    from sightline.jobs.merging.structure import find_structures

    find_structures(method, pairs, folder, **from_json(options, "--options"))
