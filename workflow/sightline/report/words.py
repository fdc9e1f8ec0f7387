"""How numbers and names are written in sentences and cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from sightline.compare.groups.verdict import number

# Names in a sentence; of more it says how many.
MOST = 6


def shown(value: float, digits: int = 2) -> str:
    """A number with so many decimals; a dash where there is none."""
    if pd.isna(value):
        return "-"
    text = f"{value:.{digits}f}"
    # No number is minus nought.
    return text.lstrip("-") if float(text) == 0 else text


def spanned(low: float, high: float) -> str:
    """An interval; a dash where there is none."""
    return "-" if pd.isna(low) or pd.isna(high) else f"{shown(low)} to {shown(high)}"


def percent(share: float) -> str:
    """A share in percent; a dash where there is none."""
    return "-" if pd.isna(share) else f"{share:.0%}"


def p_value(value: float) -> str:
    """A p-value; a dash where there is none."""
    return "-" if pd.isna(value) else number(value)


def counted(count: int, noun: str) -> str:
    """A number of things: 1 model, 2 models."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Iterable[str], most: int = MOST, separator: str = ", ") -> str:
    """Names, one after the other; of many the first, and how many more there are."""
    every = list(names)
    kept = every if len(every) <= most + 1 else every[:most]
    text = separator.join(kept)
    return text if len(kept) == len(every) else f"{text} and {len(every) - len(kept):,} more"


def of_all(count: int, total: int, noun: str) -> str:
    """A part of things: all 3 methods, 2 of 3 methods, the only method."""
    if total == 1:
        return f"the only {noun}"
    return f"all {total} {noun}s" if count == total else f"{count} of {total} {noun}s"


def ranged(values: pd.Series, names: Sequence[str], form: str = "{:.2f}") -> str:
    """The least and the greatest value, each with its name in brackets; equal ones without.

    Parameters
    ----------
    values
        At least one, none missing.
    names
        Of each.
    form
        How a value is written.
    """
    place = [int(values.to_numpy().argmin()), int(values.to_numpy().argmax())]
    low, high = (form.format(values.iloc[one]) for one in place)
    if low == high:
        return low
    return f"{low} ({names[place[0]]}) to {high} ({names[place[1]]})"
