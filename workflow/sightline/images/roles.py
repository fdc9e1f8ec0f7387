"""Roles: which of a model's outputs is explained on an image.

predicted       the model's answer
top2 to top5    its next best answers
label           the image's own class
class:<number>  an output by its number
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

# Answers of a model by rank, the best first.
RANKED = ("predicted", "top2", "top3", "top4", "top5")
# For messages.
EXPECTED = "predicted, label, top2 to top5, class:<number>"
_CLASS = re.compile(r"class:([0-9]+)")


@dataclass(frozen=True)
class Role:
    """What a role means.

    Attributes
    ----------
    kind
        Whether it is an answer by its rank, the image's label, or an output by its number.
    number
        The rank, from 1, or the output, from 0; 0 of a label.
    """

    kind: Literal["rank", "label", "class"]
    number: int


def parse_role(text: str) -> Role | None:
    """A role by its name; none where no role is called so."""
    if text in RANKED:
        return Role("rank", RANKED.index(text) + 1)
    if text == "label":
        return Role("label", 0)
    found = _CLASS.fullmatch(text)
    return Role("class", int(found[1])) if found else None
