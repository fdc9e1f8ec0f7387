"""Sightline shows where image classifiers look, and whether they agree.

In a notebook, `sightline.explain(model, "photo.jpg")` explains one photograph, and
`sightline.open_study("results/demo")` opens what a study has made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sightline.notebook import explain, open_study

__version__ = "0.1.0"
__all__ = ["explain", "open_study"]


def __getattr__(name: str) -> Any:
    # The command line and the workflow import this package all the time: only a
    # notebook waits for torch, or xarray.
    if name in __all__:
        import sightline.notebook

        return getattr(sightline.notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
