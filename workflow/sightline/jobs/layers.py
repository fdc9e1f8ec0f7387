"""Find a model's layers once, for all jobs that read one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.models.classifier import Classifier
from sightline.models.layers import Layer, choose_layer, layers_from_json, layers_to_json
from sightline.models.load import load_classifier

# Depths that studies ask for, pointed out in the table.
_USUAL = (0.25, 0.5, 0.75, 1.0)


def find_model_layers(
    spec: dict[str, Any], output: Path, *, weights: Path | None = None, sha256: str | None = None
) -> None:
    """Write the layers of a model.

    Parameters
    ----------
    spec
        The model's resolved specification.
    output
        JSON: ``size``, the height and width of the images they were found
        with, and ``layers``, each with its maps and its depth.
    weights, sha256
        As for `sightline.models.load.load_classifier`.
    """
    write_layers(load_classifier(spec, weights, sha256=sha256), output)


def write_layers(classifier: Classifier, output: Path) -> None:
    """Write the layers of a classifier, as `find_model_layers` does."""
    found = {
        "size": list(classifier.preprocessing.size),
        "layers": layers_to_json(classifier.layers),
    }
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")


def read_layers(path: Path, classifier: Classifier) -> tuple[Layer, ...]:
    """Layers that were found for a model before.

    Raises
    ------
    SightlineError
        Where they were found for images of another size.
    """
    found = json.loads(path.read_text())
    if tuple(found["size"]) != classifier.preprocessing.size:
        raise SightlineError(
            f"Model {classifier.name}: the layers in {path} were found for images of "
            f"{'x'.join(map(str, found['size']))} pixels, it now takes "
            f"{'x'.join(map(str, classifier.preprocessing.size))}. Delete the file."
        )
    return layers_from_json(found["layers"])


def layer_table(layers: tuple[Layer, ...]) -> str:
    """A table of layers for people, the ones for usual depths pointed out."""
    usual: dict[Layer, list[str]] = {}
    for depth in _USUAL:
        usual.setdefault(choose_layer(layers, depth), []).append(f"{depth:g}")
    rows = [("depth", "positions", "channels", "layout", "layer", "for depth")]
    for layer in layers:
        rows.append(
            (
                f"{layer.depth:.3f}",
                "+".join(f"{one.height}x{one.width}" for one in layer.maps),
                "+".join(str(one.channels) for one in layer.maps),
                layer.layout,
                layer.name,
                ", ".join(usual.get(layer, [])),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
