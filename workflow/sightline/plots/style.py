"""One look for all figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sightline.errors import SightlineError
from sightline.files import replacing

# Models that can be named in a plane; of more, only where they lie can be shown.
NAMED = 60
# Models that are drawn beside each other in every row of a figure; of more their mean is.
APART = 6
# Colours that are told apart by themselves.
_TOLD_APART = 10


@contextmanager
def house_style() -> Iterator[None]:
    """Plain axes; text in an SVG stays text, and its ids are the same every time."""
    with (
        sns.axes_style("ticks"),
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "sightline", "figure.dpi": 120}),
    ):
        yield


def save(figure: Figure, path: Path) -> None:
    """Write a figure, without the date, and close it."""
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with replacing(path) as temporary:
        figure.savefig(temporary, bbox_inches="tight", metadata=metadata)
    plt.close(figure)


def check_palette(name: str) -> str:
    """Return the name of a colour map that exists.

    Raises
    ------
    SightlineError
        For any other.
    """
    try:
        sns.color_palette(name, as_cmap=True)
    except ValueError as error:
        raise SightlineError(f"figures: {name!r} is no colour map of matplotlib.") from error
    return name


def family_colours(families: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """A colour for each family, told apart by colour-blind readers."""
    names = sorted(set(families))
    return dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))


def family_legend(
    axes: Axes, families: Mapping[str, str], bbox_to_anchor: tuple[float, float]
) -> None:
    """Say which colour is which family."""
    colours = family_colours(list(families.values()))
    marks = [
        Line2D([], [], marker="s", ls="", color=colour, label=name)
        for name, colour in colours.items()
    ]
    axes.legend(
        handles=marks, frameon=False, loc="upper left", bbox_to_anchor=bbox_to_anchor, fontsize=8
    )


def many_colours(names: Sequence[str], palette: str) -> dict[str, tuple[float, float, float]]:
    """A colour for each name: told apart by colour-blind readers, or of a colour map where many."""
    kind = "colorblind" if len(names) <= _TOLD_APART else palette
    return dict(zip(names, sns.color_palette(kind, len(names)), strict=True))
