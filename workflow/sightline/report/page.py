"""A page of sections: each a question, its answer in sentences, a figure, a table.

Self-contained: no network, no script, figures inside. To add a section, write
a function that makes a `Section` of tables and name it in
`sightline.jobs.answers`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from sightline.report.template import PAGE


@dataclass(frozen=True)
class Section:
    """One question and its answer.

    Attributes
    ----------
    heading
        The question.
    sentences
        The answer, the shortest form first.
    details
        Longer answers, each under what it is about.
    figure
        An SVG file's text, or nothing.
    caption
        What the figure shows.
    table
        Numbers, as they are to be shown; the index, named and of text, says of what.
    notes
        How to read the table.
    """

    heading: str
    sentences: Sequence[str]
    details: Sequence[tuple[str, str]] = ()
    figure: str = ""
    caption: str = ""
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: Sequence[str] = ()


def render(title: str, sections: Sequence[Section]) -> str:
    """The page as HTML.

    Parameters
    ----------
    title
        Above all sections.
    sections
        In order.
    """
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page.filters["picture"] = _picture
    return page.from_string(PAGE).render(title=title, sections=sections)


def _picture(svg: str) -> Markup:
    """An SVG file as an element of a page: without what makes it a file, as wide as the text."""
    start = svg.index("<svg")
    return Markup(re.sub(r'^<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg[start:], count=1))
