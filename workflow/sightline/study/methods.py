"""Methods of a study with every setting filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sightline.errors import SightlineError
from sightline.methods.catalogue import find_method
from sightline.methods.catalogue.entry import Method
from sightline.study.config import validate_settings
from sightline.study.ranges import range_length


@dataclass(frozen=True)
class ResolvedMethod:
    """A method with all its settings, and the images a job of it takes."""

    method: Method
    settings: dict[str, Any]
    range_length: int

    @property
    def spec(self) -> dict[str, Any]:
        """What decides its maps, besides its code."""
        return {"method": self.method.name, "settings": self.settings}


def resolve_method(method_id: str, given: dict[str, Any]) -> ResolvedMethod:
    """Fill in a method's settings; ``gradcam@0.25`` abbreviates a depth."""
    where = f"methods.{method_id}"
    settings = dict(given)
    name, _, depth = method_id.partition("@")
    if depth and "method" not in settings:
        try:
            settings.setdefault("depth", float(depth))
        except ValueError as error:
            raise SightlineError(f"{where}: after @ a depth is expected, got {depth!r}.") from error
    method = find_method(str(settings.pop("method", name)))
    complete = validate_settings(where, method.settings, settings)
    return ResolvedMethod(
        method, complete.model_dump(mode="json"), range_length(method.cost(complete).passes)
    )
