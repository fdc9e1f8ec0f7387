"""For notebooks: one line explains a photograph, another opens a study's results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sightline.notebook.explained import Explained
    from sightline.notebook.explaining import explain
    from sightline.notebook.opening import open_study

__all__ = ["Explained", "explain", "open_study"]


def __getattr__(name: str) -> Any:
    # Results are read without torch, photographs explained without xarray.
    if name == "Explained":
        from sightline.notebook.explained import Explained

        return Explained
    if name == "explain":
        from sightline.notebook.explaining import explain

        return explain
    if name == "open_study":
        from sightline.notebook.opening import open_study

        return open_study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
