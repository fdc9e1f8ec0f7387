"""The commands that say what a study will take, and learn from what it took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightline.cli.amounts import duration, size
from sightline.cli.planned import (
    NAMES,
    chosen_device,
    told_assumptions,
    told_bundles,
    told_held,
    told_requests,
    told_storage,
)
from sightline.errors import SightlineError

if TYPE_CHECKING:
    from sightline.study.estimates.plan import Line
    from sightline.study.estimates.speeds import Device, Speeds
    from sightline.study.resolve import ResolvedStudy

StudyFile = Annotated[Path, typer.Argument(help="Its configuration, a YAML file.")]
_HEADS = ("jobs of", "to do", "done", "passes", "time", "longest", "memory", "cores")


def plan(
    study: StudyFile,
    device: Annotated[str, typer.Option(help="cpu or cuda; auto: as the study says.")] = "auto",
    speeds: Annotated[
        Path | None, typer.Option(help="Measured speeds; resources/speeds.csv unless given.")
    ] = None,
    most_minutes: Annotated[
        int | None, typer.Option(min=1, help="That an allocation of the cluster may have.")
    ] = None,
) -> None:
    """Say what a study will take, before anything is submitted: jobs, passes, hours, storage."""
    from sightline.study.estimates.speeds import TABLE, read_speeds

    if speeds is not None and not speeds.exists():
        raise SightlineError(f"There is no table {speeds}: `sightline speeds` writes one.")
    resolved = _resolved(study)
    known = read_speeds(speeds or TABLE)
    for line in _told(resolved, known, device, most_minutes):
        print(line)


def speeds(
    studies: Annotated[list[Path], typer.Argument(help="Configurations of studies that ran.")],
    output: Annotated[
        Path | None, typer.Option(help="The table; resources/speeds.csv unless given.")
    ] = None,
) -> None:
    """Measure seconds a pass, by model, method and device, from the benchmark files of runs."""
    from sightline.study.estimates.measured import measured_speeds
    from sightline.study.estimates.plan import jobs_by_rule
    from sightline.study.estimates.ran import finished_jobs
    from sightline.study.estimates.speeds import TABLE, read_speeds, write_speeds

    path = output or TABLE
    known = read_speeds(path).rows
    ran = [
        one
        for study in map(_resolved, studies)
        for one in finished_jobs(study, jobs_by_rule(study))
    ]
    if not ran:
        raise SightlineError(
            f"{', '.join(map(str, studies))}: no job that ran a model has both its maps and its "
            "benchmark file. Run the study first, from this folder."
        )
    found = measured_speeds(ran)
    # What was learned before of jobs that now tell nothing goes too.
    new = {(one.model, one.method, str(one.device)) for one in ran}
    new |= {(one.model, one.method, one.device) for one in found}
    kept = [one for one in known if (one.model, one.method, one.device) not in new]
    write_speeds([*kept, *found], path)
    print(f"{path}: {len(found)} rows of {len(ran)} jobs, {len(kept)} rows kept.")


def _resolved(path: Path) -> ResolvedStudy:
    import yaml

    from sightline.study.resolve import ResolvedStudy

    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SightlineError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(found, dict):
        raise SightlineError(f"{path} holds no study: expected keys such as study, images, models.")
    try:
        resolved = ResolvedStudy(found)
        resolved.check_images(downloading=True)
    except SightlineError as error:
        raise SightlineError(f"{path}: {error}") from error
    return resolved


def _told(study: ResolvedStudy, speeds: Speeds, given: str, minutes: int | None) -> Iterator[str]:
    from sightline.study.estimates.demand import Demands
    from sightline.study.estimates.held import held_against
    from sightline.study.estimates.plan import Plan

    device, why = chosen_device(given, study, speeds)
    made = Plan(study, Demands(study, speeds, device))
    counts = f"{len(study.models)} models, {len(study.methods)} methods, {len(study.images)} images"
    yield f"Study {study.config.study}: {counts}; each job on {NAMES[device]}."
    if why:
        yield why
    yield ""
    running, others = made.running(), made.others()
    yield from _table([*running, *others])
    yield ""
    yield from _sums(running, others, device)
    yield from told_requests(made, minutes)
    yield from told_storage(made.storage())
    yield from told_bundles(made.bundles(minutes), minutes)
    yield from told_held(held_against(study, made.by_rule, speeds))
    yield from told_assumptions(made.assumed(), speeds, device)


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
        memory = size(one.megabytes * 1e6)
        told = (duration(one.seconds), duration(one.longest[1]), memory, str(one.cores))
    return (one.rule, f"{one.left:,}", f"{one.done:,}", passes, *told)


def _sums(running: list[Line], others: list[Line], device: Device) -> Iterator[str]:
    kind = "GPU" if device == "cuda" else "CPU"
    jobs = sum(one.left for one in (*running, *others))
    seconds, other = (sum(one.seconds for one in lines) for lines in (running, others))
    passes = sum(one.passes for one in running)
    times = f"{kind} {duration(seconds)}, other jobs {duration(other)}"
    yield f"{jobs:,} jobs and {passes:,.0f} passes: {times}."
    longest = max((one.longest for one in (*running, *others)), key=lambda one: one[1])
    if longest[0]:
        yield f"The longest job, {duration(longest[1])}, makes {longest[0]}."
