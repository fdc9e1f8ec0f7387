"""Files of the model hub, as the hub's own digests say they must be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sightline.errors import SightlineError

_CHUNK = 1 << 20
_ELSEWHERE = "Run `snakemake prefetch` where there is a network; jobs then need none."


class MissingFileError(SightlineError):
    """A repository does not hold a file."""


def hub_file(repository: str, file: str, revision: str | None = None) -> Path:
    """A file of a repository, from the client's cache or downloaded.

    The client keeps a file under its digest. One that is not what its name
    says (the cache was damaged, or the download) is downloaded once more.

    Parameters
    ----------
    repository
        User and name, e.g. ``timm/resnet18.a1_in1k``.
    file
        Its path there.
    revision
        A branch, tag or commit; the main branch unless given.

    Raises
    ------
    MissingFileError
        Where the repository has no such file.
    SightlineError
        Where it cannot be had, with the reason, or is twice another than the
        hub says.
    """
    for again in (False, True):
        path = _download(repository, file, revision, again)
        problem = _difference(path)
        if not problem:
            return path
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    raise SightlineError(
        f"{file} of {repository} at {constants.ENDPOINT} is not the file that the hub announces, "
        f"twice: {problem}. Nothing was kept; try again, or ask the hub's operator."
    )


def _difference(path: Path) -> str:
    """How a cached file differs from its name; empty if it does not."""
    # Without symbolic links the cache holds the file itself, and its digest is not known.
    name = Path(os.readlink(path)).name if path.is_symlink() else ""
    if len(name) == 64:
        kind, head = "SHA-256", b""
        digest = hashlib.sha256()
    elif len(name) == 40:
        # Small files lie in git itself, which digests them behind a header.
        kind, head = "git digest", b"blob %d\0" % path.stat().st_size
        digest = hashlib.sha1(usedforsecurity=False)
    else:
        return ""
    digest.update(head)
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    found = digest.hexdigest()
    return "" if found == name else f"its {kind} is {found}, announced was {name}"


def _download(repository: str, file: str, revision: str | None, again: bool) -> Path:
    what = f"{file} of {repository}" + (f" at {revision}" if revision else "")
    address = f"{constants.ENDPOINT}/{repository}"
    try:
        return Path(hf_hub_download(repository, file, revision=revision, force_download=again))
    except GatedRepoError as error:
        raise SightlineError(
            f"{what}: the repository is gated. Accept its terms at {address}, then set HF_TOKEN to "
            "a token of yours, or log in by `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise SightlineError(
            f"{what}: there is no repository {address}, or it is private. Check the name; for a "
            "private one set HF_TOKEN, or log in by `hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise SightlineError(f"{what}: {address} has no such revision.") from error
    except LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise MissingFileError(
                f"{what} is not in the cache, and HF_HUB_OFFLINE forbids to download it. Unset it. "
                + _ELSEWHERE
            ) from error
        reason = error.__cause__ or error
        raise SightlineError(
            f"{what}: {constants.ENDPOINT} could not be reached ({_line(reason)}). {_ELSEWHERE}"
        ) from error
    except EntryNotFoundError as error:
        raise MissingFileError(f"{what}: {address} holds no such file.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = "Check HF_TOKEN." if status in (401, 403) else "Try again later."
        raise SightlineError(f"{what}: the hub answered with {status}. {advice}") from error
    except Exception as error:
        # The client lets its HTTP library's errors through, which is another one by version.
        raise SightlineError(
            f"{what} could not be downloaded from {constants.ENDPOINT}: {_line(error)}. "
            "The download broke off or was refused; try again. " + _ELSEWHERE
        ) from error


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
