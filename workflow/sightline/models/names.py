"""What a model's name says, checked without importing timm or torchvision, which takes seconds."""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from sightline.errors import SightlineError, unknown

Source = Literal["timm", "hf-hub", "torchvision", "factory", "zoo"]

PREFIXES: tuple[Source, ...] = ("hf-hub", "torchvision", "zoo")
FORMS = (
    "a timm model, hf-hub:USER/REPOSITORY, torchvision:MODEL, package.module:FUNCTION or zoo:NAME"
)

_SAFE = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_PATTERNS: dict[Source, re.Pattern[str]] = {
    "timm": re.compile(_SAFE),
    "hf-hub": re.compile(rf"{_SAFE}/{_SAFE}(@{_SAFE})?"),
    "torchvision": re.compile(r"\w+(\.\w+)?", re.ASCII),
    "factory": re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII),
    "zoo": re.compile(_SAFE),
}

_REGISTERED = re.compile(r"@register_model\s+def (\w+)\(")
# Old names are keys of the dictionaries that register deprecations.
_DEPRECATED = re.compile(r"register_model_deprecations\(__name__, \{(.*?)\}\)", re.DOTALL)
# Weights are keys such as 'resnet18.a1_in1k' of the dictionaries of configurations.
_WEIGHTS = re.compile(r"['\"](\w+)\.([\w.-]+)['\"]\s*:")


@dataclass(frozen=True)
class ModelName:
    """A name taken apart.

    Attributes
    ----------
    source
        Where the model comes from.
    name
        Without its prefix, without a tag of torchvision's.
    tag
        Which of torchvision's weights; empty for its default.
    """

    source: Source
    name: str
    tag: str = ""


def parse_name(text: str) -> ModelName:
    """Take a model's name apart.

    Raises
    ------
    SightlineError
        Where it has none of the known forms.
    """
    prefix, colon, rest = text.partition(":")
    if not colon:
        source: Source = "timm"
        rest = text
    elif prefix in PREFIXES:
        source = next(one for one in PREFIXES if one == prefix)
    else:
        source, rest = "factory", text
    if not _PATTERNS[source].fullmatch(rest):
        near = difflib.get_close_matches(prefix, PREFIXES, n=1) if colon else []
        hint = f" Did you mean {near[0]}:...?" if near and near[0] != prefix else ""
        raise SightlineError(f"{text!r} is no model's name: expected {FORMS}.{hint}")
    if source == "torchvision":
        name, _, tag = rest.partition(".")
        return ModelName(source, name, tag)
    return ModelName(source, rest)


def check_name(name: ModelName) -> None:
    """Refuse a name that nothing answers to, before any job starts.

    Where timm or torchvision is not installed beside the workflow (its jobs
    have conda environments of their own), the job that loads the model says
    it. Names of repositories are known to the hub alone.

    Raises
    ------
    SightlineError
        With the nearest known name.
    """
    if name.source == "timm":
        model, _, tag = name.name.partition(".")
        known = timm_names()
        if known and model not in known:
            raise unknown("timm model", name.name, known)
        if tag and (tags := known.get(model)) and tag not in tags:
            raise unknown(f"weights of timm's {model}", tag, tags)
    if name.source == "torchvision":
        found = torchvision_names()
        if found and name.name not in found:
            raise unknown("torchvision model", name.name, found)
        if found and name.tag not in ("", "DEFAULT", *found[name.name]):
            raise unknown(f"weights of torchvision's {name.name}", name.tag, found[name.name])
    if name.source == "factory":
        factory_file(name.name)


def factory_file(name: str) -> Path | None:
    """The source of a factory's module below the current folder.

    Returns
    -------
    Path or None
        None for a module of an installed package.

    Raises
    ------
    SightlineError
        Where neither the folder nor the installed packages hold it.
    """
    module = name.partition(":")[0]
    base = Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    package = module.partition(".")[0]
    # A folder without an __init__.py is found too; then the module itself is missing.
    if Path(package).is_dir() or package == "__main__" or find_spec(package) is None:
        near = difflib.get_close_matches(package, PREFIXES, n=1)
        raise SightlineError(
            f"{name!r}: there is no {base.with_suffix('.py')} in the folder where the study runs, "
            f"and no installed package {package}."
            + (f" Did you mean {near[0]}:{name.partition(':')[2]}?" if near else "")
        )
    return None


@cache
def timm_names() -> dict[str, frozenset[str]]:
    """The tags of each model of the installed timm; empty where it is not installed."""
    names: set[str] = set()
    tags: dict[str, set[str]] = {}
    for path in _sources("timm"):
        source = path.read_text(encoding="utf-8")
        names.update(_REGISTERED.findall(source))
        for block in _DEPRECATED.findall(source):
            names.update(re.findall(r"'(\w+)'[^:]*:", block))
        for name, tag in _WEIGHTS.findall(source):
            tags.setdefault(name, set()).add(tag)
    return {name: frozenset(tags.get(name, ())) for name in names}


@cache
def torchvision_names() -> dict[str, tuple[str, ...]]:
    """The weights of each classifier of the installed torchvision; empty without it."""
    weights: dict[str, tuple[str, ...]] = {}
    builders: dict[str, str] = {}
    for path in _sources("torchvision"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                names = [
                    target.id
                    for line in node.body
                    if isinstance(line, ast.Assign)
                    for target in line.targets
                    if isinstance(target, ast.Name) and target.id != "DEFAULT"
                ]
                weights[node.name] = tuple(names)
            elif isinstance(node, ast.FunctionDef) and any(
                "register_model" in ast.unparse(one) for one in node.decorator_list
            ):
                given = {one.arg: one.annotation for one in node.args.kwonlyargs + node.args.args}
                annotation = given.get("weights")
                found = re.search(r"\w+_Weights", ast.unparse(annotation) if annotation else "")
                builders[node.name] = found[0] if found else ""
    return {name: weights.get(kind, ()) for name, kind in builders.items()}


def _sources(package: str) -> list[Path]:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    # Folders below hold other tasks' models, e.g. detection.
    return sorted(Path(spec.submodule_search_locations[0], "models").glob("*.py"))
