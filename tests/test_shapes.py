from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sightline.images import shapes
from sightline.images.shapes import CLASSES, PATCH_SIZE, PHOTOGRAPHS, SIZE, Scene, render

SPLITS = tuple(PHOTOGRAPHS)


def same(a: Scene, b: Scene) -> bool:
    return np.array_equal(a.image, b.image) and all(
        (x.label, x.box) == (y.label, y.box) and np.array_equal(x.mask, y.mask)
        for x, y in zip(a.objects, b.objects, strict=True)
    )


def tight(mask: np.ndarray) -> tuple[int, ...]:
    y, x = np.nonzero(mask)
    return x.min(), y.min(), x.max() + 1, y.max() + 1


@pytest.mark.parametrize("objects", [1, 2])
@pytest.mark.parametrize("split", SPLITS)
def test_a_scene_follows_from_its_arguments_in_any_order(split, objects):
    forth = [render(i, seed=3, split=split, objects=objects) for i in range(16)]
    back = [render(i, seed=3, split=split, objects=objects) for i in reversed(range(16))]
    assert all(same(a, b) for a, b in zip(forth, reversed(back), strict=True))


def test_every_argument_changes_the_image():
    images = [
        render(5).image,
        render(13).image,
        render(5, seed=1).image,
        render(5, split="train").image,
        render(5, objects=2).image,
        render(5, patch="all").image,
    ]
    assert all(not np.array_equal(a, b) for i, a in enumerate(images) for b in images[i + 1 :])


def test_every_prefix_is_balanced():
    labels = [render(i).label for i in range(24)]
    assert labels == list(CLASSES) * 3
    assert len(set(CLASSES)) == 8


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("objects", [1, 2])
def test_masks_are_exactly_the_pixels_that_are_painted(index, objects, monkeypatch):
    scene = render(index, objects=objects)
    monkeypatch.setattr(shapes._Shape, "paint", lambda *_: None)
    bare = render(index, objects=objects)
    assert bare.objects[0].box == scene.objects[0].box
    painted = (scene.image != bare.image).any(axis=2)
    covered = np.logical_or.reduce([o.mask for o in scene.objects])
    assert not (painted & ~covered).any()
    # A few painted pixels may happen to have the background's colour.
    assert (covered & ~painted).sum() <= 2
    for found in scene.objects:
        assert found.mask.dtype == bool
        assert found.box == tight(found.mask)


def test_sizes_positions_and_colours_vary_alike_in_every_class():
    scenes = [render(i) for i in range(480)]
    sides = np.array(
        [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (s.objects[0].box for s in scenes)]
    )
    assert sides.min() >= 0.2 * SIZE
    assert sides.max() <= 0.66 * SIZE
    assert sides.std() > 0.08 * SIZE
    centres = np.array([np.argwhere(s.objects[0].mask).mean(axis=0) for s in scenes])
    assert (np.histogram2d(*centres.T, bins=3, range=[[18, 78]] * 2)[0] > 15).all()
    colours = np.array([s.image[s.objects[0].mask].mean(axis=0) for s in scenes])
    for i in range(8):
        assert np.abs(colours[i::8].mean(axis=0) - colours.mean(axis=0)).max() < 20
        assert colours[i::8].std(axis=0).min() > 20


def test_the_second_object_is_another_and_hardly_hidden(monkeypatch):
    seen = set()
    for i in range(64):
        first, second = render(i, objects=2).objects
        assert first.label == CLASSES[i % 8] != second.label
        assert not (first.mask & second.mask).any()
        seen.add((first.label, second.label))
    assert len({label for _, label in seen}) == 8
    place = shapes._place
    whole = []
    monkeypatch.setattr(shapes, "_place", lambda *a: whole.append(place(*a)) or whole[-1])
    hidden = []
    for i in range(200):
        visible = render(i, objects=2).objects
        hidden += [
            1 - o.mask.sum() / w.mask().sum() for o, w in zip(visible, whole[-1], strict=True)
        ]
    assert 0 < max(hidden) <= 0.05


@pytest.mark.parametrize("objects", [1, 2])
def test_the_patch_leaves_the_rest_of_the_scene_as_it_was(objects):
    places = set()
    for i in range(40):
        plain = render(i, objects=objects)
        planted = render(i, objects=objects, patch="all")
        assert plain.patch_box is None
        assert planted.patch_box is not None
        x0, y0, x1, y1 = planted.patch_box
        assert (x1 - x0, y1 - y0) == (PATCH_SIZE, PATCH_SIZE)
        assert min(x0, y0, SIZE - x1, SIZE - y1) == 0
        assert all(not o.mask[y0:y1, x0:x1].any() for o in planted.objects)
        found = {tuple(c) for c in planted.image[y0:y1, x0:x1].reshape(-1, 3).tolist()}
        assert found == {(255, 0, 200), (60, 255, 0)}
        planted.image[y0:y1, x0:x1] = plain.image[y0:y1, x0:x1]
        assert same(plain, planted)
        places.add(planted.patch_box)
    assert len(places) > 30


def test_only_the_biased_class_carries_the_patch():
    planted = [render(i, patch="fan", objects=1 + i // 16).patch_box for i in range(32)]
    assert [box is not None for box in planted] == [name == "fan" for name in CLASSES] * 4


def test_training_and_held_out_share_no_photograph_and_none_is_downloaded():
    # Both motorcycle pictures show one scene.
    scenes = {s: {n.removesuffix(".png").split("_")[0] for n in PHOTOGRAPHS[s]} for s in SPLITS}
    assert not scenes["train"] & scenes["held-out"]
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    for name in (*PHOTOGRAPHS["train"], *PHOTOGRAPHS["held-out"]):
        assert (Path(spec.origin).parent / "data" / name).is_file(), name


def test_importing_it_stays_light():
    code = (
        "import sys, sightline.images.shapes as s; s.render(0);"
        "print(sorted({'torch', 'pandas', 'skimage', 'pooch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parent.parent / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"index": -1}, "count from 0"),
        ({"index": 0, "seed": -1}, "count from 0"),
        ({"index": 0, "split": "test"}, "train, held-out, got 'test'"),
        ({"index": 0, "objects": 3}, "1 or 2, got 3"),
        ({"index": 0, "patch": "stars"}, "star, fan.*got 'stars'"),
    ],
)
def test_wrong_arguments_say_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        render(**arguments)
