"""A copy of the project in which tests run Snakemake."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

ROOT = Path(__file__).parent.parent
PARTS = ("Snakefile", "workflow", "profiles", "envs", "config")
PARTS += ("resources/zoo", "resources/layers")


def rules() -> dict[str, tuple[Path, str]]:
    """File and text of each rule by its name; one made of another has its own text, then that."""
    found: dict[str, tuple[Path, str, str]] = {}
    for path in [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]:
        for base, name, text in re.findall(
            r"^(?:use rule (\w+) as |rule )(\w+)(?: with)?:\n(.*?)(?=^\S|\Z)",
            path.read_text(),
            re.MULTILINE | re.DOTALL,
        ):
            found[name] = path, text, base
    return {
        name: (path, text + (found[base][1] if base else ""))
        for name, (path, text, base) in found.items()
    }


class Project:
    """The workflow in a folder of its own, with one study."""

    def __init__(self, folder: Path, study: dict[str, Any]) -> None:
        self.folder = folder
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / part, folder / part)
        self.study = study

    def command(self, *arguments: str) -> list[str]:
        """The command that runs the study as it is now."""
        (self.folder / "study.yaml").write_text(yaml.safe_dump(self.study, sort_keys=False))
        return [
            *(sys.executable, "-m", "snakemake", "--cores", "2"),
            *("--configfile", "study.yaml", *arguments),
        ]

    def run(self, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run the study and return what came of it."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )

    def complete(self, *targets: str, timeout: float = 900) -> None:
        """Run the study to its end, or to some of its files."""
        done = self.run(*targets, timeout=timeout)
        assert done.returncode == 0, done.stdout

    def planned(self, *targets: str) -> Counter[str]:
        """How many jobs of each rule would run now, for the study or for some of its files."""
        done = self.run("--dry-run", "--quiet", "rules", *targets)
        assert done.returncode == 0, done.stdout
        jobs = Counter(
            {
                rule: int(count)
                for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)
            }
        )
        jobs.pop("total", None)
        jobs.pop("all", None)
        return jobs

    def planned_files(self, rule: str, *targets: str) -> set[str]:
        """What the jobs of a rule would make."""
        done = self.run("--dry-run", *targets)
        assert done.returncode == 0, done.stdout
        blocks = re.split(r"\n(?=(?:local)?rule )", done.stdout)
        return {
            file
            for block in blocks
            if re.match(rf"(?:local)?rule {rule}:", block)
            for line in re.findall(r"^    output: (.*)$", block, re.MULTILINE)
            for file in line.split(", ")
        }

    def map_files(self) -> list[Path]:
        """All map files; a killed job's temporary file begins with a dot."""
        return sorted(self.folder.glob("results/*/maps/**/[!.]*.h5"))

    def maps(self) -> dict[str, dict[str, np.ndarray]]:
        """The data sets of all map files."""
        found = {}
        for path in self.map_files():
            with h5py.File(path) as file:
                data = {}
                file.visititems(
                    lambda name, item, data=data: (
                        data.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None
                    )
                )
            found[path.relative_to(self.folder).as_posix()] = data
        return found

    def results(self) -> dict[str, Any]:
        """What all other files hold, but logs and benchmarks, which say when and how long."""
        found: dict[str, Any] = {}
        for path in sorted(self.folder.glob("results/*/**/[!.]*")):
            parts = path.relative_to(self.folder).parts
            if path.is_file() and not {"maps", "logs", "benchmarks"} & {*parts[2:3]}:
                found["/".join(parts)] = content(path)
        return found


def content(path: Path) -> Any:
    """What a file holds: the data sets of HDF5, all bytes of others."""
    if path.suffix != ".h5":
        return path.read_bytes()
    data: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                data.update({name: str(item[...].tolist()).encode()})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return data


def assert_equal_maps(one: Project, other: Project) -> None:
    """Both projects hold the same map files with the same data sets."""
    first, second = one.maps(), other.maps()
    assert first
    assert first.keys() == second.keys()
    for file, data in first.items():
        assert data.keys() == second[file].keys()
        for name, values in data.items():
            np.testing.assert_array_equal(values, second[file][name], err_msg=f"{file} {name}")


def assert_equal_results(one: Project, other: Project) -> None:
    """The same files with the same data; what says when or how long is not compared."""
    assert_equal_maps(one, other)
    first, second = one.results(), other.results()
    assert first.keys() == second.keys()
    odd = [name for name in first if first[name] != second[name]]
    assert not odd
