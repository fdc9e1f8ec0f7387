"""Write which transforms of Albumentations can corrupt images, with their arguments.

Those that by their default arguments make another 8-bit image of an 8-bit image of the same size,
and leave things where they are. Of each argument also between which numbers it has to lie, alone
(``number``) or as both ends of a range (``pair``), found by trying: the package declares it in
code. Albumentations is pinned to the last of its line: the list, which configurations are checked
against, changes with that alone.

    python tools/corruptions.py
"""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Callable
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations

LIST = Path(__file__).parent.parent / "workflow/sightline/evaluate/catalogue/corruptions.json"
# Draws of which one has to change the image.
_TRIED = 20
# They shift what they blur: by the direction of the motion, towards the centre, to and fro.
MOVING = {"GlassBlur", "MotionBlur", "ZoomBlur"}
# Modules of transforms that neither move pixels nor need other images.
IN_PLACE = (".blur.", ".dropout.", ".pixel.")
# Numbers of which one is right for most arguments; where those that are right have a wrong one
# between them, as odd sizes have, no range says which are.
_NUMBERS = (*range(1, 12), -1, 0, 0.5, 0.1, 0.01, 20, 50, 100, 200, 255)
# Beyond these nothing is looked for; the ends of ranges are found outwards to 10^-3.
_FAR, _HALVINGS, _DIGITS = 1000.0, 22, 3
FORMS: dict[str, Callable[[float], Any]] = {
    "number": lambda value: value,
    "pair": lambda value: [value, value],
}
Range = list[float | None]


def main() -> None:
    """Write the list."""
    lines = [f"{json.dumps(name)}: {json.dumps(own)}" for name, own in corruptions().items()]
    LIST.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def corruptions() -> dict[str, dict[str, dict[str, Range]]]:
    """Of each transform its arguments, and between which numbers each of their forms lies."""
    image = np.random.default_rng(0).integers(40, 200, (64, 64, 3), np.uint8)
    image[:, :, 0] = np.linspace(0, 255, 64)  # colours of unequal spread
    found = {}
    for name, one in sorted(vars(albumentations).items()):
        if not inspect.isclass(one) or not issubclass(one, albumentations.BasicTransform):
            continue
        in_place = any(part in one.__module__ for part in IN_PLACE) and name not in MOVING
        if in_place and usable(one, image):
            names = sorted(set(inspect.signature(one).parameters) - {"p"})
            found[name] = {argument: ranges(one, argument) for argument in names}
    return found


def ranges(one: type, argument: str) -> dict[str, Range]:
    """The least and the greatest number of each form; None where there is none."""
    found = {}
    for form, put in FORMS.items():

        def takes(value: float, put: Callable[[float], Any] = put) -> bool:
            return _takes(one, argument, put(value))

        right = [value for value in sorted(_NUMBERS) if takes(value)]
        between = [value for value in _NUMBERS if right and right[0] <= value <= right[-1]]
        whole = all(isinstance(value, int) for value in right)
        if not right or {value for value in between if not whole or value % 1 == 0} - {*right}:
            continue
        ends = [_end(takes, right[0], -_FAR, whole), _end(takes, right[-1], _FAR, whole)]
        if ends != [None, None]:
            found[form] = ends
    return found


def _takes(one: type, argument: str, value: Any) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            one(**{"p": 1.0, argument: value})
    except (ValueError, TypeError, UserWarning):
        return False
    return True


def _end(takes: Callable[[float], bool], right: float, far: float, whole: bool) -> float | None:
    """The last number that is right on the way to one that may be wrong."""
    if takes(round(far)):
        return None
    wrong = far
    for _ in range(_HALVINGS):
        middle = (right + wrong) / 2
        middle = round(middle) if whole else middle
        right, wrong = (middle, wrong) if takes(middle) else (right, middle)
    # Outwards: what is close to the end is left to the job.
    scaled = right * 10**_DIGITS
    return right if whole else (ceil(scaled) if far > 0 else floor(scaled)) / 10**_DIGITS


def usable(one: type, image: np.ndarray) -> bool:
    """Whether it makes another image of an image, by its default arguments."""
    changed = False
    for seed in range(_TRIED):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = albumentations.Compose([one(p=1.0)], seed=seed)(image=image)["image"]
        except ValueError:  # it needs masks or boxes
            return False
        if found.shape != image.shape or found.dtype != np.uint8:
            return False
        changed |= bool((found != image).any())
    return changed


if __name__ == "__main__":
    main()
