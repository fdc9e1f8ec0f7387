"""The commands that say what a study will take, and learn from what it took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightline.errors import SightlineError

if TYPE_CHECKING:
    from sightline.study.demand import Demands
    from sightline.study.plan import Line, Plan
    from sightline.study.resolve import ResolvedStudy
    from sightline.study.speeds import Device, Speeds

StudyFile = Annotated[Path, typer.Argument(help="Its configuration, a YAML file.")]
_HEADS = ("jobs of", "to do", "done", "passes", "time", "longest", "memory", "cores")
_NOTE = (
    "Times are reckoned for one job after the other, each with its start, and are meant to be too "
    "long rather than too short. Done is what has its file; whether it would run again, because "
    "something changed, `snakemake -n` says. Tables and figures of all models, which take seconds "
    "each, are not listed."
)


def plan(
    study: StudyFile,
    device: Annotated[str, typer.Option(help="cpu or cuda; auto: as the study says.")] = "auto",
    speeds: Annotated[
        Path | None, typer.Option(help="Measured speeds; resources/speeds.csv unless given.")
    ] = None,
) -> None:
    """Say what a study will take, before anything is submitted: jobs, passes, hours, storage."""
    from sightline.study.speeds import TABLE, read_speeds

    if speeds is not None and not speeds.exists():
        raise SightlineError(f"There is no table {speeds}: `sightline speeds` writes one.")
    resolved = _resolved(study)
    known = read_speeds(speeds or TABLE)
    print("\n".join(_told(resolved, known, _device(device, resolved))))


def speeds(
    studies: Annotated[list[Path], typer.Argument(help="Configurations of studies that ran.")],
    output: Annotated[
        Path | None, typer.Option(help="The table; resources/speeds.csv unless given.")
    ] = None,
) -> None:
    """Measure seconds a pass, by model, method and device, from the benchmark files of runs."""
    from sightline.jobs.speeds import finished_jobs, measured_speeds
    from sightline.study.speeds import TABLE, read_speeds, write_speeds

    path = output or TABLE
    ran = [one for study in studies for one in finished_jobs(_resolved(study))]
    if not ran:
        raise SightlineError(
            f"{', '.join(map(str, studies))}: no job that ran a model has both its maps and its "
            "benchmark file. Run the study first, from this folder."
        )
    found = measured_speeds(ran)
    new = {(one.model, one.method, one.device) for one in found}
    kept = [one for one in read_speeds(path).rows if (one.model, one.method, one.device) not in new]
    write_speeds([*kept, *found], path)
    print(f"{path}: {len(found)} rows of {len(ran)} jobs, {len(kept)} rows kept.")


def _resolved(path: Path) -> ResolvedStudy:
    import yaml

    from sightline.study.resolve import ResolvedStudy

    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SightlineError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(found, dict):
        raise SightlineError(f"{path} holds no study: expected keys such as study, images, models.")
    return ResolvedStudy(found)


def _device(given: str, study: ResolvedStudy) -> Device:
    """Where models are taken to run; without a word, on GPUs."""
    name = study.config.device if given == "auto" else given
    if name == "cpu":
        return "cpu"
    if name not in ("auto", "cuda"):
        raise SightlineError(f"--device {given}: expected cpu, cuda or auto.")
    return "cuda"


def _told(study: ResolvedStudy, speeds: Speeds, device: Device) -> Iterator[str]:
    from sightline.study.demand import Demands
    from sightline.study.plan import Plan

    demands = Demands(study, speeds, device)
    made = Plan(study, demands)
    named = {"cpu": "a CPU core", "cuda": "a GPU"}[device]
    counts = f"{len(study.models)} models, {len(study.methods)} methods, {len(study.images)} images"
    yield f"Study {study.config.study}: {counts}; each job on {named}."
    yield ""
    running, merging = made.running(), made.merging()
    yield from _table([*running, *merging])
    yield ""
    yield from _sums(running, merging, device)
    yield from _asked(study, made, demands)
    kept = _bytes(made.storage()), _bytes(made.compared())
    yield "On disk, maps take {}, comparisons {}.".format(*kept)
    yield from _bundled(made)
    yield from _held(study, made, device, speeds)
    yield from _assumptions(made, speeds, device)


def _table(lines: list[Line]) -> Iterator[str]:
    rows = [_HEADS, *(_cells(one) for one in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    for row in rows:
        name, *figures = (
            f"{cell:{width}}" if i == 0 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([name, *figures]).rstrip()


def _cells(one: Line) -> tuple[str, ...]:
    passes = f"{one.passes:,.0f}" if one.passes else ""
    told: tuple[str, ...] = ("", "", "", "")
    if one.left and one.seconds:
        memory = _bytes(one.megabytes * 1e6)
        told = (_time(one.seconds), _time(one.longest[1]), memory, str(one.cores))
    return (one.rule, f"{one.left:,}", f"{one.done:,}", passes, *told)


def _sums(running: list[Line], merging: list[Line], device: Device) -> Iterator[str]:
    kind = "GPU" if device == "cuda" else "CPU"
    jobs = sum(one.left for one in (*running, *merging))
    seconds, merges = (sum(one.seconds for one in lines) for lines in (running, merging))
    passes = sum(one.passes for one in running)
    times = f"{kind} {_time(seconds)}, merging {_time(merges)}"
    yield f"{jobs:,} jobs and {passes:,.0f} passes: {times}."
    longest = max((one.longest for one in (*running, *merging)), key=lambda one: one[1])
    if longest[0]:
        yield f"The longest job, {_time(longest[1])}, makes {longest[0]}."


def _asked(study: ResolvedStudy, made: Plan, demands: Demands) -> Iterator[str]:
    """The most that a job asks of a cluster, whose partitions allow only so much."""
    from sightline.study.cost import RUNNING
    from sightline.study.merging import Merging

    asking: list[tuple[str, Demands | Merging]] = [(rule, demands) for rule in RUNNING]
    asking += [(rule, Merging(study)) for rule in sorted(Merging.RULES)]
    jobs = [
        (rule, of, one.wildcards)
        for rule, of in asking
        if rule in made.by_rule
        for one in made.to_do(rule)
    ]
    if not jobs:
        return
    first, third = (
        [
            max((of.minutes(rule, words, attempt), rule) for rule, of, words in jobs),
            max((of.memory(rule, words, attempt), rule) for rule, of, words in jobs),
        ]
        for attempt in (1, 3)
    )
    yield (
        f"On a cluster, jobs ask for up to {first[0][0]:,} minutes ({first[0][1]}), tried a third "
        f"time for {third[0][0]:,}; for {first[1][0]:,} MB ({first[1][1]}), then {third[1][0]:,}."
    )


def _bundled(made: Plan) -> Iterator[str]:
    from sightline.study.plan import ALLOCATING, COMPUTING

    found = made.bundles()
    if not found:
        return
    yield ""
    yield (
        f"To compute {COMPUTING:.0%} of an allocation's time ({ALLOCATING:.0f} s until its first "
        "job starts), bundle a model's jobs:"
    )
    for rule, one in found.items():
        more = "" if one.share >= COMPUTING else f"; starts of jobs alone leave {one.bound:.0%}"
        yield f"  group-components: {rule}-{{model}}={one.jobs} ({one.share:.0%} computing{more})"


def _held(study: ResolvedStudy, made: Plan, device: Device, speeds: Speeds) -> Iterator[str]:
    from sightline.study.demand import Demands
    from sightline.study.plan import held_against
    from sightline.study.speeds import Speeds

    before = held_against(study, made, Demands(study, Speeds(), device))
    if not before:
        return
    after = held_against(study, made, Demands(study, speeds, device))
    yield ""
    yield "What ran already, if it ran there:"
    for one, again in zip(before, after, strict=True):
        told = f"reckoned from sizes {_time(one.expected)}"
        if speeds.rows:
            told += f", with measured speeds {_time(again.expected)}"
        yield f"  {one.rule}: {one.jobs:,} jobs took {_time(one.took)}; {told}"


def _assumptions(made: Plan, speeds: Speeds, device: Device) -> Iterator[str]:
    from textwrap import wrap

    from sightline.models.sizes import UNKNOWN

    yield ""
    if not speeds.rows:
        yield "No speeds were measured yet: `sightline speeds STUDY.yaml` does after a run."
    if unknown := made.assumed():
        yield from wrap(
            f"Not known, and taken for {UNKNOWN.gmacs} GMACs and {UNKNOWN.weights:.0f} M weights "
            "at 224 pixels, or for what they are without their arguments: "
            f"{', '.join(unknown)}.",
            100,
        )
    yield from wrap(_NOTE, 100)


def _time(seconds: float) -> str:
    """A time for people: seconds, minutes or hours."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.0f} h" if seconds >= 36_000 else f"{seconds / 3600:.1f} h"


def _bytes(size: float) -> str:
    """A size for people."""
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.5:
            return f"{size:.3g} {unit}"
    return f"{size:,.0f} TB"
