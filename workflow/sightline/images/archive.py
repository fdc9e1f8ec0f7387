"""Data sets that are downloaded as an archive and unpacked below resources/datasets."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sightline.download import download
from sightline.errors import SightlineError
from sightline.files import replacing

DATASETS = Path("resources/datasets")
DIGEST = r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$"
_ENDINGS = re.compile(r"(\.tar)?\.(tgz|gz|bz2|xz|tar|zip)$", re.IGNORECASE)


def archive_folder(source: dict[str, Any]) -> Path:
    """Where an archive's content goes: named by its file and its digest."""
    file = unquote(urlsplit(source["url"]).path).rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", _ENDINGS.sub("", file)).lstrip(".") or "archive"
    return DATASETS / f"{stem}-{source['digest'].partition(':')[2][:8]}"


def archive_listing(source: dict[str, Any]) -> Path:
    """The list of an archive's files, written once all of them are there."""
    folder = archive_folder(source)
    return folder.with_name(f"{folder.name}.txt")


def image_folder(source: dict[str, Any]) -> Path:
    """The folder of images inside an archive that was unpacked.

    Raises
    ------
    SightlineError
        Where it was not, saying how to, or holds no such folder.
    """
    folder, listing = archive_folder(source), archive_listing(source)
    if not listing.is_file():
        raise SightlineError(
            f"images: the archive {source['url']} has not been downloaded. First run `snakemake "
            "prefetch --cores 1 --configfile ...` with the same file, where there is a network."
        )
    inside = folder / source["path"]
    if not folder.is_dir():
        raise SightlineError(
            f"images: {folder} is gone. Delete {listing} and run `snakemake prefetch`."
        )
    if not inside.is_dir():
        found = sorted(str(one.relative_to(folder)) for one in folder.glob("*") if one.is_dir())
        raise SightlineError(
            f"images.path: the archive holds no folder {source['path']}. Its folders are: "
            f"{', '.join(found[:20]) or 'none'}."
        )
    return inside


def unpack(url: str, digest: str, listing: Path) -> None:
    """Download an archive and unpack it into the folder beside its list of files.

    Parameters
    ----------
    url
        Of a tar archive, compressed or not, or a zip archive.
    digest
        ``sha256:`` or ``md5:`` and the digest.
    listing
        Text file to write, last of all: one path a line.

    Raises
    ------
    SightlineError
        Where the archive cannot be had, is another one, or would write
        outside its folder.
    """
    if not re.fullmatch(DIGEST, digest):
        raise SightlineError(
            f"The digest of an archive is {digest!r}: expected sha256: and 64 hexadecimal digits, "
            "or md5: and 32."
        )
    folder = listing.with_name(listing.name.removesuffix(".txt"))
    scratch = listing.with_name(f".{folder.name}.{os.uname().nodename}.{os.getpid()}")
    try:
        scratch.mkdir(parents=True)
        archive = scratch / "archive"
        download(url, archive, digest)
        content = scratch / "content"
        content.mkdir()
        with _readable(url):
            _extract(archive, content, url)
        files = sorted(
            one.relative_to(content).as_posix() for one in content.rglob("*") if one.is_file()
        )
        # Left by a run that was killed before it wrote the list.
        shutil.rmtree(folder, ignore_errors=True)
        content.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    with replacing(listing) as temporary:
        temporary.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")


def _extract(archive: Path, folder: Path, url: str) -> None:
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                parts = re.split(r"[/\\]", member.filename)
                link = stat.S_ISLNK(member.external_attr >> 16)
                if ".." in parts or not parts[0] or ":" in parts[0] or link:
                    raise SightlineError(
                        f"{url}: {member.filename!r} in it would be written outside its folder. "
                        "Nothing was kept."
                    )
            packed.extractall(folder)
    else:
        raise SightlineError(f"{url} is neither a tar nor a zip archive.")


@contextmanager
def _readable(url: str) -> Iterator[None]:
    try:
        yield
    except tarfile.FilterError as error:
        raise SightlineError(
            f"{url}: {error.tarinfo.name!r} in it would be written outside its folder. "
            "Nothing was kept."
        ) from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise SightlineError(f"{url} cannot be unpacked: {error}.") from error
