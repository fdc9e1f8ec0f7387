"""The demo study through profiles/slurm, on a real SLURM of two nodes (tests/slurm)."""

from __future__ import annotations

import sys

import pytest
import yaml

from project import ROOT, Project

STUDY = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
# Of stored maps, each divided by its largest magnitude: a step of float16 below 1.
STEP = 2**-11


class OnCluster(Project):
    """A study whose jobs SLURM runs."""

    def command(self, *arguments: str) -> list[str]:
        (self.folder / "study.yaml").write_text(yaml.safe_dump(self.study, sort_keys=False))
        return [
            *(sys.executable, "-m", "snakemake", "--profile", "profiles/slurm"),
            # As a person fills it in; and the test asks for the jobs' states at once.
            *("--default-resources", "slurm_account=lab", "slurm_partition=cpu"),
            *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"),
            *("--configfile", "study.yaml", *arguments),
        ]


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """The demo, run to its end by SLURM."""
    project = OnCluster(tmp_path_factory.mktemp("cluster"), STUDY)
    project.complete(timeout=1800)
    return project
