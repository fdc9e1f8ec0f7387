"""What a source lists of an image, and the images of a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sightline.errors import SightlineError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})


@dataclass(frozen=True)
class Listed:
    """An image of a source.

    Attributes
    ----------
    image_id
        Unique within the source: its path relative to the source, in POSIX
        form, or the manifest's own id.
    label
        Its class's name, several with ``|`` between them, empty if there is none.
    path
        Its file; none for images made by code.
    about
        A file that says more of it, such as where its objects are.
    """

    image_id: str
    label: str = ""
    path: Path | None = None
    about: Path | None = None


def list_folder(root: Path) -> list[Listed]:
    """All images of a folder and those below it, which are classes.

    Raises
    ------
    SightlineError
        Where there is none, or a folder cannot be read.
    """
    if not root.is_dir():
        raise SightlineError(f"images.path: {root} is not a folder.")
    listed = []
    # Real paths of each folder and of those above it, by which a loop of links is seen.
    above = {str(root): {os.path.realpath(root)}}
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=_unreadable):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        chain = above.pop(folder)
        for name in subfolders:
            subfolder = os.path.join(folder, name)
            real = os.path.realpath(subfolder)
            if real in chain:
                raise SightlineError(
                    f"images.path: {subfolder} is a link to {real}, a folder that it lies in: its "
                    "images would never end. Remove the link."
                )
            above[subfolder] = chain | {real}
        for file in sorted(files):
            path = Path(folder, file)
            if path.suffix.lower() in EXTENSIONS and not file.startswith("."):
                inside = path.relative_to(root)
                label = inside.parts[0] if len(inside.parts) > 1 else ""
                listed.append(Listed(inside.as_posix(), label, path))
    if not listed:
        raise SightlineError(
            f"images.path: {root} holds no image. Files ending in "
            f"{', '.join(sorted(EXTENSIONS))} are taken, also in subfolders (one a class)."
        )
    return listed


def _unreadable(error: OSError) -> NoReturn:
    # os.walk would go on without the folder: fewer images, and nobody told.
    raise SightlineError(
        f"images.path: the folder {error.filename} cannot be read: {error.strerror}."
    ) from error
