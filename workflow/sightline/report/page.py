"""A page of sections: each a question, its answer in sentences, figures, a table.

Self-contained: no network, no script, figures inside. To add a section, write
a function that makes a `Section` of tables and name it in
`sightline.jobs.answers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from sightline.report.template import PAGE


@dataclass(frozen=True)
class Figure:
    """A figure of the study.

    Attributes
    ----------
    name
        Its file below the folder of figures, without suffix.
    caption
        What it shows.
    """

    name: str
    caption: str


@dataclass(frozen=True)
class Section:
    """One question and its answer.

    Attributes
    ----------
    heading
        The question.
    sentences
        The answer, the shortest form first; empty ones are left out.
    short
        The answer in a few words, for the table of contents.
    details
        Longer answers, each under what it is about. They fold away.
    figures
        Shown where they are drawn.
    table
        Numbers, as they are to be shown; the index, named and of text, says of what.
    columns
        Of the table's columns that need it, what they mean: below it, and as their titles.
    more
        More numbers, which fold away with the details.
    notes
        How to read the tables; they fold away with details.
    """

    heading: str
    sentences: Sequence[str]
    short: str = ""
    details: Sequence[tuple[str, str]] = ()
    figures: Sequence[Figure] = ()
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    columns: Mapping[str, str] = field(default_factory=dict)
    more: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: Sequence[str] = ()


def render(
    title: str, sections: Sequence[Section], drawn: Mapping[str, str] | None = None, lead: str = ""
) -> str:
    """The page as HTML.

    Parameters
    ----------
    title
        Above all sections.
    sections
        In order.
    drawn
        SVG text of figures, by name; others are not shown.
    lead
        What the page is about, below the title.
    """
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page.filters["picture"] = _picture
    return page.from_string(PAGE).render(
        title=title, lead=lead, sections=sections, drawn=drawn or {}
    )


def _picture(svg: str, name: str) -> Markup:
    """An SVG file as an element of a page: without what makes it a file, as wide as the text.

    Files have ids in common (``axes_1``), which one page may hold once.
    """
    text = re.sub(r'^<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg[svg.index("<svg") :], count=1)
    own = re.sub(r"\W", "_", name)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{own}-", text)
    return Markup(text)
