"""Section: is a class known by something else than its object?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sightline.evaluate.experiments.biased_classes import fewest_images
from sightline.evaluate.experiments.class_states import ANSWERS, BIASED, OPEN, STATES, class_states
from sightline.report.page import Figure, Section
from sightline.report.words import counted, listed, of_all, ranged

HEADING = "Is a class known by something else than its object?"
_CAPTION = "share of the images of each class that keep their answer, by model."
_UNMARKED = (
    "A class that survives without a mark is what the model answers to an empty scene: others' "
    "images become it, too."
)
# Models in the table, names in a cell.
_ROWS, _NAMES = 16, 8
_NOTES = (
    "The object is taken out of each image that is answered rightly. By something else is a class "
    "known that more than half of its images keep, that other classes' images do not become, and "
    "whose maps prefer the object less than other classes' do. Answers alone: maps do not confirm "
    "it. Numbers are in tables/classes.",
)


def biased_section(
    tables: Mapping[str, pd.DataFrame], what: Mapping[str, str], role: str
) -> Section:
    """Which classes survive without their object, and of which it cannot be decided.

    Parameters
    ----------
    tables
        Of each experiment that says something of each class, see
        `sightline.evaluate.experiments.survival.by_class`.
    what
        Of each the label of what is taken out; empty for the object of the image's class.
    role
        Of which classes' maps: the study's first role.
    """
    own = {name: table[table["role"] == role] for name, table in tables.items()}
    asked = {name: class_states(table) for name, table in own.items() if not what[name]}
    sentences = [
        f"{name}: {sentence}" if len(asked) > 1 else sentence
        for name, states in asked.items()
        for sentence in _told(states)
    ]
    others = [_other(name, table, what[name]) for name, table in own.items() if what[name]]
    rows = {
        f"{model} ({name})" if len(asked) > 1 else str(model): group
        for name, states in asked.items()
        for model, group in states.groupby("model", sort=False)
    }
    hidden = len(rows) - _ROWS
    return Section(
        HEADING,
        [*sentences, *others],
        short=_short(pd.concat(asked.values())) if asked else "",
        figures=[
            Figure(
                f"classes/{name}", f"{name}: {_CAPTION} {'' if what[name] else _UNMARKED}".strip()
            )
            for name in own
        ],
        table=_table(dict(list(rows.items())[:_ROWS])),
        notes=[*_NOTES, *([f"{counted(hidden, 'row')} more: tables/classes."] * (hidden > 0))],
    )


def _told(states: pd.DataFrame) -> list[str]:
    if states.empty:
        return ["Not known: no image is answered rightly, or on none of those the object is known."]
    by_state = {state: states[states["state"] == state] for state in STATES}
    biased, answers, undecided = (by_state[state] for state in (BIASED, ANSWERS, OPEN))
    told = []
    if len(biased):
        names = [
            f"{row['class']} on {row['model']} ({row['times']} of "
            f"{counted(row['of'], 'combination')} of method and filling)"
            for _, row in biased.iterrows()
        ]
        told = [f"Known by something else than its object: {listed(names, separator='; ')}."]
    elif len(undecided) < len(states):
        told = ["No class of any model is shown to be known by something else than its object."]
    if len(answers):
        names = [f"{row['class']} on {row['model']}" for _, row in answers.iterrows()]
        told.append(f"The answers alone say so, and no method's maps: {listed(names)}.")
    if len(undecided):
        told.append(_undecided(states, undecided))
    return told


def _undecided(states: pd.DataFrame, undecided: pd.DataFrame) -> str:
    where = []
    for model, rows in undecided.groupby("model", sort=False):
        every = len(rows) == int((states["model"] == model).sum())
        where.append(f"{'any class' if every else listed(rows['class'], _NAMES)} on {model}")
    classes = max(2, int(states.groupby("model").size().max()))
    low, high = undecided["images"].min(), undecided["images"].max()
    there = counted(low, "image") if low == high else f"{low} to {high} images"
    return (
        f"It cannot be decided for {listed(where, 3, '; ')}: with {there} a class that count, p "
        "would not be low enough if all of them kept their answer. It takes at least "
        f"{fewest_images(classes)} of each of {classes} classes, answered rightly and with the "
        "object known. That nothing is found there does not mean that there is no bias."
    )


def _other(name: str, table: pd.DataFrame, what: str) -> str:
    """Of another thing that is taken out, there is no verdict: a class should keep its answers."""
    if table.empty:
        return f"Without {what} ({name}): no image that is answered rightly has one in sight."
    told = []
    for label, rows in table.groupby("class", sort=False):
        kept = rows.groupby("model", sort=False)["survival"].mean()
        told.append(f"{label} {ranged(kept, list(map(str, kept.index)), '{:.0%}')}")
    return (
        f"Without {what} ({name}), of the images that were answered rightly so many keep their "
        f"answer: {listed(told)}. A class of which few do is known by it."
    )


def _short(states: pd.DataFrame) -> str:
    biased = states[states["state"] == BIASED]
    if len(biased):
        total = states["model"].nunique()
        of_models = biased["model"].nunique()
        return f"{listed(biased['class'].unique(), 3)} on {of_all(of_models, total, 'model')}"
    if states.empty:
        return "not known"
    return OPEN if (states["state"] == OPEN).all() else "no class is shown to be"


def _table(rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    cells = {
        model: {
            state: listed(group.loc[group["state"] == state, "class"], _NAMES) or "-"
            for state in STATES
        }
        for model, group in rows.items()
    }
    return pd.DataFrame.from_dict(cells, orient="index").rename_axis("model")
