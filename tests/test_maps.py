"""Map files, scaling and alignment."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from sightline.errors import SightlineError
from sightline.maps.align import intersect, resample
from sightline.maps.scaling import scale_maps
from sightline.maps.series import MapSeries
from sightline.maps.steps import parse_steps
from sightline.maps.store import NON_FINITE, OK, ZERO, MapWriter, map_writer, read_maps
from sightline.methods.catalogue import CATALOGUE
from sightline.sealed import sealed_writer

RNG = np.random.default_rng(0)
PEAKS = [1e-6, 1e-3, 1.0, 40.0, 1e3]


def random_maps(count: int, height: int = 7, width: int = 5) -> np.ndarray:
    return RNG.normal(size=(count, height, width)).astype(np.float32)


def append(writer: MapWriter, maps: np.ndarray, first: int = 0) -> None:
    rows = np.arange(first, first + len(maps))
    writer.append(
        maps,
        {"passes": rows + 0.5},
        image_id=[f"class/{row}.jpg" for row in rows],
        role=["predicted" if row % 2 else "class:3" for row in rows],
        target=rows * 3,
        explained=[f"class {row + 1}" for row in rows],
        predicted=[f"class {row}" for row in rows],
        correct=rows % 3 - 1,
        score=rows / 7,
        confidence=rows / 11,
        box=np.stack([rows, rows + 1, rows + 200.25, rows + 100], axis=1),
        size=np.stack([rows + 100, rows + 300], axis=1),
    )


def write(path: Path, *chunks: np.ndarray) -> None:
    with map_writer(path, sum(map(len, chunks)), {"model": "a", "seed": 7}) as writer:
        done = 0
        for chunk in chunks:
            append(writer, chunk, done)
            done += len(chunk)


def test_maps_of_any_magnitude_come_back_within_a_float16_step(tmp_path: Path) -> None:
    maps = random_maps(len(PEAKS))
    maps *= np.array(PEAKS, np.float32)[:, None, None] / np.abs(maps).max((1, 2), keepdims=True)
    write(tmp_path / "maps.h5", maps[:2], maps[2:])
    found = read_maps(tmp_path / "maps.h5")
    assert found.maps.dtype == np.float32
    assert found.status.tolist() == [OK] * len(PEAKS)
    for raw, stored, peak in zip(maps, found.maps, PEAKS, strict=True):
        # Rounding to nearest is off by half the spacing of float16 there, float32 adds a trifle.
        step = peak * np.spacing(np.abs(raw / peak).astype(np.float16)).astype(np.float64)
        assert (np.abs(raw.astype(np.float64) - stored) <= 0.51 * step).all()
        assert np.abs(stored).max() == np.abs(raw).max()


def test_everything_said_of_a_map_comes_back(tmp_path: Path) -> None:
    write(tmp_path / "maps.h5", random_maps(2), random_maps(1))
    found = read_maps(tmp_path / "maps.h5")
    assert found.image_id.tolist() == ["class/0.jpg", "class/1.jpg", "class/2.jpg"]
    assert found.role.tolist() == ["class:3", "predicted", "class:3"]
    assert found.target.tolist() == [0, 3, 6]
    np.testing.assert_allclose(found.score, [0, 1 / 7, 2 / 7], rtol=1e-7)
    assert found.predicted.tolist() == ["class 0", "class 1", "class 2"]
    assert found.explained.tolist() == ["class 1", "class 2", "class 3"]
    np.testing.assert_allclose(found.confidence, [0, 1 / 11, 2 / 11], rtol=1e-7)
    assert found.correct.tolist() == [-1, 0, 1]
    assert found.box[2].tolist() == [2, 3, 202.25, 102]
    assert found.size[1].tolist() == [101, 301]
    assert found.figures["passes"].tolist() == [0.5, 1.5, 2.5]
    assert found.attributes == {"schema": 3, "model": "a", "seed": 7}


def test_chunks_of_rows_make_the_file_of_one(tmp_path: Path) -> None:
    maps = random_maps(6)
    write(tmp_path / "one.h5", maps)
    write(tmp_path / "three.h5", maps[:1], maps[1:5], maps[5:])
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "three.h5") as three:
        assert one.keys() == three.keys()
        for name in one.keys() - {"figures"}:
            np.testing.assert_array_equal(one[name][()], three[name][()])


@pytest.mark.parametrize(
    ("value", "status"),
    [(0.0, ZERO), (1e-42, ZERO), (np.nan, NON_FINITE), (np.inf, NON_FINITE), (-np.inf, NON_FINITE)],
)
def test_a_map_that_says_nothing_is_recorded_as_such(
    tmp_path: Path, value: float, status: int
) -> None:
    maps = random_maps(3)
    maps[1] = 0
    maps[1, 2, 3] = value
    write(tmp_path / "maps.h5", maps)
    found = read_maps(tmp_path / "maps.h5")
    assert found.status.tolist() == [OK, status, OK]
    assert not found.maps[1].any()
    np.testing.assert_allclose(found.maps[[0, 2]], maps[[0, 2]], atol=2e-3)


def test_fewer_rows_than_declared_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    with pytest.raises(ValueError, match="expected 3 maps, got 2"), map_writer(path, 3, {}) as file:
        append(file, random_maps(2))
    assert not list(tmp_path.iterdir())


def test_more_rows_than_declared_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    with pytest.raises((TypeError, ValueError)), map_writer(path, 2, {}) as file:
        append(file, random_maps(3))
    assert not list(tmp_path.iterdir())


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    expected = pytest.raises(ValueError, match=r"expected the columns .*'target'")
    with expected, map_writer(tmp_path / "maps.h5", 1, {}) as file:
        file.append(random_maps(1), {}, image_id=["a"], role=["predicted"])


def test_an_exception_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    write(path, random_maps(2))
    before = path.read_bytes()

    def interrupted() -> None:
        with map_writer(path, 2, {}) as file:
            append(file, random_maps(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name", ["maps", "scale", "status", "target", "score", "box", "size", "figures/passes"]
)
def test_a_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "maps.h5"
    write(path, random_maps(4))
    with h5py.File(path) as file:
        assert file[name].fletcher32
        chunk = file[name].id.get_chunk_info(file[name].id.get_num_chunks() - 1)
    damaged = bytearray(path.read_bytes())
    damaged[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(SightlineError, match=r"maps\.h5 is damaged.*Delete it"):
        read_maps(path)


def test_what_is_no_map_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SightlineError, match=r"none\.h5 does not exist"):
        read_maps(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(SightlineError, match=r"text\.h5 is damaged"):
        read_maps(tmp_path / "text.h5")
    write(tmp_path / "whole.h5", random_maps(2))
    (tmp_path / "half.h5").write_bytes((tmp_path / "whole.h5").read_bytes()[:-1000])
    with pytest.raises(SightlineError, match=r"half\.h5 is damaged"):
        read_maps(tmp_path / "half.h5")
    with sealed_writer(tmp_path / "whole.h5", 0):
        pass
    with pytest.raises(SightlineError, match="has the schema 0, expected 3"):
        read_maps(tmp_path / "whole.h5")


ONE = [[-4.0, 0.0], [1.0, 2.0]]
CONSTANT = [[3.0, 3.0], [3.0, 3.0]]
NOTHING = [[0.0, 0.0], [0.0, 0.0]]
SCALED = [
    ("positive", [[0, 0], [1, 2]], CONSTANT),
    ("raw", ONE, CONSTANT),
    ("abs", [[4, 0], [1, 2]], CONSTANT),
    ("max", [[-1, 0], [0.25, 0.5]], [[1, 1], [1, 1]]),
    ("minmax", [[0, 4 / 6], [5 / 6, 1]], NOTHING),
    # Percentiles 25 and 75 of -4, 0, 1, 2 by linear interpolation: -1 and 1.25.
    ("clip:25:75", [[-1, 0], [1, 1.25]], CONSTANT),
]


def test_every_step_is_tried() -> None:
    with pytest.raises(SightlineError) as error:
        scale_maps(np.zeros((1, 2, 2), np.float32), ["nonesuch"])
    known = str(error.value).partition("Known: ")[2].rstrip(".").split(", ")
    assert sorted(known) == sorted(step.partition(":")[0] for step, _, _ in SCALED)


@pytest.mark.parametrize(("step", "one", "constant"), SCALED)
def test_a_step_of_scaling(step: str, one: list, constant: list) -> None:
    found = scale_maps(np.array([ONE, CONSTANT, NOTHING], np.float32), [step])
    np.testing.assert_allclose(found, np.array([one, constant, NOTHING]), rtol=1e-6)
    assert found.dtype == np.float32


def test_steps_are_taken_in_order() -> None:
    maps = np.array([ONE], np.float32)
    first = scale_maps(maps, ["positive", "minmax"])
    np.testing.assert_allclose(first, [[[0, 0], [0.5, 1]]])
    second = scale_maps(maps, ["minmax", "positive"])
    np.testing.assert_allclose(second, [[[0, 4 / 6], [5 / 6, 1]]], rtol=1e-6)


def test_the_thesis_scaling_of_integrated_gradients() -> None:
    maps = random_maps(3, 30, 30)
    found = scale_maps(maps, ["clip:0.3:99.7", "max", "abs"])
    for raw, scaled in zip(maps, found, strict=True):
        cut = np.clip(raw, np.percentile(raw, 0.3), np.percentile(raw, 99.7))
        np.testing.assert_allclose(scaled, np.abs(cut / np.abs(cut).max()), rtol=1e-5)


@pytest.mark.parametrize(
    "step", [*["clip", "clip:1", "clip:a:b", "max:3", "clip:1:101", "clip:9:1", "clip:nan:9"]]
)
def test_wrong_arguments_of_a_step_are_named(step: str) -> None:
    with pytest.raises(SightlineError, match=f"'{step}' has wrong arguments"):
        scale_maps(np.zeros((1, 2, 2), np.float32), [step])


def test_raw_stands_alone() -> None:
    maps = np.array([ONE], np.float32)
    assert (scale_maps(maps, ["raw"]) == maps).all()
    with pytest.raises(SightlineError, match="'raw' leaves maps as they are: it stands alone"):
        scale_maps(maps, ["raw", "max"])


@pytest.mark.parametrize("name", CATALOGUE)
def test_scalings_that_methods_declare_are_scalings(name: str) -> None:
    assert parse_steps(CATALOGUE[name].scaling)


def test_an_unknown_step_suggests_the_nearest() -> None:
    with pytest.raises(SightlineError, match="Did you mean 'minmax'"):
        scale_maps(np.zeros((1, 2, 2), np.float32), ["minmx"])


WHOLE = np.array([[0.0, 0, 640, 480]])


@pytest.mark.parametrize("shape", [(1, 1), (7, 7), (14, 9), (31, 96), (96, 100), (224, 300)])
@pytest.mark.parametrize("grid", [8, 96])
def test_the_whole_map_is_resampled_as_torch_does(shape: tuple[int, int], grid: int) -> None:
    maps = random_maps(3, *shape)
    boxes = np.repeat(WHOLE, 3, axis=0)
    found = resample(maps, boxes, boxes, grid)
    # In float64: torch's float32 places are off by a few 1e-6 of a step.
    exact = torch.from_numpy(maps).double()[:, None]
    # torch widens its triangle by axis: antialias leaves an axis alone that does not shrink.
    expected = interpolate(exact, (grid, grid), mode="bilinear", antialias=True)[:, 0]
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-6)
    if max(shape) <= grid:
        plain = interpolate(exact, (grid, grid), mode="bilinear", align_corners=False)[:, 0]
        np.testing.assert_allclose(found, plain.numpy(), atol=2e-6)


def plain_resample(one: np.ndarray, box: np.ndarray, onto: np.ndarray, grid: int) -> np.ndarray:
    """Position by position: where it lies on the map, and what weighs how much there."""
    height, width = one.shape
    out = np.zeros((grid, grid))
    step_y = (onto[3] - onto[1]) / grid
    step_x = (onto[2] - onto[0]) / grid
    cell_y, cell_x = (box[3] - box[1]) / height, (box[2] - box[0]) / width
    for i in range(grid):
        for j in range(grid):
            y = (onto[1] + (i + 0.5) * step_y - box[1]) / cell_y
            x = (onto[0] + (j + 0.5) * step_x - box[0]) / cell_x
            total = weight = 0.0
            for row in range(height):
                for column in range(width):
                    w = triangle(y, row, height, step_y / cell_y)
                    w *= triangle(x, column, width, step_x / cell_x)
                    total, weight = total + w * one[row, column], weight + w
            out[i, j] = total / weight
    return out


def triangle(place: float, cell: int, cells: int, step: float) -> float:
    if step <= 1:
        place, step = min(max(place, 0.5), cells - 0.5), 1.0
    return max(0.0, 1 - abs(place - (cell + 0.5)) / step)


@pytest.mark.parametrize(("size", "grid"), [(7, 224), (224, 56), (56, 14)])
def test_beyond_the_map_its_outermost_values_go_on(size: int, grid: int) -> None:
    maps = random_maps(2, size, size)
    box, wide = np.array([[0.0, 0, 10, 10]] * 2), np.array([[-10.0, -10, 20, 20]] * 2)
    found = resample(maps, box, wide, grid)
    assert np.isfinite(found).all()
    # The corners lie further out than any cell of the grid is wide.
    third = grid // 3 - 1
    corner = found[:, :third, :third]
    np.testing.assert_allclose(corner, np.broadcast_to(corner[:, :1, :1], corner.shape), atol=1e-6)
    assert ((maps.min((1, 2)) <= corner[:, 0, 0]) & (corner[:, 0, 0] <= maps.max((1, 2)))).all()
    if size < grid:  # nothing is averaged: the corner's own value
        np.testing.assert_allclose(corner[:, 0, 0], maps[:, 0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "onto",
    [
        (100.0, 50.0, 300.0, 450.0),  # finer than the map in both directions
        (0.0, 0.0, 10.0, 480.0),  # within the outermost cells
        (600.0, 0.0, 640.0, 33.3),
        (17.5, 3.25, 633.0, 479.0),
    ],
)
@pytest.mark.parametrize("shape", [(7, 7), (5, 12), (20, 3)])
def test_a_part_of_the_map_is_sampled_where_it_lies(
    shape: tuple[int, int], onto: tuple[float, ...]
) -> None:
    maps = random_maps(2, *shape)
    boxes = np.array([[0.0, 0, 640, 480], [-20, 0, 700, 500]])
    wanted = np.repeat([onto], 2, axis=0)
    found = resample(maps, boxes, wanted, 8)
    for one, box, values in zip(maps, boxes, found, strict=True):
        np.testing.assert_allclose(values, plain_resample(one, box, onto, 8), atol=1e-5)


def test_each_map_has_its_own_box() -> None:
    maps = random_maps(3)
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 25, 15], [0, 0, 10, 10]])
    onto = np.array([[0.0, 0, 10, 10], [10, 5, 20, 15], [2, 2, 8, 8]])
    together = resample(maps, boxes, onto, 9)
    for i in range(3):
        alone = resample(maps[[i]], boxes[[i]], onto[[i]], 9)
        np.testing.assert_array_equal(together[[i]], alone)


def test_intersections_of_boxes() -> None:
    one = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 4, 10]])
    other = np.array([[5.0, -5, 20, 5], [2, 3, 4, 5], [6, 0, 10, 10]])
    found = intersect(one, other)
    assert found[:2].tolist() == [[5, 0, 10, 5], [2, 3, 4, 5]]
    assert found[2, 2] <= found[2, 0]  # they do not meet
    np.testing.assert_array_equal(found[:2], intersect(other, one)[:2])


def test_a_series_is_its_files_one_after_the_other(tmp_path: Path) -> None:
    maps = random_maps(9)
    cuts = [(0, 4), (4, 5), (5, 9)]
    for start, stop in cuts:
        with map_writer(tmp_path / f"{start}.h5", stop - start, {}) as writer:
            append(writer, maps[start:stop], start)
    series = MapSeries([tmp_path / f"{start}.h5" for start, _ in cuts])
    assert (len(series), series.shape) == (9, maps.shape[1:])
    assert series.predicted.tolist() == [f"class {row}" for row in range(9)]
    assert series.box[:, 0].tolist() == list(range(9))
    whole = np.concatenate([read_maps(tmp_path / f"{start}.h5").maps for start, _ in cuts])
    for start in range(9):
        for stop in range(start, 12):
            np.testing.assert_array_equal(series.read(start, stop), whole[start:stop])
    found = {part.start: block for part, block in series.blocks(2)}
    assert list(found) == [0, 2, 4, 6, 8]
    np.testing.assert_array_equal(np.concatenate(list(found.values())), whole)


def test_a_series_of_maps_of_two_sizes_is_refused(tmp_path: Path) -> None:
    for name, size in (("a", 4), ("b", 5)):
        write(tmp_path / name, np.ones((1, size, size), np.float32))
    with pytest.raises(SightlineError, match=r"b holds maps of \(5, 5\), .*a of \(4, 4\)"):
        MapSeries([tmp_path / "a", tmp_path / "b"])
