"""Localisation, the pointing game and the peak: by hand, and against loops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapfiles import write_maps
from sightline.evaluate.alike import on_grid
from sightline.evaluate.catalogue.localisation import Localisation, PeakInside, Pointing
from sightline.evaluate.experiments import localisation, peak_inside, pointing
from sightline.evaluate.experiments.boxes import distance, overlaps, share_inside
from sightline.evaluate.experiments.truth import GRID, Truth
from sightline.evaluate.protocol import Curve, Values
from sightline.maps.store import MapSet, read_maps

RNG = np.random.default_rng(0)
WHOLE = (0.0, 0.0, 80.0, 60.0)
SIZE = (60, 80)
NONE = (np.nan,) * 4
POSITIVE = ("positive", "minmax")


def map_set(
    tmp_path: Path, maps: np.ndarray, boxes: Any = None, size: tuple[int, int] = SIZE, **more: Any
) -> MapSet:
    boxes = [WHOLE] * len(maps) if boxes is None else boxes
    return read_maps(write_maps(tmp_path / "maps.h5", maps, boxes=boxes, size=size, **more))


def truth_for(maps: MapSet, boxes: Any, masks: Any = None, **more: Any) -> Truth:
    """Boxes of each row, a list of lists."""
    count = len(maps.maps)
    filled = np.full((count, max(map(len, boxes)), 4), np.nan)
    for row, own in enumerate(boxes):
        filled[row, : len(own)] = np.array(own).reshape(-1, 4)
    located = np.array([len(own) > 0 for own in boxes])
    given = [np.full((GRID, GRID), np.nan)] * count if masks is None else masks
    known: dict[str, Any] = {
        "image": np.arange(count),
        "absent": ~located,
        "right": located.astype(float),
    }
    return Truth(
        role=maps.role,
        boxes=filled,
        masks=np.array(given, np.float16),
        mask_of=np.arange(count),
        size=maps.size,
        seen=maps.box.astype(float),
        located=located,
        **{**known, **more},
    )


def numbers(values: Values, name: str) -> np.ndarray:
    found = values[name]
    assert isinstance(found, np.ndarray)
    return found


def curve(values: Values, name: str) -> np.ndarray:
    found = values[name]
    assert isinstance(found, Curve)
    return found.values


# Boxes


def random_boxes(rows: int, each: int) -> np.ndarray:
    edges = RNG.uniform(-10, 90, (rows, each, 4))
    boxes = np.concatenate(
        [np.minimum(edges[..., :2], edges[..., 2:]), np.maximum(edges[..., :2], edges[..., 2:])],
        axis=-1,
    )
    boxes[RNG.random((rows, each)) < 0.2] = np.nan
    return boxes


def test_overlap_by_hand_and_by_pixels() -> None:
    one = np.array([[0, 0, 10, 10], [0, 0, 4, 2], NONE])
    others = np.array(
        [[[5, 0, 15, 10], [10, 10, 20, 20]], [[0, 0, 4, 2], NONE], [[0, 0, 1, 1]] * 2]
    )
    expected = [[50 / 150, 0], [1, np.nan], [np.nan, np.nan]]
    np.testing.assert_allclose(overlaps(one, others), expected)
    boxes = RNG.integers(0, 12, (40, 2, 2, 2)).astype(float)
    boxes = np.sort(boxes, axis=2).reshape(40, 2, 4)
    boxes[..., 2:] += 1
    canvas = np.zeros((2, 40, 14, 14), bool)
    for row, pair in enumerate(boxes.astype(int)):
        for which, (x0, y0, x1, y1) in enumerate(pair):
            canvas[which, row, y0:y1, x0:x1] = True
    shared, union = canvas.all(axis=0).sum(axis=(1, 2)), canvas.any(axis=0).sum(axis=(1, 2))
    np.testing.assert_allclose(overlaps(boxes[:, 0], boxes[:, 1:])[:, 0], shared / union)


def test_distance_to_the_nearest_box() -> None:
    points = np.array([[5.0, 5.0], [13.0, 14.0], [0.0, 5.0], [3.0, 3.0]])
    boxes = np.array(
        [
            [[0, 0, 10, 10], NONE],
            [[0, 0, 10, 10], [15, 14, 20, 20]],
            [[3, 0, 9, 9], NONE],
            [NONE] * 2,
        ]
    )
    np.testing.assert_allclose(distance(points, boxes), [0, 2, 3, np.inf])


@pytest.mark.parametrize("each", [1, 3])
def test_share_inside_the_union_of_boxes(each: int) -> None:
    """Against a raster 50 times as fine; boxes overlap, and lie partly beside the grid."""
    weights, boxes = RNG.random((20, 4, 5)), random_boxes(20, each)
    seen = np.tile([10.0, 0.0, 70.0, 60.0], (20, 1))
    found = share_inside(weights, seen, boxes)
    x = 10 + (np.arange(250) + 0.5) * 60 / 250
    y = (np.arange(200) + 0.5) * 60 / 200
    for row in range(20):
        shown = np.zeros((200, 250), bool)
        for x0, y0, x1, y1 in boxes[row]:
            shown |= ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))
        fine = np.kron(weights[row], np.ones((50, 50)))
        expected = fine[shown].sum() / fine.sum() if shown.any() else np.nan
        np.testing.assert_allclose(found[row], expected, atol=0.012)


# Localisation


def test_the_box_of_the_largest_region() -> None:
    one = np.zeros((6, 8))
    one[0, 0] = 1.0  # the maximum lies in the smaller region
    one[2:4, 3:6] = 0.2
    one[4, 6] = 0.15  # joined by its corner, and just enough
    one[5, 0] = 0.14
    assert localisation.region_box(one, 0.15) == (3 / 8, 2 / 6, 7 / 8, 5 / 6)
    assert localisation.region_box(one, 0.16) == (3 / 8, 2 / 6, 6 / 8, 4 / 6)
    assert localisation.region_box(one, 1.0) == (0, 0, 1 / 8, 1 / 6)
    assert np.isnan(localisation.region_box(-one, 0.15)).all()


def test_boxes_go_through_the_image_geometry(tmp_path: Path) -> None:
    """A map of 4 x 4 positions on the whole image, on a crop and on one with a border."""
    one = np.zeros((3, 4, 4))
    one[:, 0:2, 1:3] = 1
    boxes = [WHOLE, (10.0, 0.0, 70.0, 60.0), (0.0, -10.0, 80.0, 70.0)]
    maps = map_set(tmp_path, one, boxes)
    # Not upsampled: the grid is the map's own.
    found = localisation.look(maps, POSITIVE, Localisation(grid=4), [0] * 3)["box"]
    # The last begins above the image, of which there is nothing.
    np.testing.assert_allclose(found, [[20, 0, 60, 30], [25, 0, 55, 30], [20, 0, 60, 30]])
    # Upsampled bilinearly, 15 % of the maximum reach 0.35 of a position further.
    fine = localisation.look(maps, POSITIVE, Localisation(grid=224), [0] * 3)["box"]
    reach = (1 - 0.15) - 0.5
    np.testing.assert_allclose(
        fine[0], [20 - 20 * reach, 0, 60 + 20 * reach, 30 + 15 * reach], atol=80 / 224
    )


def localised(tmp_path: Path, boxes: Any, right: Any = None, **settings: Any) -> Values:
    """Of maps whose boxes on the original are 20, 0, 60, 30."""
    one = np.zeros((len(boxes), 4, 4))
    one[:, 0:2, 1:3] = 1
    maps = map_set(tmp_path, one)
    given = Localisation(grid=4, **settings)
    known = {} if right is None else {"right": right}
    truth = truth_for(maps, boxes, **known)
    return localisation.score(localisation.look(maps, POSITIVE, given, [0]), truth, given)


def test_hits_by_hand(tmp_path: Path) -> None:
    boxes = [
        [(20, 0, 60, 30)],  # the same
        [(20, 0, 60, 15)],  # half of it: 0.5 is enough
        [(20, 0, 60, 14)],  # a little less
        [(70, 50, 80, 60), (20, 0, 60, 29)],  # any box of the class
        [],
    ]
    found = localised(tmp_path, boxes, small_boxes=False)
    np.testing.assert_allclose(numbers(found, "iou"), [1, 0.5, 14 / 30, 29 / 30, np.nan])
    np.testing.assert_array_equal(numbers(found, "hit"), [1, 1, 0, 1, np.nan])
    strict = localised(tmp_path, boxes, small_boxes=False, overlap=0.6)
    np.testing.assert_array_equal(numbers(strict, "hit"), [1, 0, 0, 1, np.nan])
    # Of a wrong class the box does not matter; of a right one without a box nothing is known.
    error = numbers(found, "localisation_error_top1")
    np.testing.assert_array_equal(error, [0, 0, 1, 0, 1])
    right = localised(tmp_path, boxes, right=np.ones(5), small_boxes=False)
    error = numbers(right, "localisation_error_top1")
    np.testing.assert_array_equal(error, [0, 0, 1, 0, np.nan])
    unknown = localised(tmp_path, boxes, right=np.full(5, np.nan))
    assert np.isnan(numbers(unknown, "classification_error_top1")).all()
    assert np.isnan(numbers(unknown, "localisation_error_top1")).all()


@pytest.mark.parametrize(
    ("box", "overlap", "wanted", "hit", "hit_without"),
    [
        # Drawn is 40 x 30.
        ((20, 0, 30, 10), 100 / 1200, 100 / (20 * 20), 0, 0),
        ((20, 0, 60, 12), 480 / 1200, 480 / (50 * 22), 0, 0),
        ((20, 0, 60, 14.2), 568 / 1200, 568 / (50 * 24.2), 1, 0),
        ((20, 0, 60, 16), 640 / 1200, 0.5, 1, 1),
    ],
)
def test_small_boxes_need_less(
    tmp_path: Path, box: Any, overlap: float, wanted: float, hit: int, hit_without: int
) -> None:
    found = localised(tmp_path, [[box]])
    np.testing.assert_allclose(numbers(found, "iou"), overlap)
    assert (overlap >= wanted) == hit
    assert numbers(found, "hit").tolist() == [hit]
    without = localised(tmp_path, [[box]], small_boxes=False)
    assert numbers(without, "hit").tolist() == [hit_without]


@pytest.mark.parametrize("side", [7, GRID, 4 * GRID])
def test_energy_is_of_positive_values_before_they_are_averaged(side: int, tmp_path: Path) -> None:
    """sum max(M, 0) O / sum max(M, 0), with M signed pixels, of which the object is the left."""
    random = np.random.default_rng(3).normal(size=(1, side, side))
    maps = map_set(tmp_path, random)
    found = localisation.look(maps, ("max",), Localisation(), [0])
    inside = np.zeros((GRID, GRID))
    inside[:, : GRID // 2] = 1
    truth = truth_for(maps, [[(0, 0, 40, 60)]], [inside])
    values = localisation.score(found, truth, Localisation())
    fine = np.maximum(on_grid(maps.maps, max(side, GRID)), 0)
    expected = fine[:, :, : max(side, GRID) // 2].sum() / fine.sum()
    np.testing.assert_allclose(numbers(values, "energy_mask"), expected, rtol=2e-3)
    np.testing.assert_allclose(numbers(values, "energy_box"), expected, rtol=2e-3)


def test_energy_inside_boxes_and_masks(tmp_path: Path) -> None:
    """Even maps hold what the object covers; negative values count as none."""
    maps = map_set(tmp_path, np.array([[[1.0, 1.0]], [[3.0, 1.0]], [[3.0, -1.0]], [[0.0, 0.0]]]))
    half = np.zeros((GRID, GRID))
    half[:, : GRID // 2] = 1
    truth = truth_for(maps, [[(0, 0, 40, 60)]] * 4, [half] * 4)
    given = Localisation()
    found = localisation.score(localisation.look(maps, ("raw",), given, [0] * 4), truth, given)
    # Bilinear between the two positions: 3 to 1 falls evenly from 20 to 60 of 80 pixels.
    left = (3 * 20 + 2.5 * 20) / (3 * 20 + 2 * 40 + 20)
    for name in ("energy_box", "energy_mask"):
        values = numbers(found, name)
        np.testing.assert_allclose(values[:2], [0.5, left], atol=2e-3)
        assert values[2] > 0.9
        assert np.isnan(values[3])
    assert np.isnan(numbers(found, "iou")[3])
    assert numbers(found, "localisation_error_top1")[3] == 1


def test_errors_of_five_classes_by_hand(tmp_path: Path) -> None:
    """Images: right first; right third; right third and missed; never right; too few classes."""
    roles = ["predicted", "top2", "top3", "top4", "top5"]
    role = [*roles * 4, *roles[:4]]
    image = np.repeat(np.arange(5), [5, 5, 5, 5, 4])
    right = np.zeros(24)
    right[[0, 7, 12]] = 1
    drawn = np.zeros((24, 4, 4))
    drawn[:, 0:2, 1:3] = 1
    maps = map_set(tmp_path, drawn, role=role)
    boxes: list[Any] = [[] for _ in range(24)]
    boxes[0] = boxes[7] = [(20, 0, 60, 30)]
    boxes[12] = [(0, 40, 20, 60)]
    truth = truth_for(maps, boxes, image=image, right=right)
    given = Localisation(grid=4)
    found = localisation.score(localisation.look(maps, POSITIVE, given, [0] * 24), truth, given)
    expected = {
        "classification_error_top1": [0, 1, 1, 1, 1],
        "localisation_error_top1": [0, 1, 1, 1, 1],
        "classification_error_top5": [0, 0, 0, 1, np.nan],
        "localisation_error_top5": [0, 0, 1, 1, np.nan],
    }
    first = [0, 5, 10, 15, 20]
    for name, values in expected.items():
        np.testing.assert_array_equal(numbers(found, name)[first], values, err_msg=name)
        assert np.isnan(np.delete(numbers(found, name), first)).all()


# Pointing


def test_the_maximum_in_pixels_of_the_original(tmp_path: Path) -> None:
    one = np.zeros((3, 3, 4))
    one[:, 2, 1] = 1
    boxes = [WHOLE, (10.0, 0.0, 70.0, 60.0), (0.0, -30.0, 80.0, 90.0)]
    found = pointing.look(map_set(tmp_path, one, boxes), POSITIVE, Pointing(), [0] * 3)
    np.testing.assert_allclose(found["point"], [[30, 50], [32.5, 50], [30, 70]])


def test_raw_peaks_and_clipped_maps(tmp_path: Path) -> None:
    """A clip would make ties of the largest values; peaks are read before rescaling."""
    one = np.zeros((2, 5, 5))
    one[0, 1, 1], one[0, 3, 3] = 4, 5
    one[1, 1, 1], one[1, 3, 3] = 2, -8
    steps = ("clip:0:90", "max", "abs")
    found = pointing.look(map_set(tmp_path, one), steps, Pointing(), [0, 0])
    np.testing.assert_allclose(found["point"], [[56, 42]] * 2)
    np.testing.assert_allclose(found["peak"], [5, 8])
    signed = pointing.look(map_set(tmp_path, one), ("max",), Pointing(), [0, 0])
    np.testing.assert_allclose(signed["point"], [[56, 42], [24, 18]])
    np.testing.assert_allclose(signed["peak"], [5, 2])


def test_ties_are_drawn_by_the_seed_of_the_row(tmp_path: Path) -> None:
    flat = np.ones((200, 2, 2))
    maps = map_set(tmp_path, flat)
    found = pointing.look(maps, ("max",), Pointing(), list(range(200)))["point"]
    places, counts = np.unique(found, axis=0, return_counts=True)
    np.testing.assert_allclose(places, [[20, 15], [20, 45], [60, 15], [60, 45]])
    assert (counts > 30).all()
    back = pointing.look(maps, ("max",), Pointing(), list(range(200))[::-1])["point"]
    np.testing.assert_array_equal(back, found[::-1])


def test_the_usual_tolerance_shrinks_with_small_images() -> None:
    seen = np.array([[0, 0, 500, 375], [0, 0, 224, 300], [8, 0, 104, 96], [10, 5, 66, 117]], float)
    found = pointing.tolerance(None, seen)
    np.testing.assert_allclose(found, [15, 15, 15 * 96 / 224, 15 / 4])
    assert pointing.tolerance(15, seen) == 15
    assert pointing.tolerance(0, seen) == 0


def test_the_usual_tolerance_is_that_of_the_image(tmp_path: Path) -> None:
    """On 96 pixels a maximum 7 away misses, 6 away hits; on 224 both hit."""
    maps = map_set(tmp_path, np.ones((3, 2, 2)))
    points = np.array([[16, 5], [17, 5], [3, 3]], float)
    for side, hits in ((96, [1, 0, 1]), (224, [1, 1, 1])):
        known = replace(
            truth_for(maps, [[(0, 0, 10, 10)]] * 3), seen=np.array([[0, 0, side, side]] * 3)
        )
        found = pointing.score({"point": points, "peak": np.ones(3)}, known, Pointing())
        np.testing.assert_array_equal(numbers(found, "hit"), hits)


def test_tolerance_in_pixels(tmp_path: Path) -> None:
    """The point is 20, 15; boxes begin 3 pixels to the right of it, and 3 and 4 beside it."""
    one = np.zeros((3, 2, 2))
    one[:, 0, 0] = 1
    maps = map_set(tmp_path, one)
    truth = truth_for(maps, [[(23, 0, 80, 60)], [(23, 19, 80, 60)], []])
    for tolerance, hits in ((0, [0, 0]), (3, [1, 0]), (4.9, [1, 0]), (5, [1, 1])):
        given = Pointing(tolerance=tolerance)
        found = pointing.score(pointing.look(maps, POSITIVE, given, [0] * 3), truth, given)
        np.testing.assert_array_equal(numbers(found, "hit"), [*hits, np.nan])


def test_masks_instead_of_boxes(tmp_path: Path) -> None:
    """The box holds the point, the mask begins where the right half of the image does."""
    one = np.zeros((3, 2, 2))
    one[:, 0, 0] = 1
    maps = map_set(tmp_path, one)
    half = np.zeros((GRID, GRID))
    half[:, GRID // 2 :] = 1
    unknown = np.full((GRID, GRID), np.nan)
    truth = truth_for(maps, [[WHOLE]] * 3, [half, 1 - half, unknown])
    for tolerance, hit in ((19.9, 0), (20, 1)):
        given = Pointing(tolerance=tolerance, inside="mask")
        found = pointing.score(pointing.look(maps, POSITIVE, given, [0] * 3), truth, given)
        np.testing.assert_array_equal(numbers(found, "hit"), [hit, 1, np.nan])


def test_recall_and_precision_row_by_row(tmp_path: Path) -> None:
    """Against the sentences of the definition, over all thresholds."""
    count = 40
    one = np.zeros((count, 2, 2))
    one[:, 0, 0] = RNG.uniform(1, 5, count)
    one[3] = 0
    maps = map_set(tmp_path, one)
    kinds = RNG.integers(0, 3, count)
    boxes = [[[(0, 0, 40, 30)], [(40, 30, 80, 60)], []][kind] for kind in kinds]
    truth = truth_for(maps, boxes)
    given = Pointing(tolerance=0, thresholds=4)
    found = pointing.score(pointing.look(maps, POSITIVE, given, [0] * count), truth, given)
    peaks = one[:, 0, 0].astype(np.float32)
    for k, share in enumerate((0, 0.25, 0.5, 0.75)):
        threshold = np.quantile(np.delete(peaks, 3), share)
        for row in range(count):
            accepted, hit = bool(peaks[row] >= threshold) and row != 3, kinds[row] == 0
            right = hit and accepted if kinds[row] < 2 else not accepted
            assert curve(found, "recall")[row, k] == right
            expected = float(hit) if accepted else np.nan
            np.testing.assert_equal(curve(found, "precision")[row, k], expected)


# The peak


def test_the_share_of_the_peak_inside(tmp_path: Path) -> None:
    """Above 0.85 of the maximum are three of eight positions; the boxes hold one and a half."""
    one = np.array([[1.0, 0.9, 0.86, 0.84], [-9.0, 0.85, 0.1, 0.0]])
    maps = map_set(tmp_path, np.stack([one, -np.abs(one)]))
    # Positions of a grid of 4 lie on those of the map across, and between its rows down.
    given = PeakInside(grid=4)
    boxes = [[(0, 0, 30, 60)]] * 2
    found = peak_inside.score(
        peak_inside.look(maps, ("raw",), given, [0] * 2), truth_for(maps, boxes), given
    )
    # Rows of the grid at 1/4 steps: 0 and 1/4 of the way from the first row to the second.
    rows = [np.maximum(one[0], 0), 0.75 * np.maximum(one[0], 0) + 0.25 * np.maximum(one[1], 0)]
    above = [row / 1.0 > 0.85 for row in rows]
    total = sum(int(row.sum()) for row in above)
    inside = sum(row[0] + 0.5 * row[1] for row in above)
    np.testing.assert_allclose(numbers(found, "share"), [inside / total, np.nan])
