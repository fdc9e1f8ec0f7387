"""What a run's profile says of its jobs: GPUs, the most that one may ask for, and bundles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sightline.errors import SightlineError
from sightline.study.estimates.bundles import fitting
from sightline.study.estimates.cost import RUNNING
from sightline.study.estimates.speeds import Device


def with_gpu(requests: Mapping[str, Mapping[str, object]]) -> list[str]:
    """The rules for whose jobs a profile asks for GPUs.

    Parameters
    ----------
    requests
        Of each rule, amounts by the name of the resource.
    """
    return sorted(
        rule
        for rule, amounts in requests.items()
        if str(amounts.get("gpu", 0)) != "0" or "gpu" in str(amounts.get("gres", ""))
    )


def device_of(wanted: Literal["auto", "cpu", "cuda"], rules: Sequence[str]) -> Device:
    """Where jobs run their model: with `device: auto` on GPUs, if the profile asks for them.

    Parameters
    ----------
    wanted
        The study's `device`.
    rules
        For whose jobs the profile asks for a GPU.

    Raises
    ------
    SightlineError
        For GPUs that jobs would hold and not use.
    """
    if wanted == "cpu" and rules:
        raise SightlineError(
            f"The study says `device: cpu`, but this run asks for a GPU for {', '.join(rules)}: "
            "each job would hold one and compute on a processor. Delete `set-resources` in your "
            "copy of profiles/slurm/config.yaml, leave out --profile profiles/gpus, or say "
            "`device: auto`."
        )
    return "cuda" if wanted == "cuda" or rules else "cpu"


def on_processors(wanted: Literal["auto", "cpu", "cuda"], rules: Sequence[str]) -> str:
    """What to warn of on a cluster whose jobs may run models where no GPU is; empty if nothing.

    Parameters
    ----------
    wanted, rules
        As for `device_of`.
    """
    lacking = [] if "every rule" in rules else sorted(RUNNING.keys() - set(rules))
    if wanted == "cpu" or not lacking:
        return ""
    return (
        f"Jobs of {', '.join(lacking)} ask for no GPU: they run their models on processors, which "
        "may take a hundred times as long. If that is meant, say `device: cpu` in the study. "
        "Otherwise name a `gpu` for them in `set-resources` of the profile. (On the command line "
        "--set-resources, --default-resources and --resources do not add to what the profile says "
        "under the same key: they take the place of all of it. So change the profile's.)"
    )


def bundled(groups: Mapping[str, str], components: Mapping[str, int]) -> dict[str, int]:
    """How many jobs of each rule at most share an allocation, one after the other.

    Parameters
    ----------
    groups
        The group of each rule that has one.
    components
        How many jobs each group takes, one unless named.
    """
    return {rule: components.get(group, 1) for rule, group in groups.items()}


@dataclass(frozen=True)
class Profile:
    """What jobs may ask for.

    Attributes
    ----------
    minutes, megabytes
        The most that an allocation may ask for; `None` where the profile names no limit.
    warn
        What is called, once a rule, with the text of a warning.
    """

    minutes: int | None
    megabytes: int | None
    warn: Callable[[str], None]
    _told: set[tuple[str, str]] = field(default_factory=set)

    def allowed_minutes(
        self, rule: str, asked: Callable[[int], int], attempt: int, together: int = 1
    ) -> int:
        """The minutes that a job asks for: of a bundle's not more than its part.

        What a job asks for by itself ends at the limit by Snakemake's doing, without a word.

        Parameters
        ----------
        rule
            Of the job.
        asked
            What it needs, by how many jobs share the allocation.
        attempt
            How often it is tried, this time included.
        together
            How many share it.
        """
        minutes = asked(together)
        if self.minutes is None:
            return minutes
        most = max(1, self.minutes // together)
        if minutes > most and attempt == 1:
            allowed = f"an allocation may have {self.minutes:,}"
            if together > 1:
                fit = fitting(asked, self.minutes, together)
                allowed += f", and {together} jobs share that: {fit or 'none'} of them would fit "
                allowed += (
                    "(`group-components`; `sightline plan --most-minutes` estimates it for all)"
                )
            self._tell(rule, "runtime", f"{minutes:,} minutes, but {allowed}")
        return minutes if together == 1 else min(minutes, most)

    def check_megabytes(self, rule: str, asked: int, attempt: int) -> None:
        """Warn where Snakemake will cut the memory that a job asks for, MB."""
        if self.megabytes is not None and asked > self.megabytes and attempt == 1:
            self._tell(rule, "mem_mb", f"{asked:,} MB, but may have {self.megabytes:,}")

    def _tell(self, rule: str, resource: str, what: str) -> None:
        """Warn, of the first job of a rule alone: there may be a hundred thousand."""
        if (rule, resource) in self._told:
            return
        self._told.add((rule, resource))
        self.warn(
            f"A job of {rule} asks for {what} (`{resource}` of the profile's `resources`). It gets "
            "no more, and may run out of it each time it is tried. `sightline plan` names the "
            "longest job. The limit is one for all rules: where the partition of this one allows "
            "more, raise it; what the others' do not allow then waits for ever."
        )
