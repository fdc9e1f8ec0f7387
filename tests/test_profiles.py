"""profiles/slurm and profiles/gpus: whose jobs get a GPU, and that each sees one alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from project import ROOT, rules

PROFILES = ROOT / "profiles"
WITH_GPU = PROFILES / "gpus" / "with-gpu"
TEXTS = {name: text for name, (_, text) in rules().items()}
NETWORK = {"fetch", "unpack"}  # commands of the library that download


def settings(profile: str) -> dict[str, object]:
    return yaml.safe_load((PROFILES / profile / "config.yaml").read_text())


@dataclass(frozen=True)
class Gpus:
    """What nvidia-smi tells of, and the program that stands for it."""

    program: Path
    uuids: tuple[str, str]


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Two GPUs that no other test has, as nvidia-smi would tell of them."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    one, two = uuids = tuple(f"GPU-{uuid4()}" for _ in range(2))
    program.write_text(f"#!/bin/sh\necho 0, {one}\necho 1, {two}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield Gpus(program, uuids)
    for uuid in uuids:
        Path(f"/tmp/sightline-gpus-{os.getuid()}", uuid).unlink(missing_ok=True)


def start(command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [WITH_GPU, "-c", command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.parametrize("profile", ["slurm", "gpus"])
def test_jobs_that_take_a_device_get_one_gpu(profile):
    taking = {name for name, text in TEXTS.items() if re.search(r"^ +device=", text, re.M)}
    given = settings(profile)["set-resources"]
    assert given.keys() == taking
    assert {one["gpu"] for one in given.values()} == {1}


def test_what_downloads_runs_where_there_is_a_network():
    local = {name for name, text in TEXTS.items() if "localrule: True" in text}
    commands = {name: re.findall(r'"sightline ([\w-]+)', text) for name, text in TEXTS.items()}
    downloading = {name for name, found in commands.items() if NETWORK & {*found}}
    assert downloading == {"fetch", "fetch_repository", "unpack"}
    assert downloading <= local


def test_jobs_on_one_gpu_wait_for_each_other(gpus, tmp_path):
    # Making a folder that is there already fails: no two jobs may hold a GPU at once.
    held = f'mkdir "{tmp_path}/$CUDA_VISIBLE_DEVICES"; sleep 0.2'
    told = f'{held}; rmdir "{tmp_path}/$CUDA_VISIBLE_DEVICES"; echo "$CUDA_VISIBLE_DEVICES"'
    jobs = [start(f"set -e; {told}") for _ in range(6)]
    seen = [job.communicate()[0].strip() for job in jobs]
    assert {job.returncode for job in jobs} == {0}, seen
    assert {*seen} == {*gpus.uuids}


def test_a_killed_job_frees_its_gpu(gpus):
    waiting = "echo $CUDA_VISIBLE_DEVICES; exec sleep 100"
    jobs = [start(waiting) for _ in range(2)]
    held = [job.stdout.readline().strip() for job in jobs]
    assert {*held} == {*gpus.uuids}
    jobs[1].send_signal(signal.SIGKILL)
    jobs[1].wait()
    with start("echo $CUDA_VISIBLE_DEVICES") as third:
        assert third.communicate()[0].strip() == held[1]
    jobs[0].kill()
    jobs[0].wait()
    for job in jobs:
        job.stdout.close()


@pytest.mark.parametrize("name", ["1", " 1,", "{uuid}", "{uuid:.13}"])
def test_a_gpu_has_one_lock_whatever_it_is_called(gpus, monkeypatch, tmp_path, name):
    # Another shell of the same person may have another folder for what is temporary.
    monkeypatch.setenv("TMPDIR", str(tmp_path / "other"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", name.format(uuid=gpus.uuids[1]))
    with start("echo $CUDA_VISIBLE_DEVICES $SIGHTLINE_GPU; readlink /proc/$$/fd/*") as job:
        named, *opened = job.communicate()[0].splitlines()
    assert named.split() == [gpus.uuids[1]] * 2
    assert f"/tmp/sightline-gpus-{os.getuid()}/{gpus.uuids[1]}" in opened


def test_a_part_of_a_gpu_is_named_by_its_uuid(gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", part := f"MIG-{uuid4()}")
    with start("echo $CUDA_VISIBLE_DEVICES") as job:
        assert job.communicate()[0] == f"{part}\n"
    Path(f"/tmp/sightline-gpus-{os.getuid()}", part).unlink()


@pytest.mark.parametrize(
    ("named", "said"),
    [("", "hides all GPUs"), ("0,7", "knows no GPU 7"), ("-1", "knows no GPU -1")],
)
def test_gpus_that_are_not_there_are_an_error(gpus, monkeypatch, named, said):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    with start("echo never") as job:
        told = job.communicate()[0]
    assert job.returncode == 1
    assert said in told
    assert "never" not in told


def test_no_gpu_is_an_error(gpus):
    gpus.program.write_text("#!/bin/sh\nexit 9\n")
    with start("echo never") as job:
        said = job.communicate()[0]
    assert job.returncode == 1
    assert "nvidia-smi finds no GPU here" in said
    assert "never" not in said


@pytest.mark.workflow
def test_snakemake_gives_each_job_one_gpu(gpus, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(PROFILES / "gpus", folder / "profiles" / "gpus")
    (folder / "Snakefile").write_text(
        """
rule all:
    input: expand("{job}.explained", job=range(4)), "plain"

rule explain:
    output: "{job}.explained"
    shell: "mkdir held.$CUDA_VISIBLE_DEVICES; sleep 0.5; rmdir held.$CUDA_VISIBLE_DEVICES; "
        "echo $CUDA_VISIBLE_DEVICES > {output}"

rule plain:
    output: "plain"
    shell: "echo ${{CUDA_VISIBLE_DEVICES:-none}} > {output}"
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "profiles/gpus", "--cores", "4"],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    seen = {path.read_text().strip() for path in folder.glob("*.explained")}
    assert seen == {*gpus.uuids}
    assert (folder / "plain").read_text() == "none\n"
