"""The environments of `--use-conda`: what their files pin, and that each rule needs no more.

A stand-in for conda, `tests/conda/conda`, makes them: no conda channel can be
reached where the tests run. Its activation has Python tell in the job's log
which file each module came from.
"""

from __future__ import annotations

import filecmp
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from project import ROOT, Project, assert_equal_maps, rules
from sightline.images.shapes import CLASSES

STAND_IN = ROOT / "tests" / "conda"
FILES = {path.stem: path for path in sorted((ROOT / "envs").glob("*.yaml"))}
ASKED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["sightline"]["environments"]
STUDY = {
    "study": "tiny",
    "images": {"source": "shapes", "count": 4},
    "models": {
        "resnet": {
            "name": "test_resnet",
            "pretrained": False,
            "args": {"num_classes": 8},
            "classes": list(CLASSES),
            "input": {"size": [96, 96]},
        },
        "vit": {
            "name": "test_vit",
            "pretrained": False,
            "args": {"num_classes": 8, "img_size": 96},
            "classes": list(CLASSES),
            "input": {"size": [96, 96]},
        },
    },
    "methods": {"gradcam": {}, "kernelshap": {"samples": 30, "segments": 8}},
    "sanity": {"images": 2, "stages": 1},
    "evaluate": {
        "pointing": {"permutations": 19},
        "confidence_change": {"images": 2},
        "bias": {"images": 2, "fills": ["inpainted"]},
    },
}
# Rules that need no environment, and rules that no study without weights runs:
# these would need a network or minutes, so what they import has to do.
TARGETS = {"all", "maps", "prefetch", "zoo"}
NOT_RUN = {
    "fetch": ["sightline.models.fetch"],
    "fetch_repository": ["sightline.models.fetch"],
    "unpack": ["sightline.images.archive"],
    "digest": ["sightline.models.digest"],
    "train": ["sightline.models.zoo"],
}


def environments_of_rules() -> Iterator[tuple[str, Path | None]]:
    """Each rule, and the environment file that it names."""
    for rule, (path, body) in rules().items():
        named = re.search(r'^ +conda:\n +"(.*)"$', body, re.MULTILINE)
        yield rule, (path.parent / named[1]).resolve() if named else None


RULES = dict(environments_of_rules())


def pip_list(file: Path) -> list[str]:
    return yaml.safe_load(file.read_text())["dependencies"][-1]["pip"]


def project_pins() -> set[str]:
    """NAME==VERSION of what requirements.txt installs where the environments are made."""
    machine = {"python_version": "3.11", "python_full_version": "3.11.0"}
    lines = (ROOT / "requirements.txt").read_text().replace("\\\n", "").splitlines()
    wanted = [Requirement(line.partition(" --hash")[0]) for line in lines if line]
    return {
        f"{one.name}{one.specifier}"
        for one in wanted
        if one.marker is None
        or one.marker.evaluate(machine | {"sys_platform": "linux", "platform_machine": "x86_64"})
    }


def stand_in(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [STAND_IN / "conda", *arguments],
        env=os.environ | {"PATH": stand_in_path()},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def create(file: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    """Ask for an environment in Snakemake's words."""
    options = ["--quiet", "--no-default-packages", "--file", str(file), "--prefix", str(prefix)]
    return stand_in("env", "create", *options)


def stand_in_path() -> str:
    """PATH with the stand-in, and the project's own programs, first."""
    return os.pathsep.join([str(STAND_IN), str(Path(sys.executable).parent), os.environ["PATH"]])


def test_every_kind_of_job_has_an_environment():
    assert FILES.keys() == ASKED.keys()
    assert {rule for rule, file in RULES.items() if file is None} == TARGETS
    assert set(RULES.values()) - {None} == set(FILES.values())


@pytest.mark.parametrize("name", FILES)
def test_environment_pins_what_the_project_pins(name):
    pins = pip_list(FILES[name])
    assert set(pins) <= project_pins()
    assert {*map(canonicalize_name, ASKED[name])} <= {pin.partition("==")[0] for pin in pins}


@pytest.mark.parametrize("name", FILES)
def test_environment_holds_python_pip_and_pins_alone(name):
    specification = importlib.util.spec_from_file_location("pins", ROOT / "tools" / "pins.py")
    assert specification is not None
    assert specification.loader is not None
    pins = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(pins)

    assert FILES[name].read_text() == pins.environment(pip_list(FILES[name]))
    content = yaml.safe_load(FILES[name].read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    assert content["dependencies"][:-1] == [f"python ={pins.PYTHON}", "pip"]
    assert content["dependencies"][-1].keys() == {"pip"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("nodefaults", "bioconda", "'bioconda'"),
        ("- pip\n", "- pip\n  - numpy\n", "'numpy'"),
        ("  - pip\n", "", "should ask conda for python =3.x and pip"),
        ("python =3.11", "python >=3.11", "'python >=3.11'"),
        ("mdurl==", "mdurl>=", "'mdurl>="),
        ("channels:", "name: images\nchannels:", "channels and dependencies alone"),
    ],
)
def test_stand_in_refuses_what_it_cannot_make(tmp_path, old, new, said):
    file = tmp_path / "environment.yaml"
    file.write_text(FILES["images"].read_text().replace(old, new))
    done = create(file, tmp_path / "prefix")
    assert done.returncode != 0
    assert said in done.stdout
    assert not (tmp_path / "prefix").exists()


def test_stand_in_refuses_other_questions():
    done = stand_in("install", "numpy")
    assert done.returncode != 0
    assert "no answer to `conda install numpy`" in done.stdout


@pytest.fixture(scope="module")
def python() -> None:
    """Only where there is the Python that the environments ask for; conda would bring it."""
    (version,) = {yaml.safe_load(file.read_text())["dependencies"][0] for file in FILES.values()}
    sought = subprocess.run(
        ["uv", "python", "find", "--no-python-downloads", version.partition("=")[2]],
        env=os.environ | {"PATH": stand_in_path()},
        check=False,
        capture_output=True,
    )
    if sought.returncode:
        pytest.skip(f"{version}, which the environments ask for, is not on this machine")


@pytest.mark.conda
@pytest.mark.usefixtures("python")
def test_stand_in_misses_what_the_list_forgot(tmp_path):
    file = tmp_path / "environment.yaml"
    file.write_text(re.sub(r" +- mdurl==.*\n", "", FILES["images"].read_text()))
    done = create(file, tmp_path / "prefix")
    assert done.returncode != 0
    assert "mdurl" in done.stdout


class Isolated(Project):
    """A study run by `--use-conda`."""

    def run(self, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        done = super().run("--use-conda", *arguments, timeout=timeout)
        # Without what the jobs of a failing rule tell about their modules.
        done.stdout = re.sub(r"^(#|import ).*\n", "", done.stdout, flags=re.MULTILINE)
        return done

    def prefix(self, file: Path) -> Path:
        """Where Snakemake had an environment made: beside a copy of its file."""
        folder = self.folder.resolve() / ".snakemake" / "conda"
        (found,) = [copy for copy in folder.glob("*.yaml") if filecmp.cmp(copy, file, False)]
        return found.with_suffix("")

    def python(self, file: Path, code: str) -> str:
        """What code prints in an environment, started as a rule's command is."""
        activate = f"source {STAND_IN}/bin/activate '{self.prefix(file)}'"
        done = subprocess.run(
            ["bash", "-c", f'{activate}; PYTHONPATH=workflow python -c "$1"', "bash", code],
            cwd=self.folder,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def logs(self) -> list[tuple[str, str]]:
        """The rule and the text of each job's log."""
        folder = self.folder / "results" / "tiny" / "logs"
        return [
            (file.relative_to(folder).parts[0].removesuffix(".log"), file.read_text())
            for file in sorted(folder.rglob("*.log"))
        ]


@pytest.fixture(scope="module")
def isolated(python: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Isolated]:
    """The study after a run by `--use-conda`.

    The launcher's packages are offered to the jobs by PYTHONPATH; none may take them.
    """
    project = Isolated(tmp_path_factory.mktemp("isolated"), STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", stand_in_path())
        patch.setenv("PYTHONPATH", sysconfig.get_path("purelib"))
        # Each job would compile what it imports: 8 s more for torch.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        project.complete()
        yield project
    # Not left for pytest, which keeps the folders of three runs: 5 GB each where uv copies.
    shutil.rmtree(project.folder / ".snakemake" / "conda")


@pytest.mark.conda
def test_every_rule_runs_in_its_environment(isolated):
    assert {rule for rule, _ in isolated.logs()} | NOT_RUN.keys() | TARGETS == RULES.keys()
    code = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    standard = Path(isolated.python(RULES["shard"], code).strip()).resolve()
    for rule, log in isolated.logs():
        prefix = isolated.prefix(RULES[rule])
        origins = {
            Path(found).resolve()
            for found in re.findall(r"# code object from '?(/[^'\n]+)", log)
            + re.findall(r"# extension module '.*' loaded from '(/.*)'", log)
        }
        own = {path for path in origins if path.is_relative_to(prefix)}
        library = {
            path for path in origins if path.is_relative_to(isolated.folder.resolve() / "workflow")
        }
        language = {
            path
            for path in origins
            if path.is_relative_to(standard) and "site-packages" not in path.parts
        }
        assert own, rule
        assert library, rule
        assert origins == own | library | language, rule


@pytest.mark.conda
@pytest.mark.parametrize("name", FILES)
def test_environment_holds_what_its_list_names(isolated, name):
    code = (
        "import json, sys; from importlib.metadata import distributions; "
        "print(json.dumps([sys.prefix, sys.path,"
        " [f'{one.name}=={one.version}' for one in distributions()]]))"
    )
    prefix, path, installed = json.loads(isolated.python(FILES[name], code))
    expected = isolated.prefix(FILES[name])
    assert Path(prefix).resolve() == expected
    packages = [part for part in path if part.endswith("-packages")]
    assert [Path(part).resolve().is_relative_to(expected) for part in packages] == [True]

    def canonical(pins):
        return sorted(f"{canonicalize_name(name)}=={version}" for name, version in pins)

    assert canonical(pin.split("==") for pin in installed) == canonical(
        pin.split("==") for pin in pip_list(FILES[name])
    )


@pytest.mark.conda
@pytest.mark.parametrize("name", FILES)
def test_environment_has_what_other_rules_and_methods_import(isolated, name):
    modules = [
        module for rule, named in NOT_RUN.items() if RULES[rule] == FILES[name] for module in named
    ]
    if FILES[name] == RULES["explain"]:
        methods = (ROOT / "workflow" / "sightline" / "methods").glob("[a-z]*.py")
        modules += [f"sightline.methods.{path.stem}" for path in methods]
    if modules:
        isolated.python(FILES[name], f"import {', '.join(modules)}")


@pytest.mark.conda
def test_nothing_runs_again(isolated):
    done = isolated.run("--dry-run")
    assert done.returncode == 0, done.stdout
    assert "Nothing to be done" in done.stdout


@pytest.mark.conda
def test_maps_equal_those_of_the_projects_own_environment(isolated, tmp_path):
    maps = list(isolated.maps())
    # KernelSHAP draws: its maps are there under a second seed too.
    made = Counter(Path(file).parts[3] for file in maps)
    assert made == {"original": 4, "redrawn": 2, "bias.inpainted": 4}
    ordinary = Project(tmp_path, STUDY)
    done = ordinary.run("--", *maps)
    assert done.returncode == 0, done.stdout
    assert_equal_maps(isolated, ordinary)
