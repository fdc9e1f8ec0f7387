"""Ids of models, methods and studies, which become file names and wildcards."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from sightline.errors import SightlineError

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._@+-]*"
_ID = re.compile(ID_PATTERN)


def check_id(kind: str, value: str) -> str:
    """Return ``value`` if it may name a ``kind``, else say what may.

    Raises
    ------
    SightlineError
        If it contains anything but letters, digits and ``._@+-``.
    """
    if not _ID.fullmatch(value):
        raise SightlineError(
            f"{value!r} cannot be the id of a {kind}: ids become file names. Use letters, digits "
            f"and . _ @ + - after a first letter or digit."
        )
    return value


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def seed_of(*parts: str | int) -> int:
    """A 63-bit seed that depends on every part and on their order.

    Parameters
    ----------
    parts
        For a map: study seed, model id, method id, image id, role. Whatever is
        not named here (batch size, range, machine) cannot change the draws.
    """
    digest = hashlib.sha256(canonical_json(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
