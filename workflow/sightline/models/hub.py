"""Download weights from the model hub, where there is a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import timm
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from timm.models import get_pretrained_cfg

from sightline.errors import SightlineError, unknown
from sightline.files import replacing
from sightline.models.digest import file_digest

_FILE = "model.safetensors"


def fetch_weights(name: str, output: Path, digest: Path) -> None:
    """Download the weights of a timm model.

    Parameters
    ----------
    name
        With or without the tag of its training, e.g. ``resnet18.a1_in1k``.
    output
        Safetensors file to write.
    digest
        Where its SHA-256 goes.

    Raises
    ------
    SightlineError
        Where the model has no weights on the hub, or the hub is out of reach.
    """
    if not timm.is_model(name):
        raise unknown("timm model", name.partition(".")[0], timm.list_models())
    config = get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise SightlineError(
            f"Model {name} has no weights on the model hub. Name a file by weights:, or set "
            "pretrained: false for random weights."
        )
    try:
        found = hf_hub_download(config.hf_hub_id, _FILE)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SightlineError(
            f"The weights of {name} could not be downloaded from {config.hf_hub_id}: {error}\n"
            "Run on a machine with a network, name a file by weights:, or set pretrained: false."
        ) from error
    with replacing(output) as temporary:
        shutil.copyfile(found, temporary)
    with replacing(digest) as temporary:
        temporary.write_text(file_digest(output) + "\n")
