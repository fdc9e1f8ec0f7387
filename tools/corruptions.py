"""Write which transforms of Albumentations can corrupt images, with their arguments.

Those that by their default arguments make another 8-bit image of an 8-bit image of the same size,
and leave things where they are. Albumentations is pinned to the last of its line: the list, which
configurations are checked against, changes with that alone.

    python tools/corruptions.py
"""

from __future__ import annotations

import inspect
import json
import os
import warnings
from pathlib import Path

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


def main() -> None:
    """Write the list."""
    LIST.write_text(json.dumps(corruptions(), indent=1) + "\n")


def corruptions() -> dict[str, list[str]]:
    """Names of the arguments of each."""
    image = np.random.default_rng(0).integers(40, 200, (64, 64, 3), np.uint8)
    image[:, :, 0] = np.linspace(0, 255, 64)  # colours of unequal spread
    found = {}
    for name, one in sorted(vars(albumentations).items()):
        if not inspect.isclass(one) or not issubclass(one, albumentations.BasicTransform):
            continue
        in_place = any(part in one.__module__ for part in IN_PLACE) and name not in MOVING
        if in_place and usable(one, image):
            found[name] = sorted(set(inspect.signature(one).parameters) - {"p"})
    return found


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
