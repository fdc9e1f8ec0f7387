"""Read the weights that a file holds, and fit them to a module."""

from __future__ import annotations

import argparse
import pathlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sightline.errors import SightlineError

# What training scripts keep the weights under. As timm does, averaged weights come first.
WRAPPERS = ("state_dict_ema", "model_ema", "ema", "state_dict", "model", "module")
# Data that training scripts keep beside the weights: making them runs nothing.
_SCALAR = np.float64(0).__reduce__()[0]  # how numpy pickles a number, e.g. the best accuracy
_HARMLESS: list[Any] = [
    argparse.Namespace,
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    (pathlib.PosixPath, "pathlib._local.PosixPath"),  # as Python 3.13 calls it
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")),
    (_SCALAR, "numpy.core.multiarray.scalar"),  # numpy 1
    (_SCALAR, "numpy._core.multiarray.scalar"),
]
_SHOWN = 4
_SHOWN_BYTES = 40


def read_state(path: Path, name: str) -> dict[str, Tensor]:
    """The weights in a file, out of whatever wraps them.

    Parameters
    ----------
    path
        ``.safetensors``, or a pickle of torch, which is read without running
        code. Of several sets of weights the averaged one (EMA) is taken.
    name
        The model, for messages.

    Raises
    ------
    SightlineError
        For a file that is damaged, needs code, or holds no weights.
    """
    if not path.is_file():
        raise SightlineError(f"Model {name}: the weights file {path} does not exist.")
    try:
        with path.open("rb") as file:
            start = file.read(_SHOWN_BYTES)
    except OSError as error:
        raise SightlineError(f"Model {name}: {path} cannot be read: {error.strerror}.") from error
    if not start:
        raise SightlineError(f"Model {name}: {path} cannot be read: the file is empty.")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            with torch.serialization.safe_globals(_HARMLESS):
                state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make the readers raise anything
        if path.suffix != ".safetensors" and (needed := _code_in(path, error)):
            raise SightlineError(
                f"Model {name}: {path} is a pickle that needs code to load ({', '.join(needed)}), "
                "which could do anything. Save its state_dict, best as .safetensors."
            ) from error
        reason = f": {type(error).__name__}: {(str(error).splitlines() or [''])[0].rstrip('.')}"
        # Of a pickle torch says above all how to run its code.
        told = "" if "UnpicklingError" in reason else reason
        raise SightlineError(
            f"Model {name}: {path} cannot be read: damaged, or no checkpoint (it begins with "
            f"{start!r}){told}."
        ) from error
    found = _unwrapped(state)
    if found is None:
        raise SightlineError(f"Model {name}: {path} holds no state_dict of tensors.")
    return found


def _unwrapped(state: Any) -> dict[str, Tensor] | None:
    """The first set of weights in what may be wrapped around it."""
    if not isinstance(state, Mapping):
        return None
    # torch's AveragedModel counts beside the weights.
    found = {key: value for key, value in state.items() if key != "n_averaged"}
    if found and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()):
        return found
    inner = (_unwrapped(state.get(wrapper)) for wrapper in WRAPPERS)
    return next((one for one in inner if one is not None), None)


def _code_in(path: Path, error: Exception) -> list[str]:
    """What a pickle asks for, by name; nothing for a file that is damaged."""
    with torch.serialization.safe_globals(_HARMLESS):
        try:
            return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
        except Exception:  # torch's older format: its message names the first
            return re.findall(r"GLOBAL ([\w.]+)", str(error))[:1]


def without_prefixes(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys without what training in parallel, compiled or in Lightning puts before them.

    A prefix is taken off where all keys have it and the module's own have not;
    the mark of a compiled part, wherever it is.
    """
    found = {key.replace("_orig_mod.", ""): value for key, value in state.items()}
    while prefix := next(
        (
            prefix
            for prefix in ("module.", "model.")
            if found
            and all(key.startswith(prefix) for key in found)
            and not all(key.startswith(prefix) for key in own)
        ),
        None,
    ):
        found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def class_counts(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[int, int] | None:
    """The numbers of classes of weights and of a module, where these alone differ.

    Returns
    -------
    weights, module : tuple of int
        None unless all keys are the same and all shapes, but for one and the
        same first dimension.
    """
    if state.keys() != own.keys():
        return None
    return _first_dimensions(state, own, all_others_equal=True)


def _first_dimensions(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], *, all_others_equal: bool
) -> tuple[int, int] | None:
    counts: set[tuple[int, int]] = set()
    for key in state.keys() & own.keys():
        found, expected = state[key].shape, own[key].shape
        if found == expected:
            continue
        if len(found) == len(expected) > 0 and found[1:] == expected[1:]:
            counts.add((found[0], expected[0]))
        elif all_others_equal:
            return None
    return counts.pop() if len(counts) == 1 else None


def fit(module: nn.Module, state: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Load weights that a module has all places for, and no others.

    Raises
    ------
    SightlineError
        Naming the keys, shapes and class counts that differ.
    """
    own = module.state_dict()
    shapes = [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
        for key in sorted(own.keys() & state.keys())
        if own[key].shape != state[key].shape
    ]
    problems = [
        f"{len(found)} {what}: {', '.join(found[:_SHOWN])}{', ...' if len(found) > _SHOWN else ''}"
        for what, found in (
            ("keys are missing", sorted(own.keys() - state.keys())),
            ("keys are not the model's", sorted(state.keys() - own.keys())),
            ("shapes differ", shapes),
        )
        if found
    ]
    if counts := _first_dimensions(state, own, all_others_equal=False):
        problems.append(f"class counts differ: {counts[0]} in the file, {counts[1]} in the model")
    if problems:
        raise SightlineError(
            f"Model {name}: the weights in {path} do not fit.\n  " + "\n  ".join(problems) + "\n"
            "Check the model's name and args (num_classes, img_size)."
        )
    module.load_state_dict({key: value.to(own[key].dtype) for key, value in state.items()})
