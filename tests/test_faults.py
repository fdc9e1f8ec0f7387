"""Whatever goes wrong on one machine, the next run ends with an undisturbed run's results."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mapfiles import write_in_chunks, write_maps
from project import Project, assert_equal_results
from sightline.cli import app
from sightline.compare import engine
from sightline.compare.consensus.file import Rows, read_consensus, read_directions
from sightline.compare.measures.protocol import resolve
from sightline.compare.pairs import each_measure, read_pairs
from sightline.compare.statistics import Statistics
from sightline.errors import SightlineError
from sightline.files import is_temporary, replacing
from sightline.images.shards import Entry, png, write_shard
from sightline.jobs import verify as verify_job
from sightline.jobs.figures.artefacts import draw_artefacts
from sightline.jobs.verify import verify
from sightline.maps.store import read_maps
from sightline.sealed import sealed_reader, sealed_writer
from sightline.tabular import read_table, write_table

# Of one file.


def small_maps(path: Path) -> Path:
    return write_maps(path, np.random.default_rng(0).normal(size=(3, 7, 7)))


def damages(data: bytes, count: int) -> Iterator[bytes]:
    """The same with a bit flipped, with a block of zeros, and cut off, at seeded places."""
    rng = np.random.default_rng(7)
    for place in rng.integers(0, len(data), count):
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.integers(8)
        yield bytes(flipped)
    for start in range(0, len(data), 512):
        if any(data[start : start + 512]):
            yield data[:start] + bytes(len(data[start : start + 512])) + data[start + 512 :]
    for length in rng.integers(0, len(data), 20):
        yield data[:length]


def test_no_damage_to_a_map_file_is_read(tmp_path: Path) -> None:
    path = small_maps(tmp_path / "maps.h5")
    for data in damages(path.read_bytes(), 300):
        path.write_bytes(data)
        with pytest.raises(SightlineError, match=r"maps\.h5 is damaged.*Delete it and run again"):
            read_maps(path)


def test_no_damage_to_a_parquet_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table = pd.DataFrame({"model": ["a", "b"] * 50, "value": np.arange(100) / 7})
    write_table(path, table)
    pd.testing.assert_frame_equal(read_table(path), table)
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)  # as any other tool reads it
    for data in damages(path.read_bytes(), 300):
        path.write_bytes(data)
        with pytest.raises(SightlineError, match=r"table\.parquet is damaged.*Delete it"):
            read_table(path, {"model": "a"})


def test_a_file_without_checksum_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["schema"] = 3
    with pytest.raises(SightlineError, match="written by an earlier version"):
        read_maps(tmp_path / "old.h5")


READERS: dict[str, Callable[[Path], object]] = {
    "maps": read_maps,
    "statistics": lambda path: Statistics([path]),
    "consensus": lambda path: read_consensus([path], Rows),
    "directions": lambda path: read_directions([path], slice(1)),
    "pairs": read_pairs,
    "measures": lambda path: list(each_measure(path)),
    "artefacts": lambda path: draw_artefacts(path, path, path, palette="viridis"),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_file_of_another_schema_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other.h5"
    with sealed_writer(path, 0):
        pass
    with pytest.raises(
        SightlineError, match=r"other\.h5 has the schema 0, expected [1-9]\. Delete it"
    ):
        READERS[kind](path)


def test_a_sealed_file_opens_as_any_other(tmp_path: Path) -> None:
    with h5py.File(small_maps(tmp_path / "maps.h5")) as file:
        assert file["maps"].shape == (3, 7, 7)


def test_two_writers_of_one_file_have_names_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as one, replacing(path) as other:
        assert one != other
        assert is_temporary(one)
        assert not is_temporary(path)
        one.write_text("first")
        other.write_text("second")
        assert not path.exists()
    assert path.read_text() == "first"  # whoever ends last
    assert list(tmp_path.iterdir()) == [path]


WRITERS = {
    "maps.h5": lambda path: write_maps(path, np.random.default_rng(0).normal(size=(9, 99, 99))),
    "table.csv": lambda path: write_table(path, pd.DataFrame({"a": np.arange(99_999) / 7})),
    "table.parquet": lambda path: write_table(path, pd.DataFrame({"a": np.arange(99_999) / 7})),
}


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file can be longer: a disk that is full, for this process alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_a_limit_to_the_size_of_files_is_said(name: str, tmp_path: Path) -> None:
    with (
        files_up_to(50_000),
        pytest.raises(SightlineError, match=rf"no space left to write .*{name}.*run again"),
    ):
        WRITERS[name](tmp_path / name)
    assert not list(tmp_path.iterdir())
    WRITERS[name](tmp_path / name)


def test_space_may_run_out_at_any_byte_of_a_map_file(tmp_path: Path) -> None:
    size = small_maps(tmp_path / "maps.h5").stat().st_size
    (tmp_path / "maps.h5").unlink()
    for limit in range(0, size, 16):
        with files_up_to(limit), pytest.raises(SightlineError, match="no space left"):
            small_maps(tmp_path / "maps.h5")
        assert not list(tmp_path.iterdir())


def test_a_job_ends_at_the_chunk_for_which_there_is_no_space(tmp_path: Path) -> None:
    computed = []

    def chunks() -> Iterator[np.ndarray]:
        for seed in range(100):
            computed.append(np.random.default_rng(seed).normal(size=(8, 49, 49)))  # 35 kB stored
            yield computed[-1]

    with (
        files_up_to(300_000),
        pytest.raises(SightlineError, match=r"no space left to write .*maps\.h5"),
    ):
        write_in_chunks(tmp_path / "maps.h5", 800, chunks())
    assert 1 < len(computed) < 10
    assert not list(tmp_path.iterdir())


def test_a_comparison_ends_at_the_block_for_which_there_is_no_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = np.random.default_rng(0).normal(size=(200, 7, 7))
    files = {name: [write_maps(tmp_path / f"{name}.h5", maps)] for name in ("a", "b")}
    settings = engine.CompareSettings(7, {"cosine": resolve({"measure": "cosine"})}, {})
    monkeypatch.setattr(engine, "_HELD", 0)  # blocks of one image
    blocks = []
    compare = engine._Comparison._compare_block
    monkeypatch.setattr(
        engine._Comparison,
        "_compare_block",
        lambda self, block: [blocks.append(block), compare(self, block)],
    )
    with files_up_to(4_000), pytest.raises(SightlineError, match="no space left to write"):
        engine.compare_maps(files, settings, tmp_path / "out.h5")
    assert 0 < len(blocks) < 100
    assert not list(tmp_path.glob("*out*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said_and_the_process_ends_in_order(small_disk: Path) -> None:
    program = """
import sys, numpy as np
from pathlib import Path
from sightline.cli import main, app
from mapfiles import write_in_chunks, write_maps
@app.command()
def fill(path: Path):
    write_maps(path, np.random.default_rng(0).normal(size=(30, 99, 99)))
main()
"""
    command = [sys.executable, "-c", program, "fill", str(small_disk / "maps.h5")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1, done  # HDF5 left to itself crashes when the process ends
    assert re.match(r"Error: There is no space left to write .*maps\.h5: No space", done.stderr)
    assert "Traceback" not in done.stderr
    assert not list(small_disk.iterdir())


# Of a folder of results.


# As matplotlib begins one.
SVG = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<svg xmlns="http://www.w3.org/2000/svg"><g id="a"/></svg>
"""
PICTURE = png(np.random.default_rng(0).integers(0, 256, (9, 9, 3)).astype(np.uint8))
MASK = np.eye(9, dtype=bool)
TABLE = pd.DataFrame({"model": ["a", "b"], "value": [1, 2]})
ENTRY = Entry("a", "", PICTURE, "a.png", (("tent", None, MASK),))
# A whole file of each kind that is checked, by its name in a folder of results.
KINDS: dict[str, Callable[[Path], object]] = {
    "a.h5": small_maps,
    "a.zip": lambda path: write_shard(path, [ENTRY]),
    "a.parquet": lambda path: write_table(path, TABLE),
    "a.csv": lambda path: write_table(path, TABLE),
    "predictions/a/000000-000001.csv": lambda path: write_table(
        path, pd.DataFrame({"model": "a", "image_id": ["a", "b"], "rank": 1})
    ),
    "a.json": lambda path: path.write_text('{"a": [1, "b"]}'),
    "a.png": lambda path: path.write_bytes(PICTURE),
    "a.svg": lambda path: path.write_text(SVG),
}


def result_of(name: str, folder: Path) -> Path:
    """A file of `KINDS`."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[name](path)
    return path


def results_of_each_kind(folder: Path) -> list[Path]:
    return [result_of(name, folder) for name in KINDS]


def verify_by_command(folder: Path, *options: str) -> tuple[int, str]:
    """Status and words of the command."""
    done = CliRunner().invoke(app, ["verify", str(folder), *options])
    return done.exit_code, done.stdout


def test_each_kind_of_file_is_verified(tmp_path: Path) -> None:
    files = results_of_each_kind(tmp_path / "results")
    assert {path.suffix for path in files} == verify_job._CHECKS.keys()
    assert verify_by_command(tmp_path / "results") == (
        0,
        f"{len(files)} files, 0 damaged, 0 unfinished.\n",
    )
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = verify(tmp_path / "results")
    assert set(found.damaged) == set(files)
    assert all(str(path) in why for path, why in found.damaged.items())
    assert not found.unread


@pytest.mark.parametrize("name", KINDS)
def test_any_damage_is_named_or_passes_for_what_was_written(name: str, tmp_path: Path) -> None:
    path = result_of(name, tmp_path / "results")
    whole = path.read_bytes()
    ends = []
    for data in damages(whole, 100):
        path.write_bytes(data)
        found = verify(tmp_path / "results")  # raises nothing
        assert (found.checked, found.unread, found.unfinished) == (1, {}, [])
        assert all(str(path) in why for why in found.damaged.values())
        ends.append(set(found.damaged))
    assert {path} in ends
    if path.suffix in (".h5", ".parquet"):
        assert set() not in ends
    # What is cut off is found, but for a table that ends with one of its lines.
    assert all(ends[-20:]) or path.name == "a.csv"


def test_what_cannot_be_read_is_not_damaged_and_never_removed(tmp_path: Path) -> None:
    files = results_of_each_kind(tmp_path / "results")
    # Links in a circle: the system refuses to open them, whoever asks.
    for path in files:
        path.unlink()
        path.symlink_to(path)
    found = verify(tmp_path / "results")
    assert (set(found.unread), found.damaged) == (set(files), {})
    status, said = verify_by_command(tmp_path / "results", "--remove")
    assert status == 1
    assert all(re.search(rf"cannot be read: {path}: .*symbolic links", said) for path in files)
    assert f"{len(files)} files, 0 damaged, {len(files)} could not be read, 0 unfinished" in said
    assert all(path.is_symlink() for path in files)


def test_files_of_an_earlier_version_are_not_removed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["schema"] = 3
    status, said = verify_by_command(tmp_path, "--remove")
    assert (status, (tmp_path / "old.h5").exists()) == (1, True)
    assert "written by an earlier version" in said


def test_errors_of_who_reads_a_file_are_not_damage(tmp_path: Path) -> None:
    path = small_maps(tmp_path / "maps.h5")
    for error in (KeyError("none"), OSError(5, "Input/output error"), ValueError("none")):
        with pytest.raises(type(error)) as caught, sealed_reader(path, 3):
            raise error
        assert caught.value is error


def test_predictions_cut_at_the_end_of_a_line_are_found(tmp_path: Path) -> None:
    path = tmp_path / "results/tiny/predictions/resnet/000000-000002.csv"
    lines = ["image_id,rank", "a,1", "a,2", "b,1", "b,2", "c,1", "c,2"]
    path.parent.mkdir(parents=True)
    for count, damaged in ((7, False), (6, False), (5, True), (1, True)):
        path.write_text("".join(f"{line}\n" for line in lines[:count]))
        assert bool(verify(tmp_path / "results").damaged) == damaged


# Of a study.


STUDY = {
    "study": "tiny",
    "images": {"source": "shapes", "count": 8},
    "models": ["zoo:test_resnet", "zoo:test_vit"],
    "methods": {"gradcam": {}, "kernelshap": {"samples": 20, "segments": 8}},
}
# Maps and what is merged from them: enough to see what follows from what.
MAPS = [
    f"results/tiny/maps/original/{model}/{method}/000000-000007.h5"
    for model in ("test_resnet", "test_vit")
    for method in STUDY["methods"]
]
MERGED = [f"results/tiny/compare/{method}/pairs.h5" for method in STUDY["methods"]]


class Small(Project):
    """A study of which the maps and their comparison are asked for."""

    def command(self, *arguments: str) -> list[str]:
        """The command that runs it."""
        return [*super().command(*arguments), "--", *MAPS, *MERGED]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An undisturbed run."""
    project = Small(tmp_path_factory.mktemp("undisturbed"), STUDY)
    project.complete()
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A study of which nothing has run."""
    return Small(tmp_path / "disturbed", finished.study)


def start(project: Project, *arguments: str, log: str = "run.log") -> subprocess.Popen[bytes]:
    """Begin a run."""
    with (project.folder / log).open("wb") as file:
        return subprocess.Popen(
            project.command(*arguments),
            cwd=project.folder,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def wait_for(
    project: Project, process: subprocess.Popen[bytes] | None, event: Callable[[], bool]
) -> None:
    """Until something is so; a run, if one is given, may not end before."""
    end = time.monotonic() + 600
    while not event():
        ended = process is not None and process.poll() is not None
        assert not ended, [path.read_text() for path in project.folder.glob("*.log")]
        assert time.monotonic() < end
        time.sleep(0.05)


def jobs_of(project: Project, command: str) -> list[int]:
    """Processes that run one of the library's commands in a project's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            folder = (process / "cwd").readlink()
        except OSError:  # it ended meanwhile
            continue
        python = arguments[1:3] == [b"-m", b"sightline"]
        if folder == project.folder and python and command.encode() in arguments:
            found.append(int(process.name))
    return found


def identities(project: Project) -> dict[Path, tuple[int, int]]:
    """Inode and time of the map files."""
    files = project.map_files()
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def resume(project: Project) -> str:
    """Run to the end what a killed run left, and return what Snakemake says."""
    unlocked = project.run("--unlock")
    assert unlocked.returncode == 0, unlocked.stdout
    done = project.run()
    assert done.returncode == 0, done.stdout
    return done.stdout


# Where an explain job has begun its file, and written nothing of it.
BEFORE = "    scores = _scores(job, classifier, images)\n    classes"
HOLD = """    import time
    while job.method_id == "gradcam" and Path("hold").exists():
        time.sleep(0.1)
"""


def hold(project: Project) -> Path:
    """Let the jobs of one method wait, their files half written, while a file is there."""
    source = project.folder / "workflow/sightline/jobs/explain.py"
    text = source.read_text()
    assert text.count(BEFORE) == 1
    source.write_text(text.replace(BEFORE, HOLD + BEFORE))
    held = project.folder / "hold"
    held.touch()
    return held


def said(project: Project, pattern: str, log: str = "run.log") -> int:
    """How often a run has said something."""
    return len(re.findall(pattern, (project.folder / log).read_text(), re.MULTILINE))


@pytest.mark.faults
@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_killed_controller_whose_jobs_write_on(finished: Project, project: Project) -> None:
    held = hold(project)
    process = start(project, "--cores", "4")  # of which two hold
    ended, begun = r"^Finished jobid: .*\(Rule: (?:explain|redraw)\)", "^(?:local)?rule explain:"
    unfinished = partial(project.folder.glob, "results/tiny/maps/**/.*.h5")
    wait_for(project, process, lambda: (said(project, ended), len(list(unfinished()))) == (4, 2))
    survived = identities(project)
    process.kill()
    process.wait()
    orphans = set(jobs_of(project, "explain-range"))
    assert (len(orphans), len(survived)) == (2, 4)
    refused = project.run()
    assert refused.returncode == 1
    assert "--unlock" in refused.stdout
    unlocked = project.run("--unlock")
    assert unlocked.returncode == 0, unlocked.stdout
    second = start(project, log="second.log")
    wait_for(project, second, lambda: len(list(unfinished())) == 4)  # two writers of each file
    assert orphans < set(jobs_of(project, "explain-range"))
    held.unlink()
    assert second.wait(timeout=900) == 0, (project.folder / "second.log").read_text()
    wait_for(project, None, lambda: not jobs_of(project, "explain-range"))
    assert said(project, begun) == 4
    assert said(project, begun, "second.log") == 2  # those that were lost, no others
    again = identities(project)
    assert all(again[path] == known for path, known in survived.items())
    assert not list(unfinished())
    assert_equal_results(finished, project)
    assert project.planned() == Counter()


@pytest.mark.faults
@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_killed_worker(finished: Project, project: Project) -> None:
    process = start(project)
    wait_for(project, process, lambda: bool(jobs_of(project, "explain-range")))
    os.kill(jobs_of(project, "explain-range")[0], signal.SIGKILL)
    assert process.wait(timeout=900) == 1
    survived = identities(project)
    lost = set(identities(finished)) - set(survived)
    assert len(survived) >= len(finished.map_files()) - 1, lost
    done = project.run()
    assert done.returncode == 0, done.stdout
    # Whichever it was: a redrawing job runs the same command.
    begun = re.findall(r"^(?:local)?rule (?:explain|redraw):", done.stdout, re.MULTILINE)
    assert len(begun) == 1
    again = identities(project)
    assert all(again[path] == known for path, known in survived.items())
    assert_equal_results(finished, project)


@pytest.mark.faults
@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_no_space_during_a_run(finished: Project, project: Project) -> None:
    prepared = project.run("--until", "shard")
    assert prepared.returncode == 0, prepared.stdout
    sizes = sorted(path.stat().st_size for path in finished.map_files())
    limit = (sizes[0] + sizes[-1]) // 2  # the smaller maps fit, the larger do not
    # Of the jobs alone: Snakemake writes larger files, such as the rules that it compiles.
    shell = project.folder / "limited"
    shell.write_text(f'#!/bin/bash\nulimit -f {limit // 1024}\nexec bash "$@"\n')
    shell.chmod(0o755)
    done = project.run("--until", "explain", "--set-resources", f"explain:shell_exec={shell}")
    assert done.returncode == 1
    assert "There is no space left to write" in done.stdout
    assert not list(project.folder.glob("results/**/.*.h5"))
    survived = identities(project)
    assert 0 < len(survived) < len(sizes)
    project.complete()
    again = identities(project)
    assert all(again[path] == known for path, known in survived.items())
    assert_equal_results(finished, project)


@pytest.mark.faults
@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_damaged_files_are_found_removed_and_made_again(finished: Project, tmp_path: Path) -> None:
    project = Small(tmp_path / "damaged", finished.study)
    shutil.copytree(finished.folder / "results", project.folder / "results")
    shutil.copytree(finished.folder / ".snakemake", project.folder / ".snakemake")
    results = project.folder / "results/tiny"
    assert project.planned() == Counter()
    assert not verify(results).damaged
    cut, flipped = project.folder / MAPS[0], project.folder / MAPS[-1]
    cut.write_bytes(cut.read_bytes()[:-100])
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    left = cut.with_name(f".{cut.stem}.host.1.abcdef01.h5")
    left.write_bytes(b"half")
    found = verify(results)
    assert set(found.damaged) == {cut, flipped}
    assert found.unfinished == [left]
    command = [sys.executable, "-m", "sightline", "verify", "results/tiny"]
    environment = os.environ | {"PYTHONPATH": "workflow"}
    for options, status in ([], 1), (["--remove"], 1), ([], 0):
        done = subprocess.run(
            [*command, *options],
            cwd=project.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done
        assert (cut.name in done.stdout) == bool(status)
    assert project.planned_files("explain") == {
        path.relative_to(project.folder).as_posix() for path in (cut, flipped)
    }
    before = identities(project)
    project.complete()
    again = identities(project)
    assert all(again[path] == known for path, known in before.items())
    assert_equal_results(finished, project)


@pytest.mark.faults
@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_two_controllers(finished: Project, project: Project) -> None:
    process = start(project)
    wait_for(project, process, lambda: bool(jobs_of(project, "explain-range")))
    refused = project.run()
    assert refused.returncode == 1
    assert "cannot be locked" in refused.stdout
    # Who does not listen loses jobs, whose outputs each controller removes before it begins.
    other = start(project, "--nolock", log="other.log")
    process.wait(timeout=900)
    other.wait(timeout=900)
    resume(project)
    assert_equal_results(finished, project)
