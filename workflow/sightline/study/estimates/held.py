"""What a study's finished jobs took beside what was expected of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sightline.study.estimates.cost import RUNNING
from sightline.study.estimates.demand import Demands
from sightline.study.estimates.expected import Expected
from sightline.study.estimates.ran import Finished, Timed
from sightline.study.estimates.speeds import Device, Speeds
from sightline.study.resolve import ResolvedStudy

# Of a rule, jobs that are looked at: the map file of each is read whole.
LOOKED = 20


@dataclass(frozen=True)
class Held:
    """What some finished jobs of a rule took on a device.

    Attributes
    ----------
    rule, device
        Their rule, and where their models ran.
    jobs
        That were looked at.
    finished
        Of the rule, how many were timed, on any device.
    took, sizes
        Seconds of all that were looked at: as it was, and by the sizes of models alone.
    measured
        And by the speeds that were measured there; None where none were.
    """

    rule: str
    device: Device
    jobs: int
    finished: int
    took: float
    sizes: float
    measured: float | None


def held_against(
    study: ResolvedStudy, by_rule: Mapping[str, Sequence[Expected]], speeds: Speeds
) -> list[Held]:
    """Of each rule whose jobs run a model, and each device, estimates beside what ran there.

    Parameters
    ----------
    study, by_rule
        With results, and its jobs.
    speeds
        What was measured.
    """
    finished, found = Finished(study, by_rule), []
    for rule in RUNNING:
        timed, count = finished.of(rule, LOOKED)
        for device in sorted({one.device for one in timed}):
            own = [one for one in timed if one.device == device]
            known = device in speeds.devices
            found.append(
                Held(
                    rule=rule,
                    device=device,
                    jobs=len(own),
                    finished=count,
                    took=sum(one.seconds for one in own),
                    sizes=_expected(Demands(study, Speeds(), device), own),
                    measured=_expected(Demands(study, speeds, device), own) if known else None,
                )
            )
    return found


def _expected(demands: Demands, timed: Sequence[Timed]) -> float:
    return sum(demands.job(one.job.rule, one.job.wildcards).seconds for one in timed)
