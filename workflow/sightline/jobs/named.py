"""A classifier by what a person says of it, outside a study."""

from __future__ import annotations

from typing import Any

from sightline.models.classifier import Classifier
from sightline.models.load import load_classifier
from sightline.study.config import Model, validate_settings
from sightline.study.models import ResolvedModel, resolve_model


def load_named(given: dict[str, Any], device: str = "auto") -> tuple[ResolvedModel, Classifier]:
    """Load a model; its weights are downloaded first where they are not there yet.

    Parameters
    ----------
    given
        As in a configuration's ``models``.
    device
        Where it runs.
    """
    resolved = resolve_model("model", validate_settings("model", Model, given))
    needed = [one for one in (resolved.weights, resolved.repository_config) if one is not None]
    if resolved.fetched and not all(file.exists() for file in needed):
        from sightline.models.fetch import fetch_weights

        fetch_weights(resolved.spec["name"], *resolved.files)
    return resolved, load_classifier(resolved.spec, resolved.weights, device=device)
