"""The daemons of a SLURM of two nodes on one machine: munge, MariaDB, slurmdbd, slurmctld, slurmd.

Nothing of systemd's is needed: each is a child of the test's process, and ends with it.
"""

from __future__ import annotations

import os
import socket
import string
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
NODES = ("n1", "n2")
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
SECONDS = 60  # for a daemon to come up, on a machine that is busy with other tests


class Daemons:
    """Start and end them; configuration, data and logs lie in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        names = ["slurmctld_port", "slurmdbd_port", *(f"{node}_port" for node in NODES)]
        values = dict(zip(names, _free_ports(len(names)), strict=True))
        values |= {"folder": str(folder), "host": socket.gethostname().partition(".")[0]}
        for name in ("slurm.conf", "gres.conf", "slurmdbd.conf", "prolog.sh"):
            text = string.Template((HERE / name).read_text()).substitute(values)
            (folder / name).write_text(text)
        (folder / "slurmdbd.conf").chmod(0o600)
        (folder / "prolog.sh").chmod(0o755)
        for name in ("slurmctld", *NODES):
            (folder / name).mkdir()

    def start(self) -> None:
        """Bring all daemons up; returns when both nodes are idle."""
        self._start_munge()
        self._start_database()
        self._start("slurmdbd", "slurmdbd", "-D")
        self.until("slurmdbd answers", lambda: self._answers("sacctmgr", "-n", "show", "cluster"))
        for added in (
            "cluster sightline",
            "account lab Cluster=sightline Description=lab Organization=lab",
            "user root Account=lab",
            "qos short",
            "qos long",
        ):
            self.run("sacctmgr", "-i", "add", *added.split())
        self.run("sacctmgr", "-i", "modify", "account", "lab", "set", "qos=normal,short,long")
        self._start("slurmctld", "slurmctld", "-D", "-c")
        self.until("slurmctld answers", lambda: self._answers("scontrol", "ping"))
        for node in NODES:
            self.bring_up(node, wait=False)
        for node in NODES:
            self.wait_idle(node)

    def stop(self) -> None:
        """End all jobs and daemons."""
        try:
            if "slurmctld" in self.daemons and self._answers("scancel", "--user=root"):
                self.until("no job is left", lambda: not self.run("squeue", "--noheader"))
        finally:
            for daemon in reversed(self.daemons.values()):
                _end(daemon)
            self.daemons.clear()

    def run(self, *command: str) -> str:
        """What a command of SLURM prints."""
        done = self._call(*command)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def bring_up(self, node: str, wait: bool = True) -> None:
        """Start a node, at first or after it was lost."""
        self._start(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        if wait:
            self.wait_idle(node)

    def wait_idle(self, node: str) -> None:
        """Until a node takes jobs."""
        command = ("sinfo", "--noheader", f"--nodes={node}", "--format=%T")
        self.until(f"{node} is idle", lambda: self.run(*command).strip() in {"idle", "mixed"})

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log"}
        files["seed-file"] = "seed"
        options = [f"--{name}={self.folder}/munge.{file}" for name, file in files.items()]
        self._start("munged", "munged", "--foreground", *options)
        self.until("munged answers", (self.folder / "munge.socket").exists)

    def _start_database(self) -> None:
        """MariaDB with a data folder of its own, reached by a socket alone."""
        data = f"--datadir={self.folder}/mariadb"
        self.run(
            *("mariadb-install-db", "--no-defaults", "--user=root", data, "--skip-test-db"),
            "--auth-root-authentication-method=normal",
        )
        self._start(
            *("mariadbd", "mariadbd", "--no-defaults", "--user=root", data, "--skip-networking"),
            # Nothing of it is to outlive the tests: no waiting for the disk.
            *(f"--socket={self.database_socket}", "--innodb-flush-log-at-trx-commit=0"),
        )
        self.until("mariadbd answers", self.database_socket.exists)

    @property
    def database_socket(self) -> Path:
        """Where slurmdbd finds the database."""
        return self.folder / "mariadb.socket"

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                # Ended with the tests, also when these are killed.
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _environment(self) -> dict[str, str]:
        own = {"SLURM_CONF": str(self.configuration), "MYSQL_UNIX_PORT": str(self.database_socket)}
        return os.environ | own | {"PATH": SYSTEM_PATH}

    def _call(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self._environment(), text=True, capture_output=True, check=False
        )

    def _answers(self, *command: str) -> bool:
        return self._call(*command).returncode == 0

    def until(self, what: str, true: Callable[[], bool]) -> None:
        """Wait for something, and tell what the daemons said if it does not come."""
        end = time.monotonic() + SECONDS
        while not true():
            if time.monotonic() > end:
                logs = [
                    f"== {log.name}\n{log.read_text()[-1500:]}" for log in self.folder.glob("*.log")
                ]
                raise TimeoutError("\n".join([f"not within {SECONDS} s: {what}", *logs]))
            time.sleep(0.1)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(timeout=10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
