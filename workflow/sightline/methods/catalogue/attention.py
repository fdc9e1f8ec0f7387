"""Methods that read a transformer's attention."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sightline.methods.catalogue.entry import Method, Passes, Settings


class RolloutSettings(Settings):
    """Settings of attention rollout."""

    heads: Literal["mean", "max", "min"] = Field("mean", description="how heads become one")
    discard: float = Field(
        0.0, ge=0, lt=1, description="share of each layer's attention, the lowest, set to 0"
    )


METHODS = (
    Method(
        name="attention_rollout",
        function="sightline.methods.attention.attention_rollout:attention_rollout",
        settings=RolloutSettings,
        cost=Passes("1"),
        reference="Abnar and Zuidema 2020, arXiv:2005.00928",
        signed=False,
        stochastic=False,
        needs_gradients=False,
        needs_layer=False,
        score="logit",
        scaling=("positive", "minmax"),
        offset_invariant=True,
        class_specific=False,
        fits="sightline.models.tokens:no_attention",
        needs_also="attention",
    ),
    Method(
        name="gradient_attention",
        function="sightline.methods.attention.gradient_attention:gradient_attention",
        settings=Settings,
        cost=Passes("1", "1"),
        reference="Chefer et al. 2021, arXiv:2103.15679",
        signed=False,
        stochastic=False,
        needs_gradients=True,
        needs_layer=False,
        score="logit",
        scaling=("positive", "minmax"),
        offset_invariant=True,
        fits="sightline.models.tokens:no_attention",
        needs_also="attention",
    ),
)
