"""Models of torchvision: made, loaded and fed as torchvision itself does."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from sightline.errors import SightlineError, unknown
from sightline.models.digest import file_digest
from sightline.models.names import ModelName
from sightline.models.preprocessing import Preprocessing, from_preset

# The digest that file names of torchvision (and of torch.hub) end with.
_NAMED = re.compile(r"-([0-9a-f]{8,64})\.[^-]*$")


def named_digest(url: str) -> str:
    """The beginning of the SHA-256 that a file's name carries, empty if it carries none."""
    found = _NAMED.search(url)
    return found[1] if found else ""


def weights_of(name: ModelName) -> Any:
    """The member of torchvision's enumeration of a model's weights that a name means."""
    check_model(name)
    found = torchvision.models.get_model_weights(name.name).__members__
    tag = name.tag or "DEFAULT"
    if not found:
        raise SightlineError(f"torchvision has no weights of {name.name}.")
    if tag not in found:
        raise unknown(f"weights of torchvision's {name.name}", tag, found)
    return found[tag]


def check_model(name: ModelName) -> None:
    """Refuse a name that is no classifier of torchvision's."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name.name not in known:
        raise unknown("torchvision model", name.name, known)


def make_torchvision(name: ModelName, args: dict[str, Any], fetched: Path | None) -> nn.Module:
    """A model of torchvision, with random weights or with those of a fetched file.

    The weights are given to torchvision's own builder, which sets what belongs
    to them: GoogLeNet and Inception turn their input into another range and
    lose their auxiliary classifiers.
    """
    check_model(name)
    with warnings.catch_warnings():
        # GoogLeNet and Inception announce another default for the start of training.
        warnings.simplefilter("ignore", FutureWarning)
        if fetched is None:
            return torchvision.models.get_model(name.name, weights=None, **args)
        weights = weights_of(name)
        file = Path(weights.url).name
        if not file_digest(fetched).startswith(named_digest(file)):
            raise SightlineError(
                f"Model {name.name}: {fetched} is not {file}, which this version of torchvision "
                "takes. Delete it and run `snakemake prefetch`."
            )
        with _cache_of(file, fetched):
            return torchvision.models.get_model(name.name, weights=weights, progress=False, **args)


@contextmanager
def _cache_of(file: str, fetched: Path) -> Iterator[None]:
    """Let torch find a fetched file in its cache, so that it downloads nothing."""
    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory() as folder:
        cached = Path(folder, "checkpoints", file)
        cached.parent.mkdir()
        cached.symlink_to(fetched.resolve())
        try:
            torch.hub.set_dir(folder)
            yield
        finally:
            torch.hub.set_dir(before)


def torchvision_input(name: ModelName, args: dict[str, Any]) -> Preprocessing:
    """The preprocessing that belongs to weights; to the default ones where they are random."""
    own = from_preset(weights_of(name).transforms())
    side = args.get("image_size")
    return own if side is None else replace(own, size=(side, side))
