"""In what numbers a model computes; read with the configuration, so nothing here imports torch."""

from __future__ import annotations

from typing import Literal, cast, get_args

from sightline.errors import unknown

Precision = Literal["float32", "bfloat16", "float16"]


def as_precision(name: str) -> Precision:
    """A precision by its name.

    Raises
    ------
    SightlineError
        For another name.
    """
    if name not in get_args(Precision):
        raise unknown("precision", name, get_args(Precision))
    return cast(Precision, name)
