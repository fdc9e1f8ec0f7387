"""Which models which methods cannot explain, known before any model is loaded.

The catalogue's ``fits`` ask a loaded model. `tools/fits.py` has asked them all of timm's and
torchvision's models once; here its table is read, without torch.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import sightline.methods
from sightline.methods.catalogue.entry import Method
from sightline.models.names import parse_name

TABLE = Path(sightline.methods.__file__).with_name("unfit.json")
# Stands in the table's reasons for the model's name.
WHO = "<model>"
# Arguments that change a model's size, not the kinds of its operations.
_HARMLESS = {
    "num_classes", "in_chans", "img_size", "image_size", "output_stride", "init_values",
    "block_config", "growth_rate", "drop_rate", "drop_path_rate",
}  # fmt: skip


def known_misfit(spec: dict[str, Any], method: Method) -> str | None:
    """Why a method cannot explain a model, as far as that is known without loading it.

    Parameters
    ----------
    spec
        The model's resolved specification.
    method
        The method.

    Returns
    -------
    str or None
        What the method's own check of the loaded model says. None where nothing
        speaks against it or nothing is known: of a function of one's own, a
        repository, or arguments that make another architecture. There the job
        says it.
    """
    if not method.fits or spec["args"].keys() - _HARMLESS:
        return None
    name = parse_name(spec["name"])
    if name.source not in ("timm", "torchvision"):
        return None
    model = name.name.partition(".")[0]
    reason = _reasons(method.fits).get(model if name.source == "timm" else f"torchvision:{model}")
    return reason and reason.replace(WHO, spec["name"])


@cache
def _reasons(check: str) -> dict[str, str]:
    """Each model's reason, of those that a check speaks against."""
    found = json.loads(TABLE.read_text()).get(check, {})
    return {model: reason for reason, models in found.items() for model in models.split()}
