"""What the catalogue says of a method."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings of a method; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Depth = Annotated[float, Field(gt=0, le=1, description="share of the model's depth, 1 is last")]


class LayerSettings(Settings):
    """Settings of methods that read a layer, and of those that take nothing else."""

    depth: Depth = 1.0


@dataclass(frozen=True)
class Cost:
    """Passes of the model that a method makes for one image.

    Where it makes one for each channel of a layer, these are not known before
    the model is loaded, and the range length may not depend on the model: then
    it is `TYPICAL_CHANNELS`, or the setting that limits them. Such methods
    report the passes made of each map.
    """

    forward: float
    backward: float = 0.0

    @property
    def passes(self) -> float:
        """In forward passes; a backward pass costs about two of them."""
        return self.forward + 2 * self.backward


@dataclass(frozen=True)
class Passes:
    """A cost in terms of a method's settings, from which it is computed and told.

    Attributes
    ----------
    forward, backward
        Arithmetic over the names of settings, such as ``steps + 2``, with
        ``max``, ``ceil`` and ``len``. What holds counts 1, what does not 0: ``depth < 1``.
    """

    forward: str
    backward: str = "0"

    def __str__(self) -> str:
        """In words: ``1 forward, depth < 1 backward``."""
        both = {"forward": self.forward, "backward": self.backward}
        return ", ".join(f"{one} {kind}" for kind, one in both.items() if one != "0") or "no passes"

    def __call__(self, settings: Any) -> Cost:
        """The cost with some settings."""
        return Cost(self._value(self.forward, settings), self._value(self.backward, settings))

    def _value(self, formula: str, settings: Any) -> float:
        # The catalogue's own words, and nothing but settings for them to name.
        known = {"__builtins__": {}, "max": max, "ceil": math.ceil, "len": len}
        return float(eval(formula, known, vars(settings)))


@dataclass(frozen=True)
class Method:
    """A method's entry in the catalogue.

    Attributes
    ----------
    name
        As in configurations.
    function
        ``module:function``, called with (classifier, images, targets, seeds,
        settings); see `sightline.methods.explanation`.
    settings
        Its settings with their defaults.
    cost
        Settings to passes per image.
    reference
        Where the method is from.
    signed
        Whether maps hold evidence against the class too.
    stochastic
        Whether maps depend on the seed.
    needs_gradients, needs_layer
        What it asks of a model.
    score
        The output of the model that it explains.
    scaling
        Steps by which its maps are made comparable (`sightline.maps.scaling`).
    class_specific
        Whether maps depend on the class that is explained.
    fits
        ``module:function``, from a classifier to why the method cannot explain
        it, or nothing; for methods that not every model allows. The method
        itself refuses such a model with the same words.
    complete
        Whether a map's values sum to the explained logit less that of an image
        of zeros, in the model's normalised space.
    offset_invariant
        Whether maps stay when images get a constant that the model takes back:
        not where a method multiplies by the image or puts zeros in its place.
    control
        Whether it reads no model, and is what the others are held against.
    needs_also
        What ``fits`` looks for, in a word.
    full_size
        Of a method that reads a layer, whether its maps have the input's size all the same.
    """

    name: str
    function: str
    settings: type[Settings]
    cost: Passes
    reference: str
    signed: bool
    stochastic: bool
    needs_gradients: bool
    needs_layer: bool
    score: Literal["logit", "probability"]
    scaling: tuple[str, ...]
    class_specific: bool = True
    fits: str = ""
    complete: bool = False
    offset_invariant: bool = False
    control: bool = False
    needs_also: str = ""
    full_size: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """What it asks of a model, in words."""
        asked = (("gradients", self.needs_gradients), ("layer", self.needs_layer))
        words = [word for word, needed in asked if needed]
        return (*words, self.needs_also) if self.needs_also else tuple(words)

    @property
    def declared(self) -> dict[str, Any]:
        """What is expected of its maps (`sightline.evaluate.sanity.verdict.Declared`)."""
        names = ("scaling", "complete", "offset_invariant", "stochastic", "control")
        return {name: getattr(self, name) for name in names}

    @property
    def module(self) -> str:
        """The module whose source decides whether maps are computed again."""
        return self.function.partition(":")[0]

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        return _imported(self.function)

    def misfit(self, classifier: Any) -> str | None:
        """Why the method cannot explain a classifier, or nothing."""
        return _imported(self.fits)(classifier) if self.fits else None


def _imported(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
