"""Names of timm's models, read from its source: importing it takes seconds."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from sightline.errors import unknown

_REGISTERED = re.compile(r"@register_model\s+def (\w+)\(")
# Old names are keys of the dictionaries that register deprecations.
_DEPRECATED = re.compile(r"register_model_deprecations\(__name__, \{(.*?)\}\)", re.DOTALL)


@cache
def timm_names() -> frozenset[str]:
    """All model names of the installed timm; empty where it is not installed."""
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    names: set[str] = set()
    for path in Path(spec.submodule_search_locations[0], "models").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        names.update(_REGISTERED.findall(source))
        for block in _DEPRECATED.findall(source):
            names.update(re.findall(r"'(\w+)'[^:]*:", block))
    return frozenset(names)


def check_timm_name(name: str) -> None:
    """Refuse a name that timm does not know, before any job starts.

    Where timm is not installed beside the workflow (its jobs have conda
    environments of their own), the job that loads the model says it.

    Raises
    ------
    SightlineError
        With the nearest known name.
    """
    known = timm_names()
    if known and name.partition(".")[0] not in known:
        raise unknown("timm model", name, known)
