"""Digests of weights files, by which jobs know that weights changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sightline.errors import SightlineError
from sightline.files import replacing


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_digest(path: Path, output: Path) -> None:
    """Write the digest of a file, and a line's end, to another."""
    if not path.is_file():
        raise SightlineError(f"The weights file {path} does not exist.")
    with replacing(output) as temporary:
        temporary.write_text(file_digest(path) + "\n")
