"""Figure of an experiment: what it gives of each method and model, controls and chance beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from sightline.plots.curves import draw_curves, space_of_curves
from sightline.plots.dots import draw_dots, space_of_dots
from sightline.plots.groups import empty_figure

_ARROWS = {"higher": " (higher is better)", "lower": " (lower is better)"}


@dataclass(frozen=True)
class Panel:
    """What one axis shows, of every model and method.

    Attributes
    ----------
    title
        Measure and variant.
    rows
        Rows of the experiment's table; with x where it is a curve.
    along
        What x is; empty where there is none.
    names
        Of the values of x, where these are no numbers.
    """

    title: str
    rows: pd.DataFrame
    along: str = ""
    names: tuple[str, ...] = ()


def experiment_figure(
    table: pd.DataFrame, question: str, over: Mapping[str, str], role: str, palette: str
) -> Figure:
    """Means of every method and model with their intervals, as dots or along a curve.

    Parameters
    ----------
    table
        See `sightline.jobs.experiments.experiment_table.merge_experiment`.
    question
        What the experiment asks.
    over
        Along what each measure is a curve; empty where it is one number.
    role
        Of which classes' maps.
    palette
        Colour map, where more is to be told apart than a few.
    """
    rows = table[(table["role"] == role) & table["mean"].notna()]
    rows = rows.assign(variant=rows["variant"].fillna(""), control=rows["control"].astype(bool))
    # Controls below all methods, each in the order of the study.
    rows = rows.sort_values("control", kind="stable")
    panels = [one for measure in over for one in _panels(rows, measure, over[measure])]
    dots, curves = ([one for one in panels if bool(one.along) == line] for line in (False, True))
    if not panels:
        return empty_figure("no map has a value")
    drawn = [(draw_dots, space_of_dots, dots), (draw_curves, space_of_curves, curves)]
    drawn = [one for one in drawn if one[2]]
    sizes = [space(own) for _, space, own in drawn]
    width, height = max(wide for wide, _ in sizes), sum(high for _, high in sizes)
    figure = plt.figure(figsize=(width, height + 0.4), layout="constrained")
    figure.suptitle(question, fontsize=10)
    heights = [high for _, high in sizes]
    parts = figure.subfigures(len(sizes), 1, squeeze=False, height_ratios=heights)
    for part, (draw, _, own) in zip(parts[:, 0], drawn, strict=True):
        draw(part, own, palette)
    return figure


def _panels(rows: pd.DataFrame, measure: str, over: str) -> Iterator[Panel]:
    own = rows[rows["measure"] == measure]
    if own.empty:
        return
    title = measure + _ARROWS.get(str(own["better"].iloc[0]), "")
    plain, points = own[own["x"].isna()], own[own["x"].notna()]
    variants = tuple(dict.fromkeys(plain["variant"]))
    if len(variants) > 1:
        ordered = all(one.isdecimal() for one in variants)
        place = {one: float(one) if ordered else at for at, one in enumerate(variants)}
        placed = plain.assign(x=plain["variant"].map(place).astype(float))
        yield Panel(title, placed, over or "variant", () if ordered else variants)
    elif variants:
        yield Panel(title + _of(variants[0]), plain)
    for variant, along in points.groupby("variant", sort=False):
        yield Panel(title + _of(str(variant)), along, over or "x")


def _of(variant: str) -> str:
    return f", {variant}" if variant else ""
