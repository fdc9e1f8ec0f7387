"""What goes wrong on a cluster, on a real SLURM: the maps are an undisturbed run's.

No test waits for a moment to pass: the explain jobs of a model hold, in the middle of writing,
while the project's folder has a file `hold-MODEL`. Jobs ask for what their rules say; where a test
needs them to ask for too little, figures behind the rules are others in its copy of the workflow.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from project import Project, assert_equal_maps
from slurm.study import OnCluster, submitted

if TYPE_CHECKING:
    from slurm.cluster import Cluster

pytestmark = [pytest.mark.workflow, pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

STUDY = {
    "study": "tiny",
    "images": {"source": "shapes", "count": 8},
    "models": ["zoo:test_resnet", "zoo:test_vit"],
    "methods": {"gradcam": {}},
    "device": "cpu",
}
HELD = ("test_resnet", "test_vit")
EXPLAIN = ("--until", "explain")
BEFORE = "    scores = _scores(job, classifier, images)\n    classes"
HOLD = """    with Path("began").open("a") as file:
        file.write(f"{job.model_id} {job.method_id}\\n")
    if Path("fail").exists() and Path("began").read_text().count("\\n") == 2:
        raise RuntimeError("the second job fails")
    import time
    while Path(f"hold-{job.model_id}").exists():
        time.sleep(0.1)
    if Path("grow").exists():
        grown = np.ones(int(Path("grow").read_text()), np.uint8)
        time.sleep(5)
"""


class Disturbed(OnCluster):
    """A study whose explain jobs hold, each with its file half written."""

    def __init__(self, folder: Path, study: dict[str, Any] = STUDY) -> None:
        super().__init__(folder, study)
        self.replace("jobs/explain.py", BEFORE, HOLD + BEFORE)
        for name in HELD:
            (folder / f"hold-{name}").touch()

    def release(self, *models: str) -> None:
        """Let the jobs of some models go on; of all unless named."""
        for name in models or HELD:
            (self.folder / f"hold-{name}").unlink(missing_ok=True)

    def replace(self, module: str, old: str, new: str) -> None:
        """Change the copy of the workflow."""
        source = self.folder / "workflow/sightline" / module
        text = source.read_text()
        assert text.count(old) == 1, old
        source.write_text(text.replace(old, new))

    def figures(self, old: str, new: str) -> None:
        """Change what jobs ask for, by figures behind the rules."""
        self.replace("study/estimates/demand.py", old, new)

    def command(self, *arguments: str) -> list[str]:
        """The command that runs it; without the profile's GPUs, of which there are two.

        With limits that two jobs reach together, and must not: they are each allocation's.
        """
        limits = ("--resources", "bundle=1", "runtime=15", "mem_mb=5000")
        no_gpu = ("--set-resources", "explain:gpu=0")
        return super().command(*EXPLAIN, *no_gpu, *limits, *arguments)

    def start(self, *arguments: str, log: str = "run.log") -> subprocess.Popen[bytes]:
        """Begin a run."""
        with (self.folder / log).open("wb") as file:
            return subprocess.Popen(
                self.command(*arguments), cwd=self.folder, stdout=file, stderr=file
            )

    def said(self, log: str = "run.log") -> str:
        """What a run said until now."""
        return (self.folder / log).read_text()

    def unfinished(self) -> list[Path]:
        """Files that are being written."""
        return list(self.folder.glob("results/**/.*.h5"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run on this machine."""
    project = Project(tmp_path_factory.mktemp("undisturbed"), STUDY)
    done = project.run(*EXPLAIN)
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture
def disturbed(cluster: Cluster, tmp_path: Path) -> Disturbed:
    # What a shell runs in the background ignores it, and so would what is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return Disturbed(tmp_path)


def until(cluster: Cluster, what: str, true: Callable[[], bool]) -> None:
    """Wait for what takes a job's start and more, on a machine that is busy."""
    for attempt in range(4):
        try:
            return cluster.until(what, true)
        except TimeoutError:
            if attempt == 3:
                raise
    return None


def running(cluster: Cluster) -> list[str]:
    """Ids of the explain jobs that run."""
    return [job["id"] for job in cluster.queue("RUNNING") if "explain" in job["comment"]]


def explaining(cluster: Cluster, disturbed: Disturbed, count: int = 2) -> list[str]:
    """The same, once so many files are half written."""
    until(cluster, "jobs write", lambda: len(disturbed.unfinished()) >= count)
    return running(cluster)


def finish(process: subprocess.Popen[bytes], disturbed: Disturbed, undisturbed: Project) -> None:
    """Let the jobs go on; the run ends well, with nothing half written and the same maps."""
    disturbed.release()
    assert process.wait(timeout=600) == 0, disturbed.said()
    assert_equal_maps(undisturbed, disturbed)


def one_finished(cluster: Cluster, disturbed: Disturbed) -> Path:
    """Let the job of one model go on; its maps, once Snakemake has seen its end."""
    disturbed.release("test_vit")
    until(cluster, "one ends", lambda: "(Rule: explain)" in disturbed.said())
    (found,) = disturbed.map_files()
    return found


def explained(text: str) -> int:
    """How many explain jobs Snakemake submitted."""
    return sum(one.rule == "explain" for one in submitted(text).values())


def of_run(cluster: Cluster, jobs: list[str], *fields: str) -> list[dict[str, str]]:
    """What sacct knows of all explain jobs of the run that some of them are of."""
    known = cluster.sacct("JobName", "JobID", "Comment", *fields)
    (run,) = {one["JobName"] for one in known if one["JobID"] in jobs}
    return [one for one in known if one["JobName"] == run]


def test_killed_controller_whose_jobs_write_on(
    cluster: Cluster, disturbed: Disturbed, undisturbed: Project
) -> None:
    process = disturbed.start()
    explaining(cluster, disturbed)
    finished = one_finished(cluster, disturbed)
    kept = finished.stat().st_ino
    orphans = explaining(cluster, disturbed, count=1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    refused = disturbed.run()
    assert refused.returncode == 1
    assert "--unlock" in refused.stdout
    unlocked = disturbed.run("--unlock")
    assert unlocked.returncode == 0, unlocked.stdout
    second = disturbed.start(log="second.log")
    jobs = explaining(cluster, disturbed, count=2)  # two writers of one file
    assert set(orphans) < set(jobs)
    finish(second, disturbed, undisturbed)
    cluster.wait_empty()
    assert explained(disturbed.said("second.log")) == 1
    assert finished.stat().st_ino == kept
    assert_equal_maps(undisturbed, disturbed)
    assert not disturbed.unfinished()
    assert not re.search("rule explain:", disturbed.run("--dry-run").stdout)


def test_jobs_that_end_after_their_controller_run_again(
    cluster: Cluster, disturbed: Disturbed, undisturbed: Project
) -> None:
    process = disturbed.start()
    explaining(cluster, disturbed)
    process.send_signal(signal.SIGKILL)
    process.wait()
    disturbed.release()
    cluster.wait_empty()
    assert_equal_maps(undisturbed, disturbed)
    assert disturbed.run("--unlock").returncode == 0
    # Nobody has recorded what these files were made of.
    done = disturbed.run()
    assert done.returncode == 0, done.stdout
    assert explained(done.stdout) == 2
    assert_equal_maps(undisturbed, disturbed)
    assert not re.search("rule explain:", disturbed.run("--dry-run").stdout)
    disturbed.study = STUDY | {"methods": {"gradcam": {"relu": False}}}
    assert len(re.findall("rule explain:", disturbed.run("--dry-run").stdout)) == 2


def test_lost_node(cluster: Cluster, disturbed: Disturbed, undisturbed: Project) -> None:
    process = disturbed.start()
    jobs = explaining(cluster, disturbed)
    nodes = {job["id"]: job["node"] for job in cluster.queue() if job["id"] in jobs}
    lost = [job for job in jobs if nodes[job] == nodes[jobs[0]]]
    cluster.lose(nodes[jobs[0]])
    for job in lost:
        cluster.hasten(job)
    cluster.bring_up(nodes[jobs[0]])
    finish(process, disturbed, undisturbed)
    assert explained(disturbed.said()) == 2  # SLURM's to start again, under the same id
    starts = {job: len(cluster.sacct("State", jobs=job)) for job in jobs}
    assert starts == {job: 2 if job in lost else 1 for job in jobs}


def test_cancelled_job(cluster: Cluster, disturbed: Disturbed, undisturbed: Project) -> None:
    process = disturbed.start()
    cancelled, other = explaining(cluster, disturbed)
    cluster.cancel(cancelled)
    disturbed.release()
    until(cluster, "the other ends", lambda: "(Rule: explain)" in disturbed.said())
    # sacct says "CANCELLED by 0", which the plugin takes for a job that runs.
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=600) != 0
    assert len(disturbed.map_files()) == 1
    second = disturbed.start(log="second.log")
    assert second.wait(timeout=600) == 0, disturbed.said("second.log")
    assert explained(disturbed.said("second.log")) == 1
    assert_equal_maps(undisturbed, disturbed)
    assert cluster.state(other) == "COMPLETED"


def test_preempted_jobs_are_requeued(
    cluster: Cluster, disturbed: Disturbed, undisturbed: Project
) -> None:
    process = disturbed.start()
    jobs = explaining(cluster, disturbed)
    urgent = cluster.submit(
        *("--partition=urgent", "--nodes=2", "--exclusive", "--mem=100"), command="true"
    )
    cluster.wait_state(urgent, "COMPLETED")
    for job in jobs:
        cluster.hasten(job)
    finish(process, disturbed, undisturbed)
    assert explained(disturbed.said()) == 2
    for job in jobs:
        assert [one["State"] for one in cluster.sacct("State", jobs=job)] == [
            "PREEMPTED",
            "COMPLETED",
        ]


def test_timed_out_job_gets_more_time(
    cluster: Cluster, disturbed: Disturbed, undisturbed: Project
) -> None:
    # Two minutes are what the rule then asks for.
    disturbed.figures("SHORTEST, LONGEST = 10,", "SHORTEST, LONGEST = 2,")
    disturbed.figures("MORE_TIME, MORE_MEMORY = 2.0,", "MORE_TIME, MORE_MEMORY = 0,")
    disturbed.figures("SPARE, LEAST_SHARE = 5,", "SPARE, LEAST_SHARE = 0,")
    process = disturbed.start()
    until(cluster, "jobs run", lambda: len(running(cluster)) == 2)
    jobs = running(cluster)
    for job in jobs:
        until(cluster, "time is up", lambda job=job: cluster.state(job) == "TIMEOUT")
    finish(process, disturbed, undisturbed)
    limits = [one["TimelimitRaw"] for one in of_run(cluster, jobs, "TimelimitRaw")]
    # On a busy machine the second may be too short as well.
    assert [limits.count(one) for one in ("2", "4")] == [2, 2]
    assert {*limits} <= {"2", "4", "6"}


def test_job_out_of_memory_gets_more(
    cluster: Cluster, disturbed: Disturbed, undisturbed: Project
) -> None:
    # The least is then what the rule asks for.
    disturbed.figures("MORE_TIME, MORE_MEMORY = 2.0, 1.5", "MORE_TIME, MORE_MEMORY = 2.0, 0")
    process = disturbed.start()
    jobs = explaining(cluster, disturbed)
    (disturbed.folder / "grow").write_text(str(1_500_000_000))
    finish(process, disturbed, undisturbed)
    assert {cluster.state(job) for job in jobs} <= {"OUT_OF_MEMORY", "CANCELLED", "FAILED"}
    asked = [one["ReqMem"].rstrip("nc") for one in of_run(cluster, jobs, "ReqMem")]
    assert sorted(asked) == ["2000M", "2000M", "4000M", "4000M"]


def test_two_controllers(cluster: Cluster, disturbed: Disturbed, undisturbed: Project) -> None:
    process = disturbed.start()
    explaining(cluster, disturbed)
    finished = one_finished(cluster, disturbed)
    kept = finished.stat().st_ino
    refused = disturbed.run()
    assert refused.returncode == 1
    assert "cannot be locked" in refused.stdout
    other = disturbed.start("--nolock", log="other.log")
    explaining(cluster, disturbed, count=2)
    disturbed.release()
    ended = process.wait(timeout=600), other.wait(timeout=600)
    assert 0 in ended, disturbed.said()
    cluster.wait_empty()
    done = disturbed.run("--nolock")
    assert done.returncode == 0, done.stdout
    assert_equal_maps(undisturbed, disturbed)
    assert explained(disturbed.said("other.log")) == 1
    assert finished.stat().st_ino == kept


def test_bundle_of_which_a_job_fails(cluster: Cluster, tmp_path: Path) -> None:
    study = STUDY | {"models": ["zoo:test_vit"], "methods": {"gradcam": {}, "saliency": {}}}
    disturbed = Disturbed(tmp_path / "disturbed", study)
    disturbed.release()
    (disturbed.folder / "fail").touch()
    pairs = ("--groups", "explain=explain-{model}", "--group-components", "explain-{model}=2")
    done = disturbed.run(*pairs)
    assert done.returncode == 0, done.stdout
    undisturbed = Project(tmp_path / "undisturbed", study)
    undisturbed.complete(*EXPLAIN)
    assert_equal_maps(undisturbed, disturbed)
    # The job that had finished runs again as well.
    began = (disturbed.folder / "began").read_text().splitlines()
    assert sorted(began) == ["test_vit gradcam"] * 2 + ["test_vit saliency"] * 2
    allocations = re.findall(r"^Job \S{36} .* SLURM jobid (\d+)", done.stdout, re.MULTILINE)
    ended = [cluster.sacct("State", "TimelimitRaw", jobs=job)[0] for job in allocations]
    assert [one["State"] for one in ended] == ["FAILED", "COMPLETED"]
    # Of both jobs, as much as one alone would ask for; then twice that, up to the limit.
    assert [one["TimelimitRaw"] for one in ended] == ["10", "14"]
