"""Times and sizes for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time: seconds, minutes or hours."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.0f} h" if seconds >= 36_000 else f"{seconds / 3600:.1f} h"


def size(bytes_: float) -> str:
    """A size in bytes: kB to TB."""
    for unit in ("kB", "MB", "GB", "TB"):
        bytes_ /= 1000
        if bytes_ < 999.5:
            return f"{bytes_:.3g} {unit}"
    return f"{bytes_:,.0f} TB"
