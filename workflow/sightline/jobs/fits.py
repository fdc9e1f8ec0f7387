"""Which methods cannot explain a model that is loaded."""

from __future__ import annotations

from sightline.errors import SightlineError
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.catalogue.entry import Method
from sightline.models.classifier import Classifier


def misfits(classifier: Classifier) -> dict[str, str]:
    """The methods that cannot explain a classifier, and why.

    What their own checks say, and of those that read a layer where there is none.
    """
    found = {name: _reason(method, classifier) for name, method in CATALOGUE.items()}
    return {name: reason for name, reason in found.items() if reason}


def _reason(method: Method, classifier: Classifier) -> str | None:
    if method.needs_layer:
        try:
            _ = classifier.layers
        except SightlineError as error:
            return str(error)
    return method.misfit(classifier)
