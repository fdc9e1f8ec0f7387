"""What the catalogue says of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sightline.methods.catalogue.entry import Passes

Reads = Literal["maps", "objects", "variants", "model"]
Direction = Literal["higher", "lower"]
Kind = Literal["", "use", "place", "steadiness"]


class Settings(BaseModel):
    """Settings of an experiment; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int | None = Field(
        None, ge=1, description="the first so many of the study; all unless given"
    )

    @property
    def variants(self) -> dict[str, Alteration]:
        """Altered images or weights that are explained for it, by what their names end in."""
        return {}

    @property
    def needs_objects(self) -> str | None:
        """The label of objects that the images have to have, empty: any; None: it needs none."""
        return None

    @property
    def needs_methods(self) -> tuple[str, ...]:
        """Methods of the study, besides the one looked at, whose maps it reads."""
        return ()

    @property
    def needs_roles(self) -> tuple[str, ...]:
        """Roles that the study has to explain."""
        return ()

    @property
    def fewest_roles(self) -> int:
        """How many roles the study has to explain."""
        return 1


class Alteration(BaseModel):
    """How images or weights are altered before they are explained again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alteration: str
    settings: dict[str, Any] = Field(default_factory=dict)
    # Where results are a curve: which one, and at which point. No map depends on either.
    group: str = ""
    x: float | None = None

    @property
    def spec(self) -> dict[str, Any]:
        """What decides the maps."""
        return self.model_dump(mode="json", include={"alteration", "settings"})


NO_PASSES = Passes("0")


@dataclass(frozen=True)
class Measure:
    """One of the figures that an experiment gives.

    Attributes
    ----------
    name
        As in tables.
    meaning
        What it is, with its unit or bounds.
    better
        On which side maps that hold lie; None where neither is better.
    ranked
        Whether methods are ranked by it in the summary.
    over
        Along what it is a curve, with its unit; empty where it is one number.
    controls
        Whether controls can be beaten by it: not where maps that read no image are perfect by
        construction.
    """

    name: str
    meaning: str
    better: Direction | None = None
    ranked: bool = False
    over: str = ""
    controls: bool = True


@dataclass(frozen=True)
class Experiment:
    """An experiment's entry.

    Attributes
    ----------
    name
        As in configurations.
    question
        What it asks of explanations, as a heading.
    module
        Where its functions are, below ``sightline.evaluate``; which ones is said
        in `sightline.evaluate.protocol`.
    settings
        Its settings with their defaults.
    reads
        What it needs: ``maps`` alone; ``objects``, maps and where the objects on
        the images are; ``variants``, maps and those of altered images or
        weights; ``model``, maps, images and the model.
    measures
        What it gives.
    reference
        Where it is from.
    cost
        Passes of the model for each map, where it reads the model.
    explanations
        Of each map, how many its own method makes anew: as many passes as those then take.
    kind
        What kind of thing it asks of a method, where it ranks them: ``use``, whether maps show what
        the model uses; ``place``, whether they find the object; ``steadiness``, whether they stay.
    by_class
        Whether it also says something of each class, see `sightline.evaluate.protocol`.
    """

    name: str
    question: str
    module: str
    settings: type[Settings]
    reads: Reads
    measures: tuple[Measure, ...]
    reference: str
    cost: Passes = NO_PASSES
    explanations: Passes = NO_PASSES
    kind: Kind = ""
    by_class: bool = False

    @property
    def path(self) -> str:
        """The module's full name: its source decides whether results are made again."""
        return f"sightline.evaluate.experiments.{self.module}"
