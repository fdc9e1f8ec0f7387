"""What `sightline plan` says below its table: storage, bundles, what ran, what it assumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

from sightline.cli.amounts import duration, size
from sightline.errors import SightlineError

if TYPE_CHECKING:
    from sightline.study.estimates.bundles import Bundle
    from sightline.study.estimates.held import Held
    from sightline.study.estimates.plan import Plan
    from sightline.study.estimates.speeds import Device, Speeds
    from sightline.study.resolve import ResolvedStudy

NAMES: Mapping[Device, str] = {"cpu": "a CPU core", "cuda": "a GPU"}
WIDTH = 100
_NOTE = (
    "Times are estimated for one job after the other, each with its start, and are meant to be too "
    "long rather than too short. Done is what has its file; whether it would run again, because "
    "something changed, `snakemake -n` says. Tables and figures of all models, which take seconds "
    "each, are not listed."
)


def chosen_device(given: str, study: ResolvedStudy, speeds: Speeds) -> tuple[Device, str]:
    """Where models are taken to run, and why if nobody said it.

    Raises
    ------
    SightlineError
        For a device of which nothing is known.
    """
    name = study.config.device if given == "auto" else given
    if name == "cpu":
        return "cpu", ""
    if name == "cuda":
        return "cuda", ""
    if name != "auto":
        raise SightlineError(f"--device {given}: expected cpu, cuda or auto.")
    if speeds.devices == {"cpu"}:
        return "cpu", "Speeds were measured on CPUs alone; --device cuda estimates for GPUs."
    return "cuda", "Nothing says where it will run; --device cpu estimates for CPU cores."


def told_requests(made: Plan, most: int | None = None) -> Iterator[str]:
    """The most that a job asks of a cluster, whose partitions allow only so many minutes."""
    first, third = made.most_asked(1), made.most_asked(3)
    if first is None or third is None:
        return
    (minutes, slowest), (megabytes, largest) = first
    yield (
        f"On a cluster, a job asks for at most {minutes:,} minutes ({slowest}) and {megabytes:,} "
        f"MB ({largest}); tried a third time, for {third[0][0]:,} minutes and {third[1][0]:,} MB."
    )
    if most is not None and minutes > most:
        yield f"That is more than the {most:,} minutes that an allocation may have."


def told_storage(parts: Mapping[str, float]) -> Iterator[str]:
    """Bytes by what they are, and in all."""
    told = ", ".join(f"{name} {size(part)}" for name, part in parts.items() if part)
    yield from wrap(f"On disk about {size(sum(parts.values()))}: {told}.", WIDTH)


def told_bundles(bundles: Mapping[str, Bundle], most: int | None = None) -> Iterator[str]:
    """Lines for a profile that put short jobs into common allocations of so many minutes."""
    from sightline.study.estimates.bundles import ALLOCATING, COMPUTING

    found = {rule: one for rule, one in bundles.items() if one.jobs > 1}
    if not bundles:
        return
    yield ""
    if not found:
        short = "" if most is None else f", or too long to share one of {most:,} minutes"
        yield f"On a cluster, jobs are long enough for an allocation each{short}."
        return
    yield from wrap(
        f"On a cluster, an allocation takes {ALLOCATING:.0f} s until its first job starts, and "
        "each job its own start. Let short jobs of a model share one, until "
        f"{COMPUTING:.0%} of the time is spent computing or only the jobs' own starts stand in the "
        "way. For the profile:",
        WIDTH,
    )
    yield ""
    yield "groups:"
    yield from (f"  - {rule}={rule}-{{model}}" for rule in found)
    yield "group-components:"
    yield from (f"  - {rule}-{{model}}={one.jobs} # {_reached(one)}" for rule, one in found.items())
    yield "# These are in profiles/slurm already:"
    yield "# resources: {bundle: 1}"
    yield "# set-resource-scopes: {bundle: local}"


def _reached(one: Bundle) -> str:
    from sightline.study.estimates.bundles import COMPUTING

    model, share = one.least
    told = f"{one.share:.0%} computing"
    if share < COMPUTING:
        told += f", of {model} {share:.0%} ({one.starting:.0%} possible: jobs start anew)"
    return f"{told}; up to {duration(one.longest[1])}"


def told_held(held: list[Held]) -> Iterator[str]:
    """What ran beside what was expected."""
    if not held:
        return
    yield ""
    yield "What ran already:"
    for one in held:
        of = f" of {one.finished:,}" if one.finished > one.jobs else ""
        place = {"cpu": "CPUs", "cuda": "GPUs"}[one.device]
        told = f"{one.jobs:,}{of} jobs on {place} took {duration(one.took)}"
        told += f"; estimated from sizes {duration(one.sizes)}"
        if one.measured is not None:
            told += f", with measured speeds {duration(one.measured)}"
        yield f"  {one.rule}: {told}"


def told_assumptions(unknown: list[str], speeds: Speeds, device: Device) -> Iterator[str]:
    """What the figures rest on."""
    from sightline.models.sizes import UNKNOWN

    yield ""
    if device not in speeds.devices:
        yield (
            f"No speeds were measured on {NAMES[device]} yet: `sightline speeds STUDY.yaml` does "
            "after a run."
        )
    if unknown:
        yield from wrap(
            f"Not known, and taken for {UNKNOWN.gmacs} GMACs and {UNKNOWN.weights:.0f} M weights "
            "at 224 pixels, or for what they are without their arguments: "
            f"{', '.join(unknown)}.",
            WIDTH,
        )
    yield from wrap(_NOTE, WIDTH)
