"""Tie the labels of images to the outputs of a model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sightline.errors import SightlineError, unknown

IMAGENET = "imagenet-1k"
# A line of ImageNet's map of synsets, LOC_synset_mapping.txt.
_SYNSET = re.compile(r"(n\d{8})\s+(\S.*)")


class Classes:
    """The names of a model's outputs.

    Parameters
    ----------
    names
        One or more names an output, e.g. a synset id and its words. Upper and
        lower case, spaces and underscores are not told apart.
    """

    def __init__(self, names: Sequence[Sequence[str]]) -> None:
        self._names = [list(alternatives) for alternatives in names]
        self._index: dict[str, int] = {}
        ambiguous: set[str] = set()
        for index, alternatives in enumerate(self._names):
            for name in alternatives:
                if self._index.setdefault(_plain(name), index) != index:
                    ambiguous.add(_plain(name))
        # "crane" is a bird and a machine in ImageNet: such a name means neither.
        for name in ambiguous:
            del self._index[name]
        self._called = self._told_apart()
        for index, called in enumerate(self._called):
            self._index.setdefault(_plain(called), index)

    def _told_apart(self) -> list[str]:
        """The last name of each; followed by the first, or the number, where others are called so.

        Results compare classes by these names: two of one name would be one class.
        """
        last = [names[-1] for names in self._names]
        counts = Counter(map(_plain, last))
        found = []
        for index, (names, name) in enumerate(zip(self._names, last, strict=True)):
            mark = names[0] if self._index.get(_plain(names[0])) == index else index
            found.append(name if counts[_plain(name)] == 1 else f"{name} ({mark})")
        return found

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, label: str) -> bool:
        return _plain(label) in self._index

    def name(self, index: int) -> str:
        """What an output is called in tables and figures: the last of its names.

        No two are called the same: ImageNet's cranes are ``crane (n02012849)`` and
        ``crane (n03126707)``.
        """
        return self._called[index]

    def index(self, label: str) -> int:
        """The output that a label names.

        Raises
        ------
        SightlineError
            For a label that is no (or more than one) output's name.
        """
        if _plain(label) not in self._index:
            raise unknown("class", label, (self.name(index) for index in range(len(self))))
        return self._index[_plain(label)]


def read_classes(classes: str | Sequence[str] | None) -> Classes | None:
    """The classes of a model's specification.

    Parameters
    ----------
    classes
        ``imagenet-1k``, a list of names, a file with one name a line, or none. A
        line may be one of LOC_synset_mapping.txt, a synset and its words.

    Raises
    ------
    SightlineError
        Where the file cannot be read or holds no name.
    """
    if classes is None:
        return None
    if classes == IMAGENET:
        return _imagenet()
    if isinstance(classes, str):
        try:
            lines = Path(classes).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise SightlineError(f"classes: the file {classes}: {error.strerror}.") from error
        classes = [line.strip() for line in lines if line.strip()]
    if not classes:
        raise SightlineError("classes: the list of class names is empty.")
    return Classes([_names(one) for one in classes])


def _imagenet() -> Classes:
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    names = []
    for index in range(info.num_classes()):
        names.append(_synset(info.index_to_label_name(index), info.index_to_description(index)))
    return Classes(names)


def _names(text: str) -> list[str]:
    found = _SYNSET.fullmatch(text)
    return _synset(*found.groups()) if found else [text]


def _synset(name: str, description: str) -> list[str]:
    """Its names, the first word last: it is what it is called."""
    words = [word.strip() for word in description.split(",")]
    return [name, *words[1:], words[0]]


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()
