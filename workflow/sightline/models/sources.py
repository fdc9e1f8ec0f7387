"""Make a module by its name: by timm, from the hub, by torchvision or by a user's factory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import timm
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg
from torch import nn

from sightline.errors import SightlineError, unknown
from sightline.files import replacing
from sightline.models.factory import call_factory
from sightline.models.names import ModelName
from sightline.models.preprocessing import Preprocessing, from_timm
from sightline.models.vision import make_torchvision, torchvision_input, weights_of


def make_module(name: ModelName, args: dict[str, Any], fetched: Path | None) -> nn.Module:
    """A module, its weights random, a factory's own, or those that were fetched.

    Parameters
    ----------
    name
        The model.
    args
        Keyword arguments of whatever makes it.
    fetched
        A file of `sightline.models.fetch.fetch_weights`. Its origin's own code
        loads it, which knows what such weights need (old key names, offsets of
        labels, positions for another image size).

    Raises
    ------
    SightlineError
        For a name or arguments that there are not, or other weights' classes.
    """
    if name.source == "factory":
        return call_factory(name.name, args)
    by = "torchvision" if name.source == "torchvision" else "timm"
    try:
        if fetched is not None:
            _check_count(name, args, fetched)
        if by == "torchvision":
            return make_torchvision(name, args, fetched)
        return _timm(name, args, fetched)
    except (TypeError, RuntimeError, ValueError, AssertionError, KeyError, OSError) as error:
        raise SightlineError(f"{by} cannot make {name.name} with args {args}: {error}") from error


def _timm(name: ModelName, args: dict[str, Any], fetched: Path | None) -> nn.Module:
    if name.source == "hf-hub":
        assert fetched is not None
        module: nn.Module = timm.create_model(
            f"local-dir:{fetched.parent}", pretrained=True, **args
        )
        return module
    if not timm.is_model(name.name):
        raise unknown("timm model", name.name.partition(".")[0], timm.list_models())
    if fetched is None:
        return timm.create_model(name.name, pretrained=False, **args)
    _check_tag(name.name, fetched)
    # What timm would read in a format of its own (custom_load) was fetched as safetensors.
    overlay = {"file": str(fetched), "custom_load": False}
    return timm.create_model(name.name, pretrained=True, pretrained_cfg_overlay=overlay, **args)


def write_tag(name: str, fetched: Path) -> None:
    """Keep beside fetched weights which ones timm took for a model named without a tag."""
    if "." not in name:
        with replacing(_tag_file(fetched)) as temporary:
            temporary.write_text(_default_tag(name) + "\n", encoding="utf-8")


def _check_tag(name: str, fetched: Path) -> None:
    # Another version of timm may have another default, whose normalisation, crop and classes it
    # would then give to these weights.
    kept = _tag_file(fetched)
    if "." in name or not kept.is_file():
        return
    then, now = kept.read_text(encoding="utf-8").strip(), _default_tag(name)
    if then != now:
        raise SightlineError(
            f"Model {name}: {fetched} holds timm's weights {name}.{then}, but those that this "
            f"version of timm takes unless told otherwise are {name}.{now}. Name the ones you mean "
            f"by their tag, or delete {fetched} and {kept.name} and fetch them again (`snakemake "
            "prefetch`)."
        )


def _tag_file(fetched: Path) -> Path:
    return fetched.with_name(f"{fetched.name}.tag")


def _default_tag(name: str) -> str:
    known = get_pretrained_cfg(name)
    return "" if known is None else known.tag or ""


def _check_count(name: ModelName, args: dict[str, Any], fetched: Path) -> None:
    # timm would leave the classifier random without a word.
    if "num_classes" not in args:
        return
    count = _pretrained_count(name, fetched)
    if count is not None and args["num_classes"] != count:
        raise SightlineError(
            f"Model {name.name}: its pretrained weights have {count} classes, args say "
            f"{args['num_classes']}. Leave num_classes out, name weights of your own by weights:, "
            "or set pretrained: false for random ones."
        )


def _pretrained_count(name: ModelName, fetched: Path) -> int | None:
    if name.source == "torchvision":
        return len(weights_of(name).meta["categories"])
    if name.source == "hf-hub":
        config = json.loads(fetched.with_name("config.json").read_text(encoding="utf-8"))
        count = config.get("num_classes", config.get("pretrained_cfg", {}).get("num_classes"))
        return count if isinstance(count, int) else None
    known = get_pretrained_cfg(name.name)
    return None if known is None else known.num_classes


def own_input(module: nn.Module, name: ModelName, args: dict[str, Any]) -> Preprocessing | None:
    """The preprocessing a model comes with.

    Returns
    -------
    Preprocessing or None
        None for a factory's module that carries no configuration of timm's.
    """
    if name.source == "torchvision":
        return torchvision_input(name, args)
    own = timm_input(module)
    # A model made for another image size may say so in its arguments alone.
    if own is not None and name.source != "factory" and args.get("img_size") is not None:
        return replace(own, size=_pair(args["img_size"]))
    return own


def timm_input(module: nn.Module) -> Preprocessing | None:
    """The preprocessing in the configuration that timm's modules carry; None without one."""
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if not isinstance(config, dict) or not {"input_size", "mean", "std"} <= config.keys():
        return None
    own = from_timm(resolve_data_config(pretrained_cfg=config), "squash")
    made_for = getattr(getattr(module, "patch_embed", None), "img_size", None)
    return own if made_for is None else replace(own, size=_pair(made_for))


def _pair(size: Any) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    return height, width
