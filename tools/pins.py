"""Pin what is installed: requirements*.txt and envs/*.yaml from pyproject.toml.

Run by `make pins`. The files carry versions (and the requirements hashes), but
no address of a package index. Each environment takes python and pip from
conda-forge and everything else, pinned as in requirements.txt, under `pip:`.
"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = "3.11"
_COMPILE = [
    *("uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"),
    *("--no-emit-index-url", "--no-emit-find-links", "--python-version", PYTHON),
]


def main() -> None:
    """Write all pin files."""
    project = ROOT / "pyproject.toml"
    settings = tomllib.loads(project.read_text())
    hashed = ["--universal", "--generate-hashes"]
    run([*_COMPILE, *hashed, "pyproject.toml", "--extra", "workflow", "-o", "requirements.txt"])
    extras = ["--extra", "workflow", "--extra", "dev"]
    constrained = ["-c", "requirements.txt", "-o", "requirements-dev.txt"]
    run([*_COMPILE, *hashed, "pyproject.toml", *extras, *constrained])
    for name, needed in settings["tool"]["sightline"]["environments"].items():
        platform = ["--python-platform", "x86_64-manylinux_2_28", "-c", "requirements.txt", "-"]
        pins = run([*_COMPILE, *platform], "\n".join(needed)).splitlines()
        (ROOT / "envs" / f"{name}.yaml").write_text(environment(pins))


def run(command: list[str], text: str | None = None) -> str:
    """The output of a command, run in the project's folder."""
    done = subprocess.run(
        command, cwd=ROOT, input=text, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout


def environment(pins: list[str]) -> str:
    """A conda environment with pinned packages."""
    lines = [
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        f"  - python ={PYTHON}",
        "  - pip",
        "  - pip:",
        *(f"      - {pin}" for pin in pins if pin and not pin.startswith("#")),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
