"""Call a function of a user's own that makes a model."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from sightline.errors import SightlineError


def call_factory(name: str, args: dict[str, Any]) -> nn.Module:
    """The module that a factory makes.

    Parameters
    ----------
    name
        ``package.module:function``, below the current folder or installed.
    args
        Its keyword arguments.

    Raises
    ------
    SightlineError
        Where it cannot be imported or called, fails, or makes something else.
    """
    module_name, _, function_name = name.partition(":")
    with _current_folder_first():
        try:
            factory = getattr(importlib.import_module(module_name), function_name)
        except AttributeError as error:
            raise SightlineError(
                f"Model {name}: {module_name} has no {function_name} ({error})."
            ) from error
        except Exception as error:
            raise SightlineError(
                f"Model {name}: {module_name} cannot be imported{_place(error)}. It must lie below "
                f"{Path.cwd()}, where the study runs, or be installed; with --use-conda only the "
                "packages that envs/explain.yaml lists are there."
            ) from error
        if not callable(factory):
            raise SightlineError(
                f"Model {name}: {function_name} is a {type(factory).__name__}, expected a function."
            )
        try:
            made = factory(**args)
        except Exception as error:
            raise SightlineError(
                f"Model {name}: the factory failed with args {args}{_place(error)}."
            ) from error
    if not isinstance(made, nn.Module):
        raise SightlineError(
            f"Model {name}: the factory returned a {type(made).__name__}, expected a "
            "torch.nn.Module."
        )
    return made


@contextmanager
def _current_folder_first() -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _place(error: BaseException) -> str:
    """What went wrong, and in which line of the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if one.filename.startswith(str(Path.cwd()))]
    where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f": {type(error).__name__}: {error}{where}"
