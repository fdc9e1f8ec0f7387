"""Section: are there artefacts?"""

from __future__ import annotations

import pandas as pd

from sightline.compare.artefacts.table import LEVEL
from sightline.report.page import Figure, Section
from sightline.report.words import counted, listed, of_all, p_value, percent, shown

HEADING = "Are there artefacts?"
# Flagged maps in the table, and figures.
_ROWS, _DRAWN = 10, 2
_WORDS = {
    "grid": "a grid of patches or strides",
    "border": "maxima at the border",
    "corner": "maxima in one corner",
}
_NOTES = (
    "Grid: energy on the lattice over that beside it; reference: the same under random shifts. "
    "Border and corner: share of images whose maximum lies there; reference: the area's share.",
    "p is corrected over the models of a method. Flagged is what is significant and large.",
)


def artefacts_section(artefacts: pd.DataFrame) -> Section:
    """What is flagged, and where.

    Parameters
    ----------
    artefacts
        See `sightline.jobs.merging.artefacts.find_method_artefacts`.
    """
    flagged = artefacts[artefacts["flagged"].eq(True)].sort_values(
        ["p_corrected", "effect"], ascending=[True, False], kind="stable"
    )
    tried = artefacts[artefacts["flagged"].notna()]
    sentences = [_first(flagged, tried), *_kinds(flagged), _untried(artefacts), _hopeless(tried)]
    hidden = len(flagged) - _ROWS
    return Section(
        HEADING,
        sentences,
        short=_short(flagged, tried),
        figures=[
            Figure(f"{method}/artefacts", f"Mean maps, their spectra and their borders, {method}.")
            for method in flagged["method"].drop_duplicates().iloc[:_DRAWN]
        ],
        table=_table(flagged.head(_ROWS)),
        notes=[
            *(_NOTES if len(flagged) else ()),
            *([f"{hidden:,} more flagged: tables/artefacts.csv."] if hidden > 0 else []),
        ],
    )


def _short(flagged: pd.DataFrame, tried: pd.DataFrame) -> str:
    if tried.empty:
        return "not known"
    if flagged.empty:
        return "nothing is flagged"
    return ", ".join(
        f"{name} {counted(int(count), 'time')}"
        for name, count in flagged["artefact"].value_counts().items()
    )


def _first(flagged: pd.DataFrame, tried: pd.DataFrame) -> str:
    if tried.empty:
        return "Not known: no map could be looked at."
    where = (
        f"{counted(len(tried), 'test')}: {counted(tried['model'].nunique(), 'model')}, "
        f"{counted(tried['method'].nunique(), 'method')}, "
        f"{listed(tried['artefact'].drop_duplicates())}"
    )
    if flagged.empty:
        return f"Nothing is flagged in {where}."
    models, methods = (
        of_all(flagged[one].nunique(), tried[one].nunique(), one) for one in ("model", "method")
    )
    return (
        f"Maps of {models} have an artefact, under {methods} ({len(flagged):,} flagged in {where})."
    )


def _kinds(flagged: pd.DataFrame) -> list[str]:
    """A sentence an artefact: of which models and methods, the clearest first."""
    sentences = []
    for artefact, own in flagged.groupby("artefact", sort=False):
        by_method = [
            f"{method}: " + listed((_case(row) for _, row in rows.iterrows()), 3)
            for method, rows in own.groupby("method", sort=False)
        ]
        words = _WORDS[str(artefact)]
        sentences.append(f"{words[0].upper()}{words[1:]} ({listed(by_method, 3, '; ')}).")
    return sentences


def _case(row: pd.Series) -> str:
    p = f"p {p_value(row['p_corrected'])}"
    if row["artefact"] == "grid":
        return f"{row['model']} (every {row['period']:.0f} positions, {p})"
    where = f"{row['corner']}, " if row["artefact"] == "corner" else ""
    return f"{row['model']} ({where}{percent(row['value'])} of images, {p})"


def _untried(artefacts: pd.DataFrame) -> str:
    missing = artefacts[artefacts["flagged"].isna()]
    if missing.empty:
        return ""
    reasons = missing["reason"].fillna("unknown").value_counts()
    told = listed((f"{reason} ({count:,})" for reason, count in reasons.items()), 2)
    return f"{counted(len(missing), 'test')} could not be made: {told}."


def _hopeless(tried: pd.DataFrame) -> str:
    count = int((tried["smallest_p"] > LEVEL).sum())
    if not count:
        return ""
    return f"{counted(count, 'test')} could have flagged nothing, from so few images."


def _table(flagged: pd.DataFrame) -> pd.DataFrame:
    rows = [row for _, row in flagged.iterrows()]
    index = pd.MultiIndex.from_frame(flagged[["method", "model", "artefact"]].astype(str))
    return pd.DataFrame(
        {
            "where": [
                f"period {row['period']:.0f}"
                if row["artefact"] == "grid"
                else (row["corner"] if row["artefact"] == "corner" else "all around")
                for row in rows
            ],
            "value": [shown(row["value"]) for row in rows],
            "reference": [shown(row["reference"]) for row in rows],
            "p": [p_value(row["p_corrected"]) for row in rows],
        },
        index=index,
    )
