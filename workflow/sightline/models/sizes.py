"""How large a model is, known before it is loaded: of all of timm, torchvision and the zoo.

`tools/sizes.py` has passed an image through each of them; here its table is read, without torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from sightline.models.names import parse_name

TABLE = Path(__file__).with_name("sizes.json")
# Arguments that change no more than a model's last layer.
_HARMLESS = {"num_classes", "drop_rate", "drop_path_rate"}
# Those that say the images' side.
_SIDES = ("img_size", "image_size")


@dataclass(frozen=True)
class Size:
    """What one image of a model's input size takes.

    Attributes
    ----------
    height, width
        Of the input, in pixels.
    gmacs
        Multiplications with additions of a forward pass, in 1e9: products of matrices,
        convolutions, attention.
    weights
        In millions.
    outputs
        Values that all innermost modules put out in a forward pass, in millions.
    kept
        Values that a forward pass keeps for the gradient at the image, besides weights, in
        millions.
    known
        Whether the model is in the table; else this is `UNKNOWN` at the model's side.
    """

    height: int
    width: int
    gmacs: float
    weights: float
    outputs: float
    kept: float
    known: bool = True

    def at(self, height: int, width: int) -> Size:
        """The same model with other images: everything but its weights goes with their pixels.

        Attention goes with their square; at 384 pixels a ViT-B/16 takes a twelfth more than this
        says from 224.
        """
        more = height * width / (self.height * self.width)
        return replace(
            self,
            height=height,
            width=width,
            gmacs=self.gmacs * more,
            outputs=self.outputs * more,
            kept=self.kept * more,
        )


# A model of which nothing is known is taken to be a ViT-B/16: larger than most.
UNKNOWN = Size(224, 224, 17.6, 86.6, 59.0, 25.9, known=False)


def size_of(spec: dict[str, Any], architecture: str = "") -> Size:
    """The size of a model.

    Parameters
    ----------
    spec
        Its resolved specification.
    architecture
        Of a repository of the hub, timm's name of what is in it, where that is known.
    """
    args = spec["args"]
    size = _tabled(spec["name"], args, architecture)
    given = spec["input"]["size"] or next((args[key] for key in _SIDES if key in args), None)
    if given is None:
        return size
    height, width = (given, given) if isinstance(given, int) else given
    return size.at(height, width)


def _tabled(text: str, args: dict[str, Any], architecture: str) -> Size:
    """The table's size of a model, at the side of its weights."""
    name = parse_name(text)
    if name.source == "hf-hub" and architecture:
        return _tabled(architecture, args, "")
    if name.source not in ("timm", "torchvision"):
        return UNKNOWN
    base = name.name.partition(".")[0]
    key = base if name.source == "timm" else f"torchvision:{base}"
    table = _table()
    # The zoo's models are shaped by their arguments and stand there with them.
    with_args = f"{key} {json.dumps(args, sort_keys=True, separators=(',', ':'))}"
    row = table["models"].get(with_args) or table["models"].get(key)
    if row is None:
        return UNKNOWN
    side, gmacs, weights, outputs, kept = row
    exact = with_args in table["models"] or not args.keys() - _HARMLESS - set(_SIDES)
    size = Size(int(side), int(side), gmacs, weights, outputs, kept, exact)
    side = table["sides"].get(text)
    return size if side is None else size.at(side, side)


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(TABLE.read_text())
    return found
