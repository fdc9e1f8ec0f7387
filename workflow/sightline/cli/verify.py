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
    """Read all files of a study; status 1 if some are damaged or cannot be read.

    The next run makes the removed ones again, and what depends on them. What cannot be read
    now, because of rights or a file system that is away, is never removed.
    """
    from sightline.jobs.verify import verify as verify_files

    found = verify_files(results)
    for path, why in found.damaged.items():
        print(f"damaged: {path}: {why}")
    for path, why in found.unread.items():
        print(f"cannot be read: {path}: {why}")
    for path in found.unfinished:
        print(f"unfinished: {path}: left by a killed job, or being written now")
    if remove:
        for path in [*found.damaged, *found.unfinished]:
            path.unlink(missing_ok=True)
    unread = f"{len(found.unread)} could not be read, " if found.unread else ""
    print(
        f"{found.checked} files, {len(found.damaged)} damaged, {unread}"
        f"{len(found.unfinished)} unfinished"
        f"{'; the damaged and unfinished are removed' if remove else ''}."
    )
    raise typer.Exit(int(bool(found.damaged or found.unread)))
