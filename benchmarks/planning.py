"""Time and memory of Snakemake itself on large studies: planning, scheduling, planning again.

Models have random weights and images are made by code, so a study is a page of text. Jobs are
not run: an executor (`benchmarks/noop`) leaves empty outputs in their place.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/planning.csv"
PAGE = ROOT / "docs/large.md"
PARTS = ("Snakefile", "workflow", "profiles", "envs", "config", "resources")
KEYS = ("explain_jobs", "step")
STEPS = {
    "parse": "the Snakefile, until its rules are known",
    "plan": "dry run of a study that has no results",
    "schedule": "all jobs, doing nothing",
    "again": "dry run of the finished study",
}
# The rules of a light job would run here: all are to do nothing.
WRAPPER = 'include: "Snakefile"\n\n\nworkflow._localrules.clear()\n'
# RISE with so many masks takes eight images a job.
MASKS, IMAGES = 6000, 8
# Around the parser: what comes before is the start of Snakemake.
TIMER = """
import sys, time
import snakemake.cli
from snakemake.workflow import Workflow
parse, depth = Workflow.include, 0
def include(self, *arguments, **named):
    global depth
    depth += 1
    start, used = time.perf_counter(), time.process_time()
    try:
        return parse(self, *arguments, **named)
    finally:
        depth -= 1
        if not depth:
            print("parsed", time.perf_counter() - start, time.process_time() - used)
Workflow.include = include
snakemake.cli.main(sys.argv[1:])
"""
# As a cluster has them: a thousand jobs at once, asked after each second.
SCHEDULING = (
    *("--executor", "noop", "--jobs", "1000", "--max-jobs-per-timespan", "100000/1s"),
    *("--seconds-between-status-checks", "1", "--max-status-checks-per-second", "1000"),
    *("--latency-wait", "0", "--quiet", "all"),
)


class Case(NamedTuple):
    """How many explain jobs: models by methods by ranges."""

    models: int
    methods: int
    ranges: int

    @property
    def jobs(self) -> int:
        """Explain jobs in all."""
        return self.models * self.methods * self.ranges


CASES = [Case(10, 10, 10), Case(50, 10, 20), Case(100, 10, 100)]


def main(arguments: list[str] | None = None) -> None:
    """Print what each case takes: some minutes up to 10,000 jobs, an hour for 100,000."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="into docs, beside what is there")
    parser.add_argument("--jobs", type=int, nargs="+", help="explain jobs of the cases; all")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--folder", type=Path, help="for the study; a fast disk is best")
    given = parser.parse_args(arguments)
    found = {key_of(row): row for row in read()} if given.write and TABLE.exists() else {}
    for case in CASES:
        if given.jobs and case.jobs not in given.jobs:
            continue
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            make_project(Path(name), case)
            for step in given.steps:
                row = {"explain_jobs": case.jobs, "step": step} | measure(Path(name), step)
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
                found[case.jobs, step] = {key: str(value) for key, value in row.items()}
                if given.write:
                    write([found[key] for key in order() if key in found])


def order() -> list[tuple[int, str]]:
    """The rows of the table."""
    return [(case.jobs, step) for case in CASES for step in STEPS]


def key_of(row: Mapping[str, str]) -> tuple[int, str]:
    """Which case and step a row is of."""
    return int(row["explain_jobs"]), row["step"]


def read() -> list[dict[str, str]]:
    """The rows of docs/planning.csv."""
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def write(rows: list[dict[str, str]]) -> None:
    """The table and its part of the page."""
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    PAGE.write_text(page(PAGE.read_text(), rows))


def page(text: str, rows: list[dict[str, str]]) -> str:
    """The page with its table made anew."""
    heads = ("explain jobs", "all jobs", "step", "CPU time", "wall time", "peak memory")
    lines = [f"| {' | '.join(heads)} |", "|--:|--:|---|--:|--:|--:|"]
    for row in rows:
        cells = (
            f"{int(row['explain_jobs']):,}",
            f"{int(row['jobs']):,}" if row["jobs"] else "",
            STEPS[row["step"]],
            f"{row['cpu_s']} s",
            f"{row['wall_s']} s",
            f"{int(row['peak_mb']):,} MB",
        )
        lines.append(f"| {' | '.join(cells)} |")
    table = "\n".join(lines)
    filled = f"<!-- planning -->\n{table}\n<!-- end -->"
    return re.sub(r"<!-- planning -->\n.*?<!-- end -->", lambda _: filled, text, flags=re.DOTALL)


def make_project(folder: Path, case: Case) -> None:
    """The workflow by links, with a study of as many jobs."""
    for part in PARTS:
        (folder / part).symlink_to(ROOT / part)
    tiny = {"name": "test_vit", "pretrained": False, "args": {"num_classes": 8, "img_size": 96}}
    families = ("cnn", "transformer")
    study = {
        "study": "large",
        "images": {"source": "shapes", "count": case.ranges * IMAGES},
        "models": {
            f"model{i:03d}": tiny | {"seed": i, "family": families[i % 2]}
            for i in range(case.models)
        },
        "methods": {
            f"rise{i}": {"method": "rise", "masks": MASKS + i} for i in range(case.methods)
        },
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    (folder / "noop.smk").write_text(WRAPPER)


def measure(folder: Path, step: str) -> dict[str, str | float]:
    """Jobs, seconds and peak memory of a step."""
    common = ["--configfile", "study.yaml", "--cores", "1"]
    if step == "parse":
        runs = [run(folder, ["-c", TIMER, *common, "--list-rules"]) for _ in range(3)]
        timed = [re.search(r"^parsed (\S+) (\S+)$", one.output, re.MULTILINE) for one in runs]
        seconds = [tuple(map(float, one.groups())) for one in timed if one]
        wall, cpu = (sorted(column)[1] for column in zip(*seconds, strict=True))
        jobs, peak = "", runs[0].peak
        return {"jobs": jobs, "cpu_s": round(cpu, 2), "wall_s": round(wall, 2), "peak_mb": peak}
    options = SCHEDULING if step == "schedule" else ("--dry-run", "--quiet", "rules")
    done = run(folder, ["-m", "snakemake", "-s", "noop.smk", "all", *common, *options])
    total = re.search(r"^total +(\d+)$", done.output, re.MULTILINE)
    return {
        "jobs": total.group(1) if total else "",
        "cpu_s": round(done.cpu, 1),
        "wall_s": round(done.wall, 1),
        "peak_mb": done.peak,
    }


class Done(NamedTuple):
    """What came of a command, in seconds and MB."""

    output: str
    wall: float
    cpu: float
    peak: int


def run(folder: Path, arguments: list[str]) -> Done:
    """Run Python in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "benchmarks/noop")}
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if status:
        raise RuntimeError(f"{arguments} ended with status {status}:\n{text[-2000:]}")
    return Done(text, wall, usage.ru_utime + usage.ru_stime, round(usage.ru_maxrss / 1024))


if __name__ == "__main__":
    main()
