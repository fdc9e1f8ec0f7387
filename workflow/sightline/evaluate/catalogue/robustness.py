"""Experiments on what attacks and corruptions of images do to answers and maps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from sightline.evaluate.catalogue.corruption import USUAL, Corruption, check_strengths
from sightline.evaluate.catalogue.dependence import answers, similarities
from sightline.evaluate.catalogue.entry import Alteration, Experiment, Settings

Epsilon = Annotated[float, Field(gt=0, le=1)]
Attacker = Literal["fgsm", "pgd"]


class Attack(Settings):
    """Settings of the attacks."""

    attacks: list[Attacker] = Field(["fgsm", "pgd"], min_length=1, description="which")
    epsilons: list[Epsilon] = Field(
        [0.01, 0.05], min_length=1, description="largest changes of a pixel, of 0 to 1"
    )
    steps: int = Field(10, ge=1, description="of pgd")
    step: Epsilon = Field(0.25, description="a step of pgd, as a share of epsilon")

    @field_validator("epsilons")
    @classmethod
    def _increase(cls, epsilons: list[float]) -> list[float]:
        check_strengths("epsilons", epsilons)
        return epsilons

    @property
    def variants(self) -> dict[str, Alteration]:
        """One a kind and epsilon."""
        return {
            f"{kind}-{epsilon:g}": Alteration(
                alteration="attacked",
                settings={"kind": kind, "epsilon": epsilon} | self._of(kind, epsilon),
                group=kind,
                x=epsilon,
            )
            for kind in self.attacks
            for epsilon in self.epsilons
        }

    def _of(self, kind: Attacker, epsilon: float) -> dict[str, float]:
        return {"steps": self.steps, "step": self.step * epsilon} if kind == "pgd" else {}


class Corruptions(Settings):
    """Settings of the corruptions."""

    transforms: dict[str, Corruption] = Field(
        default_factory=dict,
        description="by a name of yours, see below; dropout, noise and brightness unless given",
    )

    @property
    def variants(self) -> dict[str, Alteration]:
        """One a transform and strength."""
        return {
            f"{name}-{x:g}": Alteration(
                alteration="corrupted",
                settings={"transform": one.transform, "arguments": one.at(x)},
                group=name,
                x=x,
            )
            for name, one in (self.transforms or USUAL).items()
            for x in one.x
        }


EXPERIMENTS = (
    Experiment(
        name="attack",
        question="Do maps stay where they were when an attack turns the answer?",
        module="attack",
        settings=Attack,
        reads="variants",
        measures=(*answers("epsilon"), *similarities("epsilon")),
        reference="Goodfellow et al. 2015 (arXiv:1412.6572); Madry et al. 2018 (arXiv:1706.06083)",
    ),
    Experiment(
        name="corruption",
        question="How long do answers and maps stay as images get worse?",
        module="stability",
        settings=Corruptions,
        reads="variants",
        measures=(*answers("strength"), *similarities("strength")),
        reference="",
    ),
)
