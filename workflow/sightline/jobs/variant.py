"""What a variant of a study does to images or weights before they are explained."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from torch import Tensor

from sightline.evaluate.alterations.seen import Alter, Seen
from sightline.images.geometry import Box
from sightline.images.shards import ImageRow, Shard
from sightline.jobs.masks import seen_masks
from sightline.models.classifier import Classifier
from sightline.study.ids import canonical_json, seed_of


class Variant:
    """An alteration with its settings, as `sightline.jobs.explain.Change` asks.

    Parameters
    ----------
    name
        As in the study.
    alteration
        Its name in `sightline.evaluate.alterations`.
    module
        Of its function ``prepare``.
    settings
        As it takes them.
    own_draws, shown
        See `sightline.jobs.explain.Change`.
    """

    def __init__(
        self,
        name: str,
        alteration: str,
        module: str,
        settings: dict[str, Any],
        *,
        own_draws: bool,
        shown: int,
    ) -> None:
        self.name, self.own_draws, self.shown = name, own_draws, shown
        self._alteration = alteration
        self.what = canonical_json({"alteration": alteration, "settings": settings})
        self._module, self._settings = module, settings
        self._alter: Alter | None = None
        self._study_seed = 0

    def prepare(self, classifier: Classifier, study_seed: int, model_id: str) -> None:
        """Do once what is not done for each image."""
        seed = seed_of(study_seed, model_id, "altered")
        self._alter = import_module(self._module).prepare(classifier, self._settings, seed)
        self._study_seed = study_seed

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        boxes: Sequence[Box],
        targets: Tensor,
        shard: Shard,
        rows: list[ImageRow],
    ) -> tuple[Classifier, Tensor, Sequence[Box], np.ndarray | None]:
        """The same as altered; each image by draws of its own.

        They are neither of the model nor of the strength: points of a curve differ by their
        strengths, not also by what was drawn.
        """
        assert self._alter is not None
        seen = self._alter(
            Seen(
                classifier=classifier,
                images=images,
                boxes=boxes,
                targets=targets,
                pictures=lambda: [shard.image(row) for row in rows],
                masks=lambda label, boxed: seen_masks(
                    shard, rows, boxes, classifier.preprocessing.size, label=label, boxed=boxed
                ),
                seeds=[seed_of(self._study_seed, self._alteration, row.image_id) for row in rows],
            )
        )
        return seen.classifier, seen.images, seen.boxes, seen.region
