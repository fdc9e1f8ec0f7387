"""profiles/slurm on a real SLURM of two nodes (tests/slurm)."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest
import yaml

from project import ROOT, Project
from sightline.study.estimates.demand import Demands
from sightline.study.estimates.speeds import Speeds
from sightline.study.resolve import ResolvedStudy
from slurm import cluster as clusters
from slurm.study import OnCluster, submitted, trackable

pytestmark = pytest.mark.workflow

DEMO = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
# The demo with two of its models, for every test run: `make test-slurm` takes all of it.
SMALL = DEMO | {
    "study": "small",
    "images": {"source": "shapes", "count": 8},
    "models": ["zoo:test_resnet", "zoo:test_vit"],
    "methods": {"gradcam": {}},
    "evaluate": ["pointing"],
}
PAGE = ROOT / "docs" / "plan.md"
PARTS_OF_SMALL = ("results/small/compare/gradcam/pairs.h5", "results/small/tables/images.csv")


def assert_maps_as_local(project, folder):
    """Map files hold what a run on this machine gives, up to one step of float16."""
    local = Project(folder, project.study)
    done = local.run("--until", "explain", "redraw", timeout=1800)
    assert done.returncode == 0, done.stdout
    expected = local.maps()
    found = project.maps()
    assert expected.keys() == found.keys()
    for file, data in expected.items():
        assert data.keys() == found[file].keys()
        for name, values in data.items():
            assert_within_one_step(values, found[file][name], f"{file} {name}")


def assert_within_one_step(one, other, what):
    """Equal, or apart by one step of float16 at their magnitude; whole numbers and text equal."""
    if not np.issubdtype(one.dtype, np.floating):
        np.testing.assert_array_equal(one, other, err_msg=what)
        return
    step = np.spacing(np.maximum(np.abs(one), np.abs(other)).astype(np.float16))
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    assert one.shape == other.shape, what
    assert ((apart <= step) | (np.isnan(one) & np.isnan(other))).all(), what


def assert_accounted_as_asked(cluster, output):
    """What sacct recorded of each job is what its rule and the profile ask for."""
    asked = submitted(output)
    assert asked
    fields = ("State", "ReqTRES", "AllocTRES", "TimelimitRaw", "Account")
    for job, one in asked.items():
        cluster.until(f"{job} asked", lambda job=job: cluster.sacct("ReqTRES", jobs=job)[0])
        (found,) = cluster.sacct(*fields, jobs=job)
        assert found["State"] == "COMPLETED", (job, one)
        requested = trackable(found["ReqTRES"])
        assert requested == trackable(found["AllocTRES"])
        assert requested.get("gres/gpu", 0) == (1 if one.rule in PROFILE["set-resources"] else 0)
        assert requested["mem"] == int(one.resources["mem_mb"])
        assert requested["cpu"] == one.processors
        assert found["TimelimitRaw"] == one.resources["runtime"]
        assert found["Account"] == "lab"
    return {one.rule for one in asked.values()}


def test_another_clusters_configuration_is_left_alone(tmp_path, monkeypatch):
    configuration = tmp_path / "slurm.conf"
    configuration.write_text("ClusterName=theirs\n")
    monkeypatch.setattr(clusters, "CONFIGURATION", configuration)
    monkeypatch.setattr(clusters, "PROGRAMS", "sh")
    monkeypatch.setattr(clusters.os, "geteuid", lambda: 0)
    monkeypatch.delenv("SLURM_CONF", raising=False)
    with (
        pytest.raises(clusters.NoClusterError, match="another cluster's configuration"),
        clusters.running_cluster(),
    ):
        pass
    assert configuration.read_text() == "ClusterName=theirs\n"


def test_what_a_killed_run_left_is_taken_away(tmp_path, monkeypatch):
    left = tmp_path / f"{clusters.PREFIX}left"
    left.mkdir()
    configuration = tmp_path / "slurm.conf"
    configuration.symlink_to(left / "slurm.conf")
    monkeypatch.setattr(clusters, "CONFIGURATION", configuration)
    clusters.link(tmp_path / "new" / "slurm.conf")
    assert configuration.readlink() == tmp_path / "new" / "slurm.conf"
    assert not left.exists()


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ("sbatch-of-nowhere", "no sbatch-of-nowhere: run tests/slurm/install.sh"),
        ("sh", "only root"),
    ],
)
def test_why_there_is_no_cluster_is_said(monkeypatch, programs, said):
    monkeypatch.setattr(clusters, "PROGRAMS", programs)
    monkeypatch.setattr(clusters.os, "geteuid", lambda: 1000)
    assert said in clusters.reason_against()


@pytest.mark.parametrize(("needed", "outcome"), [("", "Skipped"), ("1", "Failed")])
def test_where_slurm_is_needed_nothing_is_skipped(monkeypatch, needed, outcome):
    monkeypatch.setenv("SIGHTLINE_NEEDS_SLURM", needed)
    # Neither is an Exception.
    with pytest.raises(BaseException, match="no SLURM here: only root") as told:
        clusters.no_cluster(clusters.NoClusterError("only root"))
    assert told.typename == outcome
    # Without a path no program is found, so nothing can be installed.
    script = [shutil.which("sh"), ROOT / "tests/slurm/install.sh"]
    environment = {"PATH": "/nowhere", "SIGHTLINE_NEEDS_SLURM": needed}
    done = subprocess.run(script, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == (1 if needed else 0)
    assert "SLURM is not installed" in done.stderr


def test_the_gate_needs_slurm():
    gate = (ROOT / ".ci" / "run").read_text().splitlines()
    needed = ["export SIGHTLINE_NEEDS_SLURM=1", "tests/slurm/install.sh", "make test-slurm"]
    assert [line for line in gate if line in needed] == needed


def test_a_small_study_runs_as_it_would_locally(cluster, tmp_path):
    project = OnCluster(tmp_path / "cluster", SMALL)
    done = project.run(*PARTS_OF_SMALL)
    assert done.returncode == 0, done.stdout
    rules = assert_accounted_as_asked(cluster, done.stdout)
    assert rules == {"explain", "compare", "merge"}
    assert_maps_as_local(project, tmp_path / "local")
    # What a job that succeeded left with SLURM is gone, its own log is there.
    assert not list((project.folder / "logs" / "slurm").rglob("*.log"))
    assert len(list((project.folder / "results/small/logs/explain").rglob("*.log"))) == 2


def test_a_gpu_that_torch_does_not_see_ends_the_job(cluster, tmp_path):
    project = OnCluster(tmp_path, SMALL | {"models": ["zoo:test_resnet"]})
    target = "results/small/maps/original/test_resnet/gradcam/000000-000007.h5"
    with cluster.announcing_gpus():
        done = project.run(target, "--retries", "0")
    assert done.returncode != 0
    assert re.search(r"This job was given a GPU \(SLURM_\w+=\d\), but torch", done.stdout)
    # What SLURM says of a failed job is kept.
    (kept,) = (project.folder / "logs" / "slurm").rglob("*.log")
    assert kept.relative_to(project.folder / "logs" / "slurm").parts[0] == "rule_explain"


@pytest.mark.slurm
def test_the_demo_runs_as_it_would_locally(cluster, tmp_path):
    project = OnCluster(tmp_path / "cluster", DEMO)
    # Their GPU is none: in several threads sums would come in another order than locally.
    done = project.run("--set-threads", "explain=1", "redraw=1", timeout=3600)
    assert done.returncode == 0, done.stdout
    rules = assert_accounted_as_asked(cluster, done.stdout)
    assert rules >= {"explain", "redraw", "predict", "compare", "merge", "evaluate", "structure"}
    assert_maps_as_local(project, tmp_path / "local")
    assert (project.folder / "results/demo/answers.html").is_file()
    again = project.run("--dry-run")
    assert "Nothing to be done" in again.stdout, again.stdout


def bundle(project, jobs):
    """Let so many jobs of a model share an allocation, by the lines that the page has for it."""
    (lines,) = re.findall(r"```yaml\n(groups:.*?)```", PAGE.read_text(), re.DOTALL)
    told = yaml.safe_load(lines)
    components = [one.partition("=")[0] for one in told["group-components"]]
    told["group-components"] = [f"{one}={jobs}" for one in components]
    profile = project.folder / "profiles" / "bundles"
    shutil.copytree(project.folder / "profiles" / "slurm", profile)
    (profile / "config.yaml").write_text(yaml.safe_dump(PROFILE | told))
    project.profile = "profiles/bundles"


def at_once(log, jobs):
    """The most of an allocation's jobs that ran at one time, by what its Snakemake said."""
    now = most = 0
    for event in re.findall(rf"^(rule explain:|\d+ of {jobs} steps)", log, re.MULTILINE):
        now += 1 if event.startswith("rule") else -1
        most = max(most, now)
    assert now == 0
    return most


@pytest.mark.slurm
def test_jobs_of_an_allocation_run_one_after_the_other(cluster, tmp_path):
    # One decodes on four processors, so that the allocation has four; two are busy on one each.
    methods = {"gradcam": {}} | {
        f"occlusion{stride}": {"method": "occlusion", "stride": stride} for stride in (3, 4)
    }
    study = SMALL | {"images": {"source": "shapes", "count": 1}, "methods": methods}
    project = OnCluster(tmp_path, study | {"evaluate": []})
    bundle(project, 3)
    done = project.run("--until", "explain", "--slurm-keep-successful-logs")
    assert done.returncode == 0, done.stdout
    jobs = re.findall(r"^Job \S{36} .* SLURM jobid (\d+)", done.stdout, re.MULTILINE)
    assert len(jobs) == len(study["models"])
    for job in jobs:
        requested = trackable(cluster.sacct("ReqTRES", jobs=job)[0]["ReqTRES"])
        assert (requested["cpu"], requested["gres/gpu"]) == (4, 1)
        (log,) = (project.folder / "logs" / "slurm").rglob(f"{job}.log")
        assert at_once(log.read_text(), len(methods)) == 1


@pytest.mark.slurm
def test_short_jobs_of_a_model_share_an_allocation(cluster, tmp_path):
    methods = {"gradcam": {}, "saliency": {}, "layercam": {}}
    project = OnCluster(tmp_path / "cluster", SMALL | {"methods": methods})
    bundle(project, 2)
    done = project.run("--until", "explain")
    assert done.returncode == 0, done.stdout
    # Of a group the name is an id, of a single job a number.
    jobs = re.findall(r"^Job \S{36} .* SLURM jobid (\d+)", done.stdout, re.MULTILINE)
    found = [cluster.sacct("State", "ReqTRES", "TimelimitRaw", jobs=job)[0] for job in jobs]
    one = {"model": "test_vit", "method": "saliency", "range": "000000-000007"}
    demands = Demands(ResolvedStudy(project.study), Speeds(), "cuda")
    minutes = demands.minutes("explain", one, 1, together=2)
    # Of each model two jobs and one. A pair asks for no more than a job alone would.
    assert 2 * minutes == demands.minutes("explain", one, 1)
    asked = sorted(int(job["TimelimitRaw"]) for job in found)
    assert asked == [minutes, minutes, 2 * minutes, 2 * minutes]
    for job in found:
        assert job["State"] == "COMPLETED"
        requested = trackable(job["ReqTRES"])
        assert requested["gres/gpu"] == 1
        assert requested["mem"] == demands.memory("explain", one, 1)
        assert requested["cpu"] == demands.job("explain", one).cores
    assert_maps_as_local(project, tmp_path / "local")
