"""The labels of an image: none, one, or several with ``|`` between them.

Of several the first is the image's class where there has to be one: it balances the
order of the images, the role ``label`` explains it, and objects without a label are of it.
"""

from __future__ import annotations

SEPARATOR = "|"


def labels_of(text: str) -> tuple[str, ...]:
    """Each label that an image's text names."""
    return tuple(one.strip() for one in text.split(SEPARATOR) if one.strip())


def first_label(text: str) -> str:
    """The first of an image's labels; empty where it has none."""
    return next(iter(labels_of(text)), "")


def object_label(own: str, image: str) -> str:
    """The class of an object by its label, and by that of its image where it has none."""
    return own or first_label(image)
