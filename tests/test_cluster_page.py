"""docs/cluster.md, followed by a new user on a real SLURM."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
import yaml
from timm.models import save_for_hf

from project import ROOT, Project
from server import serving
from slurm.study import NO_NETWORK

PAGE = (ROOT / "docs" / "cluster.md").read_text()
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
# What the user fills in, by the indentation of its line: of all jobs, of those with a GPU.
FILLED_IN = {
    2: {
        **{"slurm_account": "lab", "slurm_partition": "cpu", "qos": "normal"},
        **{"runtime": "8", "mem_mb": "6000"},
    },
    4: {
        "gpu_model": "fake",
        "slurm_partition": "gpu",
        "qos": "short",
        "constraint": "large",
        "cpus_per_gpu": "2",
    },
}
STUDY = {
    "study": "mine",
    "images": {"source": "shapes", "count": 4},
    "models": {"tiny": {"name": "hf-hub:me/tiny"}},
    "methods": ["gradcam"],
}


def fill_in(profile: Path) -> None:
    """Take the mark of a comment from the lines that are to be filled in, and give them values."""
    text = profile.read_text()
    for indentation, values in FILLED_IN.items():
        for key, value in values.items():
            line = rf"^ {{{indentation}}}# {key}: .*$"
            text, count = re.subn(line, f"{' ' * indentation}{key}: {value}", text, flags=re.M)
            assert count == 1, key
    profile.write_text(text)


class User:
    """Somebody at the login node, in the folder of the project."""

    def __init__(self, project: Project) -> None:
        self.folder = project.folder
        (self.folder / "my-study.yaml").write_text(yaml.safe_dump(project.study))
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": programs, "USER": "root"}
        self.commands = iter(COMMANDS)

    def next(self, begins: str, **environment: str) -> str:
        """Run the page's next command; returns what it says."""
        command = next(self.commands)
        assert command.startswith(begins), command
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout


@pytest.mark.slurm
@pytest.mark.workflow
def test_the_page_leads_to_a_report(cluster, tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=8, img_size=96)
    model.pretrained_cfg["input_size"] = (3, 96, 96)
    save_for_hf(model, tmp_path / "vit", model_args={"img_size": 96}, safe_serialization=True)
    user = User(Project(tmp_path / "project", STUDY))

    with serving() as server:
        for file in (tmp_path / "vit").iterdir():
            server.add("me/tiny", file.name, file.read_bytes())
        home = str(tmp_path / "home")
        user.next("snakemake prefetch", HF_ENDPOINT=server.url, HF_HOME=home, NO_PROXY="127.0.0.1")
    user.environment |= NO_NETWORK

    user.next("cp -r profiles/slurm")
    fill_in(user.folder / "profiles/mine/config.yaml")
    assert "lab|" in user.next("sacctmgr")
    assert "gpu:fake:1" in user.next("sinfo")

    assert re.search(r"^explain +1$", user.next("snakemake"), re.MULTILINE)
    user.next("snakemake --profile profiles/mine")
    assert_partitions_as_filled_in(cluster)
    user.next("squeue")
    assert "rule_explain_wildcards_tiny_gradcam" in user.next("sacct")

    name = re.search(r"SLURM run ID: (sightline_\S+)\n", user.next("grep"))[1]
    orphan = cluster.submit("--hold", f"--job-name={name}", command="true")
    other = cluster.submit("--hold", "--job-name=sightline_0", command="true")
    user.next("run=$(grep")
    cluster.wait_state(orphan, "CANCELLED")
    assert [job["id"] for job in cluster.queue()] == [other]
    cluster.cancel(other)
    user.next("snakemake --unlock")
    assert "Nothing to be done" in user.next("snakemake --profile profiles/mine")

    user.next("snakemake")
    assert "000000-000003" in (user.folder / "report.html").read_text()
    assert not list(user.commands)


def assert_partitions_as_filled_in(cluster):
    fields = (
        "Comment",
        "Partition",
        "QOS",
        "Account",
        "Constraints",
        "NodeList",
        "ReqTRES",
        "TimelimitRaw",
    )
    cluster.until("asked", lambda: all(one["ReqTRES"] for one in cluster.sacct("ReqTRES")))
    for job in cluster.sacct(*fields):
        gpu = re.match(r"rule_(explain|predict|redraw)", job["Comment"])
        assert job["Account"] == "lab"
        # Ten minutes would be asked for, and for a GPU's job 8.5 GB.
        assert job["TimelimitRaw"] == "8", job
        assert ("mem=6000M" in job["ReqTRES"]) == bool(gpu), job
        assert job["Partition"] == ("gpu" if gpu else "cpu"), job
        assert job["QOS"] == ("short" if gpu else "normal"), job
        assert ("gres/gpu=1" in job["ReqTRES"]) == bool(gpu), job
        assert not gpu or (job["Constraints"], job["NodeList"]) == ("large", "n2"), job
