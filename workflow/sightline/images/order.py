"""The order in which a study takes its images."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from itertools import count
from typing import Protocol, TypeVar

from sightline.images.labels import first_label


class Labelled(Protocol):
    """Anything with an id and perhaps a label."""

    @property
    def image_id(self) -> str:
        """Unique among the images."""
        ...

    @property
    def label(self) -> str:
        """Its class, or empty."""
        ...


Item = TypeVar("Item", bound=Labelled)


def balanced_order(images: Iterable[Item], seed: int) -> list[Item]:
    """Shuffle images so that every prefix holds as many of each class as it can.

    Within a class, and among classes, the order is that of a seeded hash of
    the name. It depends on the images alone, so the first hundred are the same
    whether a study takes a hundred or a thousand.

    Parameters
    ----------
    images
        Their first labels are the classes; unlabelled images (empty label) are one.
    seed
        The study's seed.
    """
    classes: dict[str, list[Item]] = defaultdict(list)
    for image in images:
        classes[first_label(image.label)].append(image)
    ranked = [
        (rank, _hash(seed, "class", label), image)
        for label, members in classes.items()
        for rank, image in zip(
            count(),
            sorted(members, key=lambda one: _hash(seed, "image", one.image_id)),
            strict=False,
        )
    ]
    return [image for _, _, image in sorted(ranked, key=lambda entry: entry[:2])]


def _hash(seed: int, kind: str, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{kind}\0{name}".encode()).digest()
