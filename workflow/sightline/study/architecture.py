"""What is in a repository of the hub, once it was fetched."""

from __future__ import annotations

import json

from sightline.errors import SightlineError
from sightline.study.models import ResolvedModel


def architecture_of(model: ResolvedModel) -> str:
    """The name that timm has for what a fetched repository holds; nothing where that is not known.

    Raises
    ------
    SightlineError
        Where its configuration cannot be read.
    """
    path = model.repository_config
    if path is None or not path.exists():
        return ""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return str(found.get("architecture", ""))
    except (ValueError, AttributeError) as error:
        raise SightlineError(
            f"{path} is no configuration of a model: {error}. Delete it and run `snakemake "
            "prefetch` again."
        ) from error
