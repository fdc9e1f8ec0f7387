"""Bring a model's weights to this machine, where there is a network; jobs need none.

Whatever the origin, a file is written once it is known to be what its origin
says. Weights of timm and the hub are kept as safetensors, a pickle being
converted; those of torchvision as they are, since torchvision loads them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import timm
from safetensors.torch import load_file, save_file
from timm.models import get_pretrained_cfg

from sightline.download import download
from sightline.errors import SightlineError, unknown
from sightline.files import replacing
from sightline.models.checkpoint import read_state
from sightline.models.digest import write_digest
from sightline.models.hub import MissingFileError, hub_file
from sightline.models.names import parse_name
from sightline.models.sources import write_tag
from sightline.models.vision import named_digest, weights_of

_INSTEAD = "Name a file by weights:, or set pretrained: false for random weights."


def fetch_weights(name: str, output: Path, digest: Path, config: Path | None = None) -> None:
    """Download the weights of a model.

    Parameters
    ----------
    name
        As in a configuration: a timm model, ``hf-hub:...`` or ``torchvision:...``.
    output
        Weights file to write.
    digest
        Where its SHA-256 goes.
    config
        Where a repository's own configuration goes; for ``hf-hub:`` alone.

    Raises
    ------
    SightlineError
        Where the model has no weights to download, or they cannot be had.
    """
    parsed = parse_name(name)
    if parsed.source == "timm":
        _fetch_timm(parsed.name, output)
        write_tag(parsed.name, output)
    elif parsed.source == "hf-hub" and config is not None:
        _fetch_repository(parsed.name, output, config)
    elif parsed.source == "torchvision":
        with _downloaded(weights_of(parsed).url, output) as found:
            read_state(found, name)
            found.replace(output)
    else:
        raise SightlineError(f"Model {name} has no weights to download. {_INSTEAD}")
    write_digest(output, digest)


def _fetch_timm(name: str, output: Path) -> None:
    if not timm.is_model(name):
        raise unknown("timm model", name.partition(".")[0], timm.list_models())
    try:
        origin = get_pretrained_cfg(name)
    except RuntimeError as error:
        raise SightlineError(f"Model {name}: {error}. {_INSTEAD}") from error
    if origin is None or not origin.has_weights:
        raise SightlineError(f"timm knows no weights of {name}. {_INSTEAD}")
    if not origin.num_classes:
        raise SightlineError(
            f"The weights of {name} are of a model without classes, which cannot be explained. "
            + _INSTEAD
        )
    if origin.hf_hub_id and not str(origin.hf_hub_filename).endswith(".npz"):
        repository, _, revision = origin.hf_hub_id.partition("@")
        files = [origin.hf_hub_filename] if origin.hf_hub_filename else []
        _from_repository(repository, revision or None, output, name, files)
    elif isinstance(origin.url, str) and not origin.custom_load:
        with _downloaded(origin.url, output) as found:
            _convert(found, output, name)
    else:
        where = origin.url or origin.file or origin.hf_hub_id
        raise SightlineError(
            f"The weights of {name} are at {where}, in a format of their own that only timm's "
            f"code for this model reads: not supported. {_INSTEAD}"
        )


def _fetch_repository(name: str, output: Path, config: Path) -> None:
    repository, _, revision = name.partition("@")
    found = hub_file(repository, "config.json", revision or None)
    try:
        architecture = json.loads(found.read_text(encoding="utf-8")).get("architecture")
    except (ValueError, AttributeError) as error:
        raise SightlineError(f"config.json of {repository} is no JSON object: {error}.") from error
    if not isinstance(architecture, str) or not timm.is_model(architecture):
        raise SightlineError(
            f"config.json of {repository} names {architecture!r} as its architecture, which is no "
            "model of timm: only timm's models are loaded by hf-hub:. For others write a factory, "
            "package.module:function."
        )
    _from_repository(repository, revision or None, output, name, [])
    with replacing(config) as temporary:
        shutil.copyfile(found, temporary)


def _from_repository(
    repository: str, revision: str | None, output: Path, name: str, files: list[str]
) -> None:
    missing: list[MissingFileError] = []
    for file in files or ["model.safetensors", "pytorch_model.bin"]:
        try:
            found = hub_file(repository, file, revision)
        except MissingFileError as error:
            missing.append(error)
            continue
        _convert(found, output, name)
        return
    raise missing[0]


@contextmanager
def _downloaded(url: str, output: Path) -> Iterator[Path]:
    """A file that is there within the context, beside where its content goes."""
    path = output.with_name(f".{output.stem}.{os.getpid()}.download{Path(url).suffix}")
    try:
        download(url, path, f"sha256:{named_digest(url)}")
        yield path
    finally:
        path.unlink(missing_ok=True)


def _convert(found: Path, output: Path, name: str) -> None:
    """Keep a weights file as safetensors; a pickle is read without running code."""
    if found.suffix == ".safetensors":
        with replacing(output) as temporary:
            shutil.copyfile(found, temporary)
            read_state(temporary, name)
        return
    state = read_state(found, name)
    with replacing(output) as temporary:
        # Weights shared by two layers are stored for both.
        save_file({key: value.clone().contiguous() for key, value in state.items()}, temporary)
        load_file(temporary)
