"""The exceptions that a user sees as a message, never as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SightlineError(Exception):
    """Wrong input: says what was expected, what came, where, and what to do."""


class DamagedError(SightlineError):
    """A file of results that is not what was written: to delete it and run again mends it."""


def unknown(kind: str, name: str, known: Iterable[str]) -> SightlineError:
    """An error for a name that is not known, with the nearest known one.

    Parameters
    ----------
    kind
        What the name should have been, e.g. ``"method"``.
    name
        The name that came.
    known
        All names that would have been right.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    shown = ", ".join(names) if len(names) <= 40 else f"{', '.join(names[:40])}, ..."
    return SightlineError(f"Unknown {kind} {name!r}. {hint}Known: {shown}.")
