"""A classifier by what a person says of it, outside a study."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sightline.jobs.layers import read_layers
from sightline.models.classifier import Classifier
from sightline.models.load import load_classifier
from sightline.study.config import Model, validate_settings
from sightline.study.models import FETCHED, ZOO, ResolvedModel, resolve_model

# The folder that the package lies in, where it was not installed away from it.
CHECKOUT = Path(__file__).resolve().parents[3]


def load_named(given: dict[str, Any], device: str = "auto") -> tuple[ResolvedModel, Classifier]:
    """Load a model; its weights are downloaded first where they are not there yet.

    A study's files lie below the folder where it runs. A person may be
    anywhere: outside a project's folder (one with ``resources/zoo`` or
    ``resources/weights``) the shipped zoo and downloads are those of the
    checkout that this package lies in, if there is one and it is writable.

    Parameters
    ----------
    given
        As in a configuration's ``models``.
    device
        Where it runs.
    """
    zoo, downloads = _folders()
    model = validate_settings("model", Model, given)
    resolved = resolve_model("model", model, zoo=zoo, downloads=downloads)
    needed = [one for one in (resolved.weights, resolved.repository_config) if one is not None]
    if resolved.fetched and not all(file.exists() for file in needed):
        from sightline.models.fetch import fetch_weights

        fetch_weights(resolved.spec["name"], *resolved.files)
    sha256 = None
    # Weights that somebody put there have no digest.
    if resolved.fetched and (digest := resolved.files[1]).is_file():
        sha256 = digest.read_text().strip()
    classifier = load_classifier(resolved.spec, resolved.weights, sha256=sha256, device=device)
    if resolved.layers is not None:
        classifier.known_layers = read_layers(resolved.layers, classifier)
    return resolved, classifier


def _folders() -> tuple[Path, Path]:
    """Where the zoo and downloads are."""
    shipped = CHECKOUT / ZOO
    if ZOO.is_dir() or not shipped.is_dir():
        return ZOO, FETCHED
    # A checkout that several people share may not be writable.
    own = FETCHED.is_dir() or not os.access(shipped.parent, os.W_OK)
    return shipped, FETCHED if own else CHECKOUT / FETCHED
