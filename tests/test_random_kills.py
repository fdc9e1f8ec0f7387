"""Twenty random moments of death over the demo study: zero differences at its end."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from project import ROOT, Project, assert_equal_results

pytestmark = [pytest.mark.kills, pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

DEMO = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
# Whether a run dies with all its jobs, as when the power fails, or leaves orphans.
KILLS, CORES = 20, 2


def begin(project: Project, log: Path) -> subprocess.Popen[bytes]:
    """Begin a run in a process group of its own."""
    with log.open("wb") as file:
        return subprocess.Popen(
            project.command(), cwd=project.folder, stdout=file, stderr=file, start_new_session=True
        )


def count(pattern: str, log: Path) -> int:
    """How many lines of a log match."""
    return len(re.findall(pattern, log.read_text(errors="replace"), re.MULTILINE))


def started(log: Path) -> int:
    """How many jobs a run began."""
    return count(r"^(?:local)?rule (?!all:)\w+:", log)


def finished(log: Path) -> int:
    """How many jobs a run ended."""
    return count(r"^Finished jobid: ", log)


def test_twenty_random_kills(tmp_path: Path) -> None:
    whole = Project(tmp_path / "undisturbed", DEMO)
    log = tmp_path / "undisturbed.log"
    assert begin(whole, log).wait() == 0, log.read_text()[-3000:]
    jobs = started(log)
    killed = Project(tmp_path / "killed", DEMO)
    draw = random.Random(0)
    # After so many jobs in all, somewhere within the next ones.
    moments = sorted(draw.sample(range(1, jobs - KILLS), KILLS))
    begun, ended = 0, 0
    for number, moment in enumerate(moments):
        log = tmp_path / f"killed-{number}.log"
        process = begin(killed, log)
        while process.poll() is None and ended + finished(log) < moment:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 2))
        assert process.poll() is None, log.read_text()[-3000:]
        (os.killpg if number % 2 else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        begun, ended = begun + started(log), ended + finished(log)
        unlocked = killed.run("--unlock")
        assert unlocked.returncode == 0, unlocked.stdout
    log = tmp_path / "last.log"
    assert begin(killed, log).wait() == 0, log.read_text()[-3000:]
    begun += started(log)
    assert_equal_results(whole, killed)
    # A kill costs what was running then, no more.
    assert begun - jobs <= KILLS * CORES
