"""A study whose jobs SLURM runs, and what was asked of SLURM for them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import yaml

from project import Project

# No job may need a network: whoever asks for a proxy finds none.
NO_NETWORK = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "all")}


class OnCluster(Project):
    """A study in a folder of its own, run by a profile."""

    profile = "profiles/slurm"

    def command(self, *arguments: str) -> list[str]:
        """The command that runs the study as it is now."""
        (self.folder / "study.yaml").write_text(yaml.safe_dump(self.study, sort_keys=False))
        return [
            *(sys.executable, "-m", "snakemake", "--profile", self.profile),
            # As a person fills the profile in; but jobs are asked about at once.
            *("--default-resources", "slurm_account=lab", "slurm_partition=cpu"),
            *("--configfile", "study.yaml", "--latency-wait", "5"),
            *("--slurm-init-seconds-before-status-checks", "1", *arguments),
        ]

    def run(self, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run the study and return what came of it."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=os.environ | NO_NETWORK,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )


@dataclass(frozen=True)
class Asked:
    """A job as Snakemake submitted it."""

    rule: str
    processors: int
    resources: dict[str, str]


def submitted(output: str) -> dict[str, Asked]:
    """What Snakemake says it submitted, by the id that SLURM gave."""
    asked = {}
    for rule, text in re.findall(r"^rule (\w+):\n((?: {4}.*\n)+)", output, re.MULTILINE):
        resources = re.search(r"^    resources: (.*)$", text, re.MULTILINE)
        threads = re.search(r"^    threads: (\d+)$", text, re.MULTILINE)
        number = re.search(r"^    jobid: (\d+)$", text, re.MULTILINE)
        assert resources, text
        assert number, text
        pairs = (part.partition("=") for part in resources[1].split(", "))
        asked[number[1]] = Asked(
            rule=rule,
            processors=int(threads[1]) if threads else 1,
            resources={name: value for name, _, value in pairs},
        )
    ids = re.findall(r"^Job (\d+) has been submitted with SLURM jobid (\d+)", output, re.MULTILINE)
    return {job: asked[number] for number, job in ids}


def trackable(resources: str) -> dict[str, int]:
    """SLURM's `cpu=1,gres/gpu=1,mem=4000M,node=1` as numbers, memory in MB."""
    units = {"M": 1, "G": 1024, "T": 1024**2}
    found = {}
    for part in filter(None, resources.split(",")):
        name, _, value = part.partition("=")
        factor = units.get(value[-1], 0)
        found[name] = round(float(value[:-1]) * factor) if factor else int(value)
    return found
