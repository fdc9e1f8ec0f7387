"""Many ranges in few words: those that follow each other, as a command is told of them.

A hundred thousand names are longer than an argument of a command may be (128 kB on Linux).
"""

from __future__ import annotations

from collections.abc import Sequence

from sightline.errors import SightlineError
from sightline.study.ranges import Range, parse_range


def shorten(names: Sequence[str]) -> list[str]:
    """Names of ranges in a form that a command has room for, however many they are.

    Parameters
    ----------
    names
        Of ranges, in order.

    Returns
    -------
    list of str
        Three or more that follow each other, all of one length but the last, which may
        be shorter, as ``FIRST-LAST/LENGTH``: ``000000-000999/8``. The others as they are.
    """
    found, run = [], list[Range]()
    for one in map(parse_range, names):
        if not _continues(run, one):
            found += _written(run)
            run = []
        run.append(one)
    return found + _written(run)


def lengthen(names: Sequence[str]) -> list[str]:
    """The names of ranges that `shorten` wrote.

    Raises
    ------
    SightlineError
        For what is neither a range nor a run of them.
    """
    found = []
    for name in names:
        whole, slash, length = name.partition("/")
        one = parse_range(whole)
        if not slash:
            found.append(name)
        elif not length.isdecimal() or int(length) < 1:
            raise SightlineError(
                f"{name!r} should end in how many images a range has, as in 000000-000999/8."
            )
        else:
            starts = range(one.start, one.stop, int(length))
            found += [Range(at, min(at + int(length), one.stop)).name for at in starts]
    return found


def _continues(run: list[Range], one: Range) -> bool:
    """Whether a range follows those of a run, which end with the first shorter one."""
    if not run:
        return True
    length = len(run[0])
    return one.start == run[-1].stop and len(run[-1]) == length and len(one) <= length


def _written(run: list[Range]) -> list[str]:
    if len(run) < 3:
        return [one.name for one in run]
    return [f"{Range(run[0].start, run[-1].stop).name}/{len(run[0])}"]
