"""What the jobs of a study cost in passes of a model, as the catalogues declare it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightline.evaluate.alterations import find_alteration
from sightline.methods.catalogue.entry import Cost
from sightline.study.methods import ResolvedMethod

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

# Forward and backward at the image.
_CLIMBING = Cost(1, 1)
# Explanations that the checks of `sanity` make of each image, besides one a randomised stage: its
# own, shifted, with an offset, by a second seed; and what completeness takes.
_SANITY_EXPLANATIONS = 5
# Images that find a model's layers, and passes: two images with gradients, and regions of one
# altered, again where tokens do not answer. Timm's took up to fourteen by the time of their passes.
_PROBES, _PROBING = 2, 48


@dataclass(frozen=True)
class Work:
    """What a job does.

    Attributes
    ----------
    images
        How many it reads.
    passes
        Of the model, counted as forward passes of one image: a backward pass is two.
    gradients
        Whether any of them keeps what gradients need.
    """

    images: int
    passes: float
    gradients: bool = False


def method_cost(one: ResolvedMethod) -> Cost:
    """Passes that a method makes for one map."""
    return one.method.cost(one.method.settings.model_validate(one.settings))


class Costs:
    """The work of a study's jobs that run a model.

    Parameters
    ----------
    study
        As resolved.
    """

    def __init__(self, study: ResolvedStudy) -> None:
        self._study = study
        self._roles = len(study.config.roles)
        evaluation = study.evaluation
        known = dict(study.methods) | {one: evaluation.method(one) for one in evaluation.controls}
        self._methods = {name: method_cost(one) for name, one in known.items()}
        self._gradients = {name: one.method.needs_gradients for name, one in known.items()}

    def layers(self) -> Work:
        """Noise, passed again and again (`sightline.models.probe`)."""
        return Work(_PROBES, _PROBING, gradients=True)

    def predict(self, images: int) -> Work:
        """One pass an image."""
        return Work(images, images)

    def explain(self, method: str, images: int) -> Work:
        """A map a role, and a pass that says what is explained."""
        each = 1 + self._roles * self._methods[method].passes
        return Work(images, images * each, self._gradients[method])

    def explain_variant(self, variant: str, method: str, images: int) -> Work:
        """The same on what is altered first: a further pass a role, and an attack's steps."""
        own = self.explain(method, images)
        altered = self._study.evaluation.variants[variant]
        climbs = find_alteration(altered["alteration"]).climbs
        steps = int(altered["settings"].get("steps", 1)) if climbs else 0
        each = self._roles * (1 + steps * _CLIMBING.passes)
        return Work(images, own.passes + images * each, own.gradients or climbs)

    def evaluate_model(self, experiment: str, method: str, images: int) -> Work:
        """What an experiment declares for each map, and a pass that says what is explained."""
        one = self._study.evaluation.experiments[experiment]
        each = one.experiment.cost(one.settings).passes
        gradients = False
        if explanations := one.experiment.explanations(one.settings).passes:
            each = explanations * max(1.0, self._methods[method].passes)
            gradients = self._gradients[method]
        return Work(images, images * (1 + self._roles * each), gradients)

    def sanity(self, method: str) -> Work:
        """Explanations of the first images, again and again."""
        checks = self._study.config.sanity
        if checks is None:
            return Work(0, 0)
        images = min(checks.images, len(self._study.images))
        each = self._methods[method].passes + 1
        explanations = checks.stages + _SANITY_EXPLANATIONS
        return Work(images, images * explanations * each, self._gradients[method])

    def of(self, rule: str, wildcards: Mapping[str, str], images: int) -> Work:
        """The work of a rule's job.

        Parameters
        ----------
        rule
            One of `RUNNING`, or ``layers``.
        wildcards
            Of the job; those of its method, variant and experiment are read.
        images
            In its range.
        """
        if rule == "layers":
            return self.layers()
        return RUNNING[rule](self, wildcards, images)


# Rules whose jobs run a model where the study's `device` says, and their work.
RUNNING: dict[str, Callable[[Costs, Mapping[str, str], int], Work]] = {
    "predict": lambda costs, _, images: costs.predict(images),
    "explain": lambda costs, one, images: costs.explain(one["method"], images),
    "redraw": lambda costs, one, images: costs.explain(one["method"], images),
    "explain_variant": lambda costs, one, images: costs.explain_variant(
        one["variant"], one["method"], images
    ),
    "evaluate_model": lambda costs, one, images: costs.evaluate_model(
        one["heavy"], one["method"], images
    ),
    "sanity": lambda costs, one, _: costs.sanity(one["method"]),
}
