"""The command that looks for damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    results: Annotated[Path, typer.Argument(help="A study's folder, such as results/demo.")],
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove damaged files, and what killed jobs left.")
    ] = False,
) -> None:
    """Read all files of a study and name the damaged ones; status 1 if there are any.

    The next run makes the removed ones again, and what depends on them.
    """
    from sightline.jobs.verify import verify as verify_files

    found = verify_files(results)
    for path, why in found.damaged.items():
        print(f"damaged: {path}: {why}")
    for path in found.unfinished:
        print(f"unfinished: {path}: left by a killed job, or being written now")
    if remove:
        for path in [*found.damaged, *found.unfinished]:
            path.unlink(missing_ok=True)
    print(
        f"{found.checked} files read, {len(found.damaged)} damaged, "
        f"{len(found.unfinished)} unfinished{'; these are removed' if remove else ''}."
    )
    raise typer.Exit(int(bool(found.damaged)))
