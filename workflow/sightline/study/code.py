"""A digest of the source that a job's result depends on.

Snakemake does not see that a module behind a command has changed. A rule
therefore carries, as a parameter, the digest of the modules its command runs:
the named ones and, transitively, every module of ours that they import. An
edit reruns what depends on it and nothing else; a reverted edit cancels the
rerun.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "sightline"


# Each of a hundred thousand jobs asks.
@cache
def code_digest(*modules: str) -> str:
    """SHA-256 over the source of modules and of all of ours that they import.

    Parameters
    ----------
    modules
        Names such as ``sightline.methods.cams.gradcam``.

    Returns
    -------
    str
        The first 16 hexadecimal digits: enough to tell versions apart.
    """
    needed: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in needed:
            needed.add(module)
            waiting.extend(_imports(module))
    digest = hashlib.sha256()
    for module in sorted(needed):
        digest.update(module.encode() + b"\0" + _source(module) + b"\0")
    return digest.hexdigest()[:16]


@cache
def _path(module: str) -> Path:
    base = Path(__file__).parent.parent.joinpath(*module.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    raise ModuleNotFoundError(f"no module named {module!r} in {PACKAGE}", name=module)


@cache
def _source(module: str) -> bytes:
    return _path(module).read_bytes()


def _is_module(name: str) -> bool:
    try:
        _path(name)
    except ModuleNotFoundError:
        return False
    return True


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of ours that a module imports, also within its functions."""
    found: list[str] = []
    for node in _executed(ast.parse(_source(module))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append(node.module)
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(name for name in found if name.split(".")[0] == PACKAGE and _is_module(name))


def _executed(tree: ast.Module) -> list[ast.AST]:
    """All statements but those under ``if TYPE_CHECKING``, which never run."""
    nodes: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        nodes.append(node)
        # An import is a statement: expressions, most of a module, are passed over.
        for part in ("body", "orelse", "handlers", "finalbody", "cases"):
            waiting.extend(getattr(node, part, ()))
    return nodes
