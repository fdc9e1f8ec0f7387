"""Download a file by its address: complete and as its digest says, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from sightline.errors import SightlineError
from sightline.files import replacing

_CHUNK = 1 << 20
_SECONDS = 60  # without a byte


def download(url: str, output: Path, digest: str) -> None:
    """Download a file.

    Parameters
    ----------
    url
        http, https or file.
    output
        File to write.
    digest
        ``sha256:`` or ``md5:`` and the digest in hexadecimal, or its beginning.

    Raises
    ------
    SightlineError
        Saying why, where the file cannot be had or is another one.
    """
    if not url.startswith(("http://", "https://", "file://")):
        raise SightlineError(f"{url} cannot be downloaded: expected http://, https:// or file://.")
    kind, _, expected = digest.partition(":")
    found = hashlib.new(kind, usedforsecurity=False)
    with replacing(output) as temporary:
        try:
            with (
                urllib.request.urlopen(url, timeout=_SECONDS) as response,
                temporary.open("wb") as f,
            ):
                length = response.headers.get("Content-Length")
                while part := response.read(_CHUNK):
                    found.update(part)
                    f.write(part)
                size = f.tell()
        except urllib.error.HTTPError as error:
            error.close()
            raise SightlineError(_refused(url, error.code, error.reason)) from error
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise SightlineError(
                f"{url} could not be reached or broke off: {reason}. "
                "Run on a machine with a network, or try again."
            ) from error
        if length is not None and size != int(length):
            raise SightlineError(
                f"{url} broke off after {size:,} of {int(length):,} bytes. Try again."
            )
        if not found.hexdigest().startswith(expected):
            raise SightlineError(
                f"{url} has the {kind} {found.hexdigest()}, expected {expected}: the download is "
                "damaged, or the file was changed there. Nothing was kept."
            )


def _refused(url: str, status: int, reason: str) -> str:
    advice = {
        401: "It asks for a login.",
        403: "Access is refused.",
        404: "There is no such file: check the address.",
    }
    return f"{url} was answered with {status} {reason}. {advice.get(status, 'Try again later.')}"
