"""Images made by code, whose truth is known: where the object is, and what gives it away.

A scene is a crop of a photograph with one object of eight classes (or two) on it. A class is an
outline and a surface pattern together, because a small vision transformer learns no outlines
alone. Position, size, rotation and colours are drawn anew for every scene and say nothing about
the class. The photographs are files of the installed scikit-image package, read from its folder,
so nothing is ever downloaded; training and held-out scenes share none.

A planted bias is a small marker that comes with one class in training. A model that learnt it
looks at the marker, and how well an explanation shows that can be scored.

>>> scene = render(3, split="held-out")
>>> scene.label, scene.image.shape
('star', (96, 96, 3))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

SIZE = 96
Split = Literal["train", "held-out"]
Box = tuple[int, int, int, int]

PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "train": (
        "astronaut.png",
        "brick.png",
        "coffee.png",
        "coins.png",
        "gravel.png",
        "ihc.png",
        "moon.png",
        # One scene seen by two cameras: both on this side, or the splits would share it.
        "motorcycle_left.png",
        "motorcycle_right.png",
    ),
    "held-out": (
        "camera.png",
        "chelsea.png",
        "grass.png",
        "hubble_deep_field.jpg",
        "retina.jpg",
        "rocket.jpg",
    ),
}
PATCH_SIZE = 12
_PATCH_COLOURS = np.array([[255, 0, 200], [60, 255, 0]], np.uint8)
_DIAMETER = {1: (0.32, 0.64), 2: (0.30, 0.46)}  # of the circle around an object, in image sides
_FADE = 0.6  # contrast kept of the photographs: at full contrast a small transformer learns nothing
_MAX_HIDDEN = 0.05  # share of an object that the other may hide
_MIN_CONTRAST = 130.0  # between an object's two colours, in luma steps of 255


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene.

    Attributes
    ----------
    label : str
        Its class.
    box : tuple of int
        x0, y0, x1, y1 in pixels, half-open: the tight box of `mask`, so of what can be seen.
    mask : ndarray of bool, shape (96, 96)
        Exactly the pixels that show this object; pixels hidden by another are not among them.
    """

    label: str
    box: Box
    mask: np.ndarray


@dataclass(frozen=True)
class Scene:
    """An image and its truth.

    Attributes
    ----------
    image : ndarray of uint8, shape (96, 96, 3)
        RGB.
    label : str
        Class of the first object.
    objects : tuple of SceneObject
        The labelled object first; which of two is in front is drawn at random.
    patch_box : tuple of int or None
        The planted marker as x0, y0, x1, y1 (half-open), None where the image has none.
    """

    image: np.ndarray
    label: str
    objects: tuple[SceneObject, ...]
    patch_box: Box | None = None


Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Kind:
    """A class as functions of object coordinates; the unit circle encloses every outline."""

    outline: Field  # true inside
    pattern: Field  # share of the second colour, 0 to 1


def _half_planes(x: np.ndarray, y: np.ndarray, sides: int) -> np.ndarray:
    """Distance along each outward normal of a regular polygon, shape (sides, ...)."""
    angles = 2 * np.pi * np.arange(sides).reshape(-1, *[1] * x.ndim) / sides + np.pi / 2
    return np.cos(angles) * x + np.sin(angles) * y


def _pentagram(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    # A tip lies beyond exactly one side of the inner pentagon, whose inradius is cos 72 degrees.
    return (_half_planes(x, y, 5) <= radius * np.cos(0.4 * np.pi)).sum(axis=0) >= 4


def _dots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.hypot((x / 0.58 + 0.5) % 1 - 0.5, (y / 0.48) % 1 - 0.5) < 0.27


_KINDS: dict[str, _Kind] = {
    "target": _Kind(
        lambda x, y: np.hypot(x, y) <= 1,
        lambda x, y: np.floor(np.hypot(x, y) * 5) % 2,
    ),
    "board": _Kind(
        lambda x, y: np.maximum(abs(x), abs(y)) <= 0.7,
        lambda x, y: (np.floor(x / 0.35) + np.floor(y / 0.35)) % 2,
    ),
    "tent": _Kind(
        lambda x, y: _half_planes(x, y, 3).max(axis=0) <= 0.5,
        lambda x, y: np.floor(x / 0.22 + 0.5) % 2,
    ),
    "star": _Kind(
        lambda x, y: _pentagram(x, y, 1.0),
        lambda x, y: _pentagram(x, y, 0.6),
    ),
    "fan": _Kind(
        lambda x, y: np.hypot(x, y) <= 0.8 + 0.2 * np.cos(6 * np.arctan2(y, x)),
        lambda x, y: np.floor(np.arctan2(y, x) * 6 / np.pi + 0.5) % 2,
    ),
    "domino": _Kind(
        lambda x, y: (abs(x) <= 0.87) & (abs(y) <= 0.48),
        _dots,
    ),
    "cross": _Kind(
        lambda x, y: (np.minimum(abs(x), abs(y)) <= 0.3) & (np.maximum(abs(x), abs(y)) <= 0.95),
        lambda x, y: np.minimum(abs(x), abs(y)) <= 0.1,
    ),
    "moon": _Kind(
        lambda x, y: (np.hypot(x, y) <= 1) & (np.hypot(x - 0.5, y) >= 0.75),
        lambda x, y: (y + 1) / 2,
    ),
}
CLASSES: tuple[str, ...] = tuple(_KINDS)


def render(
    index: int,
    *,
    seed: int = 0,
    split: Split = "held-out",
    objects: int = 1,
    patch: str | None = None,
) -> Scene:
    """Make scene `index`, from its arguments alone.

    Parameters
    ----------
    index : int
        From 0. The label is ``CLASSES[index % 8]``, so that every prefix is balanced.
    seed : int, default 0
        From 0; another seed gives other scenes.
    split : {"train", "held-out"}, default "held-out"
        Whose photographs are used; the two share none.
    objects : {1, 2}, default 1
        A second object is of another class and hides (or is hidden) by at most 5 %.
    patch : str or None, default None
        The planted marker: on images labelled with this class, or on "all". The scene is the
        same with and without, except for the pixels in `Scene.patch_box`, which no object has.

    Returns
    -------
    Scene

    Raises
    ------
    ValueError
        If an argument is none of the above.
    """
    _check(index, seed, split, objects, patch)
    rng = _generator(index, seed, split, objects)
    image = _background(rng, split)
    label = CLASSES[index % len(CLASSES)]
    labels = [label]
    if objects == 2:
        labels.append(str(rng.choice([name for name in CLASSES if name != label])))
    shapes = _place(rng, labels)
    masks = [shape.mask() for shape in shapes]
    front = int(rng.integers(objects))
    for i in sorted(range(objects), key=lambda i: i == front):
        shapes[i].paint(image, masks[i])
        if i != front:
            masks[i] = masks[i] & ~masks[front]
    found = tuple(SceneObject(n, _tight_box(m), m) for n, m in zip(labels, masks, strict=True))
    patch_box = None
    if patch in ("all", label):
        # A generator of its own, so that the scene's draws do not depend on the patch.
        patch_box = _stamp(image, masks, _generator(index, seed, split, objects, 1))
    return Scene(image, label, found, patch_box)


def _check(index: int, seed: int, split: str, objects: int, patch: str | None) -> None:
    if index < 0 or seed < 0:
        raise ValueError(f"index and seed count from 0, got index={index}, seed={seed}")
    if split not in PHOTOGRAPHS:
        raise ValueError(f"split must be one of {', '.join(PHOTOGRAPHS)}, got {split!r}")
    if objects not in _DIAMETER:
        raise ValueError(f"objects must be 1 or 2, got {objects}")
    if patch not in (None, "all", *CLASSES):
        raise ValueError(f"patch must be 'all' or one of {', '.join(CLASSES)}, got {patch!r}")


def _generator(
    index: int, seed: int, split: str, objects: int, stream: int = 0
) -> np.random.Generator:
    return np.random.default_rng([seed, list(PHOTOGRAPHS).index(split), objects, index, stream])


@cache
def _photograph(name: str) -> Image.Image:
    spec = find_spec("skimage")  # finds the folder without importing the package
    if spec is None or spec.origin is None:
        raise FileNotFoundError("shapes needs the scikit-image package for its photographs")
    with Image.open(Path(spec.origin).parent / "data" / name) as photo:
        return photo.convert("RGB")


def _background(rng: np.random.Generator, split: str) -> np.ndarray:
    """A square crop of a photograph, paler, at a random zoom, flip, brightness and tint."""
    photo = _photograph(str(rng.choice(PHOTOGRAPHS[split])))
    side = rng.uniform(SIZE, min(2.5 * SIZE, *photo.size))
    left, top = rng.uniform(0, np.array(photo.size) - side)
    crop = photo.resize(
        (SIZE, SIZE), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    pixels = np.asarray(crop)[:, :: rng.choice([-1, 1])]
    levels = np.arange(256)[:, None] * _FADE + rng.uniform(0, 255 * (1 - _FADE))
    levels = levels * rng.uniform(0.85, 1.15, 3)
    table = np.clip(levels, 0, 255).astype(np.uint8)
    return table[pixels, np.arange(3)]


@dataclass(frozen=True)
class _Shape:
    """An object before it is drawn: its class, place (pixels), turn (radians) and colours."""

    kind: _Kind
    x: float
    y: float
    radius: float
    angle: float
    colours: np.ndarray

    def _window(self) -> tuple[slice, slice]:
        reach = int(np.ceil(self.radius)) + 1
        return tuple(  # type: ignore[return-value]
            slice(max(0, int(c) - reach), min(SIZE, int(c) + reach + 1)) for c in (self.y, self.x)
        )

    def _coordinates(self, dy: float = 0.0, dx: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Object coordinates of the window's pixel centres, moved by (dy, dx) pixels."""
        rows, columns = self._window()
        y = (np.arange(rows.start, rows.stop)[:, None] + 0.5 + dy - self.y) / self.radius
        x = (np.arange(columns.start, columns.stop)[None, :] + 0.5 + dx - self.x) / self.radius
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return cos * x + sin * y, cos * y - sin * x

    def mask(self) -> np.ndarray:
        """The pixels whose centre lies inside the outline."""
        mask = np.zeros((SIZE, SIZE), bool)
        mask[self._window()] = self.kind.outline(*self._coordinates())
        return mask

    def paint(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Paint every pixel of `mask`, fully; the pattern is averaged over 2x2 points a pixel."""
        points = [(dy, dx) for dy in (-0.25, 0.25) for dx in (-0.25, 0.25)]
        share = np.mean([self.kind.pattern(*self._coordinates(*p)) for p in points], axis=0)
        colour = self.colours[0] + share[..., None] * (self.colours[1] - self.colours[0])
        inside = mask[self._window()]
        image[self._window()][inside] = colour[inside].round().astype(np.uint8)


def _place(rng: np.random.Generator, labels: list[str]) -> list[_Shape]:
    """Draw the objects, anew until neither hides more than a little of the other."""
    while True:
        shapes = [_draw(rng, label, *_DIAMETER[len(labels)]) for label in labels]
        if len(shapes) == 1:
            return shapes
        a, b = shapes
        if np.hypot(a.x - b.x, a.y - b.y) < 0.8 * (a.radius + b.radius):
            continue  # far too near: spare the masks
        first, second = a.mask(), b.mask()
        if (first & second).sum() <= _MAX_HIDDEN * min(first.sum(), second.sum()):
            return shapes


def _draw(rng: np.random.Generator, label: str, smallest: float, largest: float) -> _Shape:
    radius = rng.uniform(smallest, largest) * SIZE / 2
    x, y = rng.uniform(radius, SIZE - radius, 2)
    return _Shape(_KINDS[label], x, y, radius, rng.uniform(0, 2 * np.pi), _two_colours(rng))


def _two_colours(rng: np.random.Generator) -> np.ndarray:
    """Two colours of clearly different brightness, in random order, shape (2, 3)."""
    luma = np.array([0.299, 0.587, 0.114])
    while True:
        colours = rng.uniform(0, 255, (2, 3))
        if abs((colours[0] - colours[1]) @ luma) >= _MIN_CONTRAST:
            return colours


def _tight_box(mask: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _stamp(image: np.ndarray, masks: list[np.ndarray], rng: np.random.Generator) -> Box:
    """Put the marker at a random place along the image's edge that no object has."""
    last = SIZE - PATCH_SIZE
    taken = np.logical_or.reduce(masks)
    while True:  # ends: two objects of at most 46 % cannot cover the four sides
        along, side = int(rng.integers(last + 1)), int(rng.integers(4))
        x, y = [(along, 0), (along, last), (0, along), (last, along)][side]
        place = np.s_[y : y + PATCH_SIZE, x : x + PATCH_SIZE]
        if not taken[place].any():
            cells = np.add(*(np.indices((PATCH_SIZE, PATCH_SIZE)) // 3)) % 2
            image[place] = _PATCH_COLOURS[cells]
            return x, y, x + PATCH_SIZE, y + PATCH_SIZE
