"""A SLURM cluster of two nodes on this machine, up in seconds, without systemd.

Its programs come from `install.sh`. All files lie in one folder below /tmp; the
only trace elsewhere is a link at /etc/slurm/slurm.conf, where jobs' own commands
look: the SLURM plugin's job step takes SLURM_CONF out of the environment.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from slurm.daemons import SYSTEM_PATH, Daemons

CONFIGURATION = Path("/etc/slurm/slurm.conf")
LOCK = Path("/run/lock/sightline-slurm.lock")
PREFIX = "sightline-slurm-"
PROGRAMS = "munged mariadbd mariadb-install-db slurmdbd slurmctld slurmd sbatch sacct sacctmgr"


class NoClusterError(Exception):
    """Why there can be no cluster here."""


def no_cluster(reason: NoClusterError) -> NoReturn:
    """Skip the test, or let it fail where SIGHTLINE_NEEDS_SLURM says that it has to run."""
    end = pytest.fail if os.environ.get("SIGHTLINE_NEEDS_SLURM") else pytest.skip
    end(f"no SLURM here: {reason}")


def reason_against() -> str | None:
    """What keeps the cluster from running on this machine, None if nothing does."""
    missing = [one for one in PROGRAMS.split() if not shutil.which(one, path=SYSTEM_PATH)]
    if missing:
        return f"no {', '.join(missing)}: run tests/slurm/install.sh as root"
    if os.geteuid() != 0:
        return f"only root may start SLURM's daemons and write {CONFIGURATION}"
    if "SLURM_CONF" in os.environ:
        return f"SLURM_CONF is set: this machine belongs to a cluster ({os.environ['SLURM_CONF']})"
    if _present(CONFIGURATION) and not _own(CONFIGURATION):
        return f"{CONFIGURATION} is another cluster's configuration, and is left alone"
    return None


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """The cluster, alone on this machine: another test process waits for its end.

    Raises
    ------
    NoClusterError
        Where it cannot run.
    """
    if reason := reason_against():
        raise NoClusterError(reason)
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ExitStack() as undo:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.chmod(0o755)  # munged wants its socket to be within everyone's reach
            cluster = Cluster(folder)
            undo.callback(cluster.stop)
            link(cluster.configuration)
            undo.callback(CONFIGURATION.unlink)
            cluster.start()
            yield cluster


class Cluster(Daemons):
    """Daemons, and what a test does to them and to their jobs.

    Partitions are gpu (the default), cpu and urgent (its jobs preempt others', which
    are requeued); nodes n1 (feature small) and n2 (feature large), each with two
    processors, 64,000 MB and one GPU of model fake. Account `lab`, user root.
    """

    @contextmanager
    def announcing_gpus(self) -> Iterator[None]:
        """Jobs that begin meanwhile are told of the GPU that they have, as on any cluster."""
        mark = self.folder / "announce"
        mark.touch()
        try:
            yield
        finally:
            mark.unlink()

    def submit(self, *arguments: str, command: str) -> str:
        """Submit a shell command, and return the job's id."""
        output = f"--output={self.folder}/%j.out"
        return self.run(
            "sbatch", "--parsable", "--account=lab", output, *arguments, f"--wrap={command}"
        ).strip()

    def sacct(self, *fields: str, jobs: str | None = None) -> list[dict[str, str]]:
        """What the accounting has about all jobs or one, requeued ones once a start.

        What was asked for arrives there a second after the job's end.
        """
        chosen = [f"--jobs={jobs}"] if jobs else ["--starttime=now-1days", "--endtime=now+1days"]
        lines = self.run(
            *("sacct", "--allocations", "--duplicates", "--noheader", "--parsable2"),
            *(f"--format={','.join(fields)}", *chosen),
        ).splitlines()
        return [dict(zip(fields, line.split("|"), strict=True)) for line in lines]

    def state(self, job: str) -> str:
        """State of a job's last start, such as RUNNING or COMPLETED; empty if not yet known."""
        states = [one["State"] for one in self.sacct("State", jobs=job)]
        return states[-1].partition(" ")[0] if states else ""

    def queue(self, *states: str) -> list[dict[str, str]]:
        """The jobs queued or running: id, state, node, comment (rule and wildcards)."""
        chosen = [f"--states={','.join(states)}"] if states else []
        lines = self.run("squeue", "--noheader", "--format=%A|%T|%N|%k", *chosen).splitlines()
        names = ("id", "state", "node", "comment")
        return [dict(zip(names, line.split("|", 3), strict=True)) for line in lines]

    def cancel(self, *jobs: str) -> None:
        """Cancel jobs, as a person or an administrator would."""
        self.run("scancel", *jobs)

    def requeue(self, job: str) -> None:
        """Put a running job back into the queue, and have it start again at once."""
        self.run("scontrol", "requeue", job)
        self.hasten(job)

    def hasten(self, job: str) -> None:
        """Have a requeued job start when there is room; SLURM holds it back two minutes.

        A credential of the second in which the last one was revoked counts as revoked too.
        """
        self.until(f"job {job} is queued", lambda: job in self.waiting())
        self.run("scontrol", "update", f"jobid={job}", "starttime=now+3")

    def waiting(self) -> list[str]:
        """Ids of the jobs that wait, none of whose earlier starts is still ending."""
        return [job["id"] for job in self.queue("PENDING") if job["state"] == "PENDING"]

    def lose(self, node: str) -> None:
        """A node gone from one moment to the next, with all that ran on it."""
        jobs = [job["id"] for job in self.queue() if job["node"] == node]
        daemon = self.daemons.pop(f"slurmd-{node}")
        daemon.kill()
        daemon.wait()
        for job in jobs:
            _kill_processes(job)
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")

    def drain(self, node: str) -> None:
        """Take a node out of use; what runs there may end."""
        self.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")

    def resume(self, node: str) -> None:
        """Take a drained node into use again."""
        self.run("scontrol", "update", f"nodename={node}", "state=resume")

    def wait_state(self, job: str, *states: str) -> str:
        """Until the accounting has a job in one of some states, which is returned."""
        self.until(f"job {job} is {' or '.join(states)}", lambda: self.state(job) in states)
        return self.state(job)

    def wait_empty(self) -> None:
        """Until no job is queued or running."""
        self.until("no job is left", lambda: not self.queue())


def _present(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _own(path: Path) -> bool:
    """Whether a configuration is one of ours, of a run that was killed."""
    return path.is_symlink() and path.readlink().parent.name.startswith(PREFIX)


def link(configuration: Path) -> None:
    """Put a configuration where SLURM looks, in place of one that a killed run left."""
    if _present(CONFIGURATION):
        shutil.rmtree(CONFIGURATION.readlink().parent, ignore_errors=True)
        CONFIGURATION.unlink()
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.symlink_to(configuration)


def _kill_processes(job: str) -> None:
    """Kill what belongs to a job: its step daemons, and all with its id in the environment."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if title.startswith(f"slurmstepd: [{job}.".encode()) or (
            f"SLURM_JOB_ID={job}".encode() in environment
        ):
            try:
                os.kill(int(process.name), signal.SIGKILL)
            except ProcessLookupError:
                continue
