"""Experiments on whether the model uses what a map shows."""

from __future__ import annotations

from pydantic import Field

from sightline.evaluate.catalogue.entry import Experiment, Measure, Settings
from sightline.methods.catalogue.entry import Passes


class OcclusionAgreement(Settings):
    """Settings of the agreement with occlusion."""

    reference: str = Field(
        "occlusion", description="the study's method whose maps the others are held against"
    )
    grid: int = Field(14, ge=2, le=224, description="maps are resampled to grid x grid")

    @property
    def needs_methods(self) -> tuple[str, ...]:
        """The reference."""
        return (self.reference,)


class ConfidenceChange(Settings):
    """Settings of average drop and increase in confidence."""


EXPERIMENTS = (
    Experiment(
        name="occlusion_agreement",
        question="Do maps rank regions as occluding them does?",
        module="occlusion_agreement",
        settings=OcclusionAgreement,
        reads="maps",
        kind="use",
        measures=(
            Measure(
                "spearman",
                "rank correlation with the reference's map, -1 to 1",
                better="higher",
                ranked=True,
            ),
        ),
        reference="Selvaraju et al. 2017 (arXiv:1610.02391), section 4.2",
    ),
    Experiment(
        name="confidence_change",
        question="Does the part of the image that a map shows keep the model's confidence?",
        module="confidence_change",
        settings=ConfidenceChange,
        reads="model",
        kind="use",
        measures=(
            Measure(
                "drop",
                "share of the confidence that is lost, 0 to 1",
                better="lower",
                ranked=True,
            ),
            Measure("increase", "1 where confidence rises, else 0", better="higher"),
        ),
        reference="Chattopadhay et al. 2018 (arXiv:1710.11063), section 4.1",
        cost=Passes("2"),
    ),
)
