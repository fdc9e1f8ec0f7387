"""From files to shards: decoding, geometry, order, sources."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import random
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import skimage
from PIL import Image, ImageOps
from timm.data import create_transform
from timm.models import get_pretrained_cfg, list_pretrained

from conftest import SHAPES
from sightline.errors import SightlineError
from sightline.images.decode import decode
from sightline.images.geometry import INTERPOLATIONS, CropMode, Geometry, fit
from sightline.images.listed import EXTENSIONS, Listed
from sightline.images.objects import Region, drawn, mask_bounds
from sightline.images.order import balanced_order
from sightline.images.read import read_entries
from sightline.images.shapes import render
from sightline.images.shards import Entry, ImageRow, ObjectRow, Shard, png, write_shard
from sightline.images.sources import PHOTOS, list_source
from sightline.jobs.images import make_manifest, make_shard
from sightline.jobs.masks import seen_masks

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    image = decode(data, "picture")
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


# --- Decoding -----------------------------------------------------------------------------------

# What the stored rows and columns are, by the EXIF standard's table of orientations.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "webp" else {}
    stored = pixels(encoded(Image.fromarray(PICTURE), kind, **options))
    found = pixels(encoded(Image.fromarray(PICTURE), kind, exif=exif, **options))
    np.testing.assert_array_equal(found, UPRIGHT[orientation](stored))


def test_greyscale_and_bilevel_become_grey() -> None:
    grey = PICTURE[..., 0]
    found = pixels(encoded(Image.fromarray(grey), "png"))
    np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, axis=2))
    found = pixels(encoded(Image.fromarray(grey > 128), "png"))
    np.testing.assert_array_equal(found, np.repeat((grey > 128)[..., None] * 255, 3, axis=2))


@pytest.mark.parametrize(("kind", "tolerance"), [("tiff", 0), ("jpeg", 6)])
def test_cmyk_is_converted(kind: str, tolerance: int) -> None:
    smooth = np.linspace(0, 255, 24 * 32 * 4).reshape(24, 32, 4).astype(np.uint8)
    cyan, magenta, yellow, black = np.moveaxis(smooth.astype(int), 2, 0)
    options = {"quality": 100, "subsampling": 0} if kind == "jpeg" else {}
    found = pixels(encoded(Image.fromarray(smooth, "CMYK"), kind, **options))
    inks = np.stack([cyan, magenta, yellow], axis=2)
    expected = (255 - inks) * (255 - black[..., None]) / 255
    assert np.abs(found - expected).max() <= 1 + tolerance


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    expected = np.round(values / 257)[..., None].repeat(3, axis=2)
    for kind in ("png", "tiff"):
        np.testing.assert_array_equal(pixels(encoded(Image.fromarray(values), kind)), expected)


def test_thirty_two_bit_integers_within_sixteen_bits_are_scaled() -> None:
    values = np.array([[0, 257, 65_535]], np.int32)
    assert pixels(encoded(Image.fromarray(values), "tiff"))[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("values", [[[0.0, 0.5]], [[-1, 3]], [[0, 65_536]]])
def test_what_has_no_known_white_is_refused(values: list) -> None:
    kind = np.float32 if isinstance(values[0][0], float) else np.int32
    data = encoded(Image.fromarray(np.array(values, kind)), "tiff")
    with pytest.raises(SightlineError, match=r"picture holds values from.*at most 16 bits"):
        decode(data, "picture")


def test_of_sixteen_bit_colour_the_high_byte_is_read() -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (5, 7, 3)).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in values)  # no filter

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + check

    header = (7).to_bytes(4, "big") + (5).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(pixels(data), values // 256)


def test_transparency_is_put_on_white() -> None:
    alpha = np.linspace(0, 255, 240).round().astype(np.uint8).reshape(12, 20)
    share = alpha[..., None] / 255
    colour = np.dstack([PICTURE, alpha])
    expected = PICTURE * share + 255 * (1 - share)
    for kind in ("png", "tiff"):
        found = pixels(encoded(Image.fromarray(colour, "RGBA"), kind))
        assert np.abs(found - expected).max() <= 1
    grey = np.dstack([PICTURE[..., 0], alpha])
    found = pixels(encoded(Image.fromarray(grey, "LA"), "png"))
    assert np.abs(found - expected[..., :1]).max() <= 1


def test_palettes_are_resolved_and_their_transparent_colour_is_white() -> None:
    image = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(1, 4), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    opaque = [[10, 20, 30], [40, 50, 60], [70, 80, 90], [100, 110, 120]]
    assert pixels(encoded(image, "png"))[0].tolist() == opaque
    white = [*opaque[:2], [255] * 3, opaque[3]]
    assert pixels(encoded(image, "png", transparency=2))[0].tolist() == white
    assert pixels(encoded(image, "gif", transparency=2))[0].tolist() == white
    half = pixels(encoded(image, "png", transparency=bytes([255, 0, 128, 255])))[0]
    assert half[[0, 1, 3]].tolist() == [opaque[0], [255] * 3, opaque[3]]
    np.testing.assert_allclose(half[2], np.array(opaque[2]) * 128 / 255 + 255 * 127 / 255, atol=1)


def test_an_animations_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    for kind in ("gif", "webp", "png"):
        options = {"lossless": True} if kind == "webp" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert Image.open(io.BytesIO(data)).n_frames == 3
        np.testing.assert_array_equal(pixels(data), np.full((6, 8, 3), [255, 0, 0]))


@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow's own
@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_named(kind: str, share: float) -> None:
    data = encoded(Image.fromarray(PICTURE), kind)
    with pytest.raises(SightlineError, match=r"The image birds/odd\.png cannot be read"):
        decode(data[: int(share * len(data))], "birds/odd.png")


@pytest.mark.filterwarnings("ignore")  # Pillow's own, about damaged metadata and great sizes
@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff"])
def test_no_damage_shows_a_traceback(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Damaged sizes are refused as too great from here on, instead of filling the memory first.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("jpeg", "tiff") else {}
    data = encoded(Image.fromarray(PICTURE[:4, :4]), kind, **options)
    outcomes = Counter()
    for place in range(len(data)):
        for value in (0x00, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[place] ^= value ^ 0x01
            try:
                decode(bytes(damaged), "damaged")
            except SightlineError:
                outcomes["refused"] += 1
    assert outcomes["refused"] > 10


# --- Geometry -----------------------------------------------------------------------------------

SIZES = [(224, 224), (96, 96), (64, 96), (96, 64)]
ORIGINALS = [(300, 200), (200, 300), (97, 401), (250, 250), (50, 40)]


def timm_view(image: Image.Image, size: tuple[int, int], crop_pct: float, **how: Any) -> np.ndarray:
    transform = create_transform((3, *size), crop_pct=crop_pct, normalize=False, **how)
    return transform(image).numpy().transpose(1, 2, 0)


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values)


MEAN_COLOUR = (124, 116, 104)  # of timm's default normalisation, in which it is 0 within rounding


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("original", [*ORIGINALS, (31, 700)])
@pytest.mark.parametrize("crop_pct", [1.0, 0.95, 0.875, 1.15])
@pytest.mark.parametrize("crop_mode", get_args(CropMode))
def test_the_models_geometry_is_timms(
    original: tuple[int, int], size: tuple[int, int], crop_pct: float, crop_mode: CropMode
) -> None:
    image = noise(original)
    fill = MEAN_COLOUR if crop_mode == "border" else (0, 0, 0)
    shown, _ = fit(image, size, "model", "bicubic", crop_pct, crop_mode=crop_mode, fill=fill)
    how = {"interpolation": "bicubic", "crop_mode": crop_mode}
    np.testing.assert_array_equal(np.asarray(shown), timm_view(image, size, crop_pct, **how))


# Padding is timm's "border" of the whole image.
TIMMS_NAME = {"squash": "squash", "model": "center", "pad": "border"}


def test_every_geometry_is_tried() -> None:
    assert TIMMS_NAME.keys() == set(get_args(Geometry))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("geometry", TIMMS_NAME)
def test_every_interpolation_is_timms(interpolation: str, geometry: Geometry) -> None:
    image = noise((150, 110))
    shown, box = fit(image, (96, 96), geometry, interpolation, 1.0, fill=MEAN_COLOUR)
    how = {"interpolation": interpolation, "crop_mode": TIMMS_NAME[geometry]}
    np.testing.assert_array_equal(np.asarray(shown), timm_view(image, (96, 96), 1.0, **how))
    if geometry == "squash":
        assert box == (0, 0, 150, 110)


def test_the_share_kept_is_rounded_as_timm_does_for_all_its_models() -> None:
    shares = set()
    for name in list_pretrained():
        config = get_pretrained_cfg(name)
        for size, share in (
            (config.input_size, config.crop_pct),
            (config.test_input_size, config.test_crop_pct),
        ):
            shares |= {(size[1], share)} if size and share else set()
    assert len(shares) > 80
    for side, share in shares:
        _, (x0, _, x1, _) = fit(noise((7, 7)), (side, side), "model", "nearest", share)
        # The box is side / resized of the image.
        assert round(side * 7 / (x1 - x0)) == math.floor(side / share)


def test_the_share_kept_gives_back_the_side_it_was_made_from() -> None:
    # 192 / (192 / 231) is 230.99999999999997: rounded down it would be 230.
    pairs = [(192, 231), (224, 232), (224, 256), (299, 342), (384, 450), (96, 118)]
    assert any(math.floor(crop / (crop / side)) != side for crop, side in pairs)
    for crop, side in pairs:
        _, (x0, y0, x1, y1) = fit(
            noise((side, side)), (crop, crop), "model", "nearest", crop / side
        )
        assert (x1 - x0, y1 - y0) == (crop, crop)  # resized to itself: a pixel is a pixel


@pytest.mark.parametrize(
    ("original", "size", "box"),
    [
        ((640, 480), (128, 128), (0, -80, 640, 560)),
        ((480, 640), (128, 128), (-80, 0, 560, 640)),
        ((300, 200), (64, 96), (0, 0, 300, 200)),  # the same aspect: no border
        # A height of 64 for 300 makes 42.7, rounded 43, of 96: 26 columns to the left, 27 right.
        ((200, 300), (64, 96), (-26 * 200 / 43, 0, 70 * 200 / 43, 300)),
        ((5, 1000), (50, 50), (-24 * 5, 0, 26 * 5, 1000)),  # a column, not none
    ],
)
def test_padding_keeps_the_aspect_and_says_how_far_it_reaches(
    original: tuple[int, int], size: tuple[int, int], box: tuple[float, ...]
) -> None:
    fill = (1, 2, 3)
    white = Image.new("RGB", original, (255, 255, 255))
    shown, found = fit(white, size, "pad", "bicubic", 0.5, fill=fill)  # crop_pct is of no account
    assert found == pytest.approx(box)
    x0, y0, x1, y1 = found
    columns = x0 + (np.arange(size[1]) + 0.5) * (x1 - x0) / size[1]
    rows = y0 + (np.arange(size[0]) + 0.5) * (y1 - y0) / size[0]
    inside = ((rows > 0) & (rows < original[1]))[:, None] & (columns > 0) & (columns < original[0])
    expected = np.where(inside[..., None], 255, np.array(fill))
    np.testing.assert_array_equal(np.asarray(shown), expected)


def test_rounding_is_timms_for_any_size() -> None:
    # These differ by a pixel if sides are multiplied by the scale instead of divided by the ratio.
    for original, size, crop_pct in [
        ((504, 630), (96, 128), 0.875),
        ((598, 104), (128, 96), 0.875),
        ((104, 182), (96, 128), 0.875),
    ]:
        image = noise(original)
        shown, _ = fit(image, size, "model", "nearest", crop_pct)
        expected = timm_view(image, size, crop_pct, interpolation="nearest")
        np.testing.assert_array_equal(np.asarray(shown), expected)


@pytest.mark.parametrize("geometry", TIMMS_NAME)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("original", [(640, 480), (333, 512)])
def test_a_point_is_seen_where_the_box_says(
    original: tuple[int, int], size: tuple[int, int], geometry: Geometry
) -> None:
    rng = np.random.default_rng(1)
    for _ in range(4):
        # Within the middle, which every geometry shows.
        x, y = (side * rng.uniform(0.4, 0.6) for side in original)
        columns, rows = (np.arange(side) + 0.5 for side in original)
        light = np.exp(-((columns[None] - x) ** 2 + (rows[:, None] - y) ** 2) / (2 * 12.0**2))
        grey = (255 * light).round().astype(np.uint8)
        image = Image.fromarray(np.dstack([grey] * 3))
        shown, (x0, y0, x1, y1) = fit(image, size, geometry, "bilinear", 0.875)
        seen = np.asarray(shown)[..., 0].astype(float)
        assert seen.shape == size
        centre_y = (seen.sum(1) @ (np.arange(size[0]) + 0.5)) / seen.sum()
        centre_x = (seen.sum(0) @ (np.arange(size[1]) + 0.5)) / seen.sum()
        # A tenth of a pixel of the input, which is a fraction of one of the original's.
        assert centre_x == pytest.approx((x - x0) / (x1 - x0) * size[1], abs=0.1)
        assert centre_y == pytest.approx((y - y0) / (y1 - y0) * size[0], abs=0.1)


# --- Order --------------------------------------------------------------------------------------


def some_images(counts: dict[str, int]) -> list[Listed]:
    return [Listed(f"{label}/{i}.png", label) for label, n in counts.items() for i in range(n)]


def test_every_prefix_is_as_balanced_as_it_can_be() -> None:
    counts = {"a": 30, "b": 7, "c": 12, "d": 1}
    order = balanced_order(some_images(counts), 3)
    assert sorted(order, key=lambda one: one.image_id) == sorted(
        some_images(counts), key=lambda one: one.image_id
    )
    for end in range(len(order) + 1):
        taken = Counter(one.label for one in order[:end])
        for label, n in counts.items():
            # No class lags behind another unless it has run out.
            assert taken[label] >= min(n, max(taken.values(), default=0) - 1)


def test_the_order_depends_on_names_and_seed_alone() -> None:
    images = some_images({"a": 20, "b": 20})
    order = balanced_order(images, 0)
    shuffled = images.copy()
    random.Random(0).shuffle(shuffled)
    assert balanced_order(shuffled, 0) == order
    other = balanced_order(images, 1)
    assert other != order
    assert [one.image_id for one in order] != sorted(one.image_id for one in order)
    # Another image takes its place and leaves all others in their order.
    grown = balanced_order([*images, Listed("a/new.png", "a")], 0)
    by_class = {label: [one for one in order if one.label == label] for label in "ab"}
    for label in "ab":
        kept = [one for one in grown if one.label == label and one.image_id != "a/new.png"]
        assert kept == by_class[label]


def test_the_order_is_this_one() -> None:
    # A change of the order is a change of every study: it must not happen by accident.
    order = balanced_order(some_images({"cat": 3, "dog": 3}), 0)
    assert [one.image_id for one in order] == [
        "dog/1.png", "cat/2.png", "dog/0.png", "cat/1.png", "dog/2.png", "cat/0.png"
    ]  # fmt: skip


# --- Sources ------------------------------------------------------------------------------------


def folder_source(path: Path, count: int | None = None) -> dict[str, Any]:
    return {"source": "folder", "path": str(path), "count": count}


@pytest.fixture
def by_class(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for label in ("cat", "dog"):
        for i in range(4):
            path = root / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(np.full((4, 5, 3), 10 * i, np.uint8)))
    (root / "cat" / "notes.txt").write_text("no image")
    (root / "cat" / ".hidden.png").write_text("no image")
    (root / ".cache").mkdir()
    (root / ".cache" / "0.png").write_text("no image")
    return root


def test_a_folder_by_class(by_class: Path) -> None:
    listed = list_source(folder_source(by_class), 0)
    assert sorted(one.image_id for one in listed) == [
        f"{label}/{i}.png" for label in ("cat", "dog") for i in range(4)
    ]
    for one in listed:
        assert one.label == one.image_id.partition("/")[0]
        assert one.path == by_class / one.image_id


def test_a_flat_folder_has_no_labels(by_class: Path) -> None:
    listed = list_source(folder_source(by_class / "cat"), 0)
    assert sorted((one.image_id, one.label) for one in listed) == [
        (f"{i}.png", "") for i in range(4)
    ]


def test_labels_are_the_topmost_subfolders(by_class: Path) -> None:
    inner = by_class / "dog" / "old"
    inner.mkdir()
    (inner / "x.JPEG").write_bytes(b"")
    found = {one.image_id: one.label for one in list_source(folder_source(by_class), 0)}
    assert found["dog/old/x.JPEG"] == "dog"


@pytest.mark.parametrize("extension", sorted(EXTENSIONS))
def test_every_extension_is_taken(tmp_path: Path, extension: str) -> None:
    (tmp_path / f"a{extension}").touch()
    (tmp_path / f"b{extension.upper()}").touch()
    assert len(list_source(folder_source(tmp_path), 0)) == 2


def test_a_count_takes_a_prefix(by_class: Path) -> None:
    whole = list_source(folder_source(by_class), 5)
    for count in (1, 3, 8):
        assert list_source(folder_source(by_class, count), 5) == whole[:count]


def test_too_large_a_count_is_refused(by_class: Path) -> None:
    with pytest.raises(SightlineError, match=r"count is 9, but folder .*images holds 8 images"):
        list_source(folder_source(by_class, 9), 0)


def test_what_is_no_folder_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SightlineError, match=r"images\.path: .*nowhere is not a folder"):
        list_source(folder_source(tmp_path / "nowhere"), 0)
    (tmp_path / "a.txt").touch()
    with pytest.raises(SightlineError, match=r"holds no image.*\.jpg"):
        list_source(folder_source(tmp_path), 0)


def test_photos_are_in_the_package_and_all_decode() -> None:
    listed = list_source({"source": "photos", "count": None}, 0)
    assert sorted(one.image_id for one in listed) == sorted(PHOTOS)
    package = Path(skimage.__file__).parent
    for one in listed:
        assert one.path is not None
        assert one.path.is_relative_to(package)
        image = decode(one.path.read_bytes(), one.image_id)
        assert min(image.size) >= 100
        assert np.asarray(image).std() > 5


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    pd.DataFrame(rows).to_csv(path, index=False)
    return {"source": "manifest", "path": str(path), "count": None}


def test_a_manifest_with_boxes_and_masks(by_class: Path, tmp_path: Path) -> None:
    mask = np.zeros((4, 5), np.uint8)
    mask[1:3, 2:5] = 255
    (by_class / "mask.png").write_bytes(png(mask))
    source = write_manifest(
        by_class / "list.csv",
        [
            {
                "id": "one",
                "path": "cat/0.png",
                "label": "cat",
                "x0": 0,
                "y0": 1,
                "x1": 2.5,
                "y1": 3,
            },
            {
                "id": "one",
                "path": "cat/0.png",
                "label": "cat",
                "object": "ball",
                "mask": "mask.png",
            },
            {"id": "two", "path": str(by_class / "dog" / "1.png"), "label": "dog"},
        ],
    )
    listed = list_source(source, 0)
    assert {one.image_id: one.label for one in listed} == {"one": "cat", "two": "dog"}
    make_shard(source, 0, "000000-000001", tmp_path / "shard.zip")
    with Shard(tmp_path / "shard.zip") as shard:
        assert [row.image_id for row in shard.images] == [one.image_id for one in listed]
        # The first box as given, the second the mask's tight box, and none for the other image.
        found = [(o.image_id, o.label, o.x0, o.y0, o.x1, o.y1) for o in shard.objects]
        assert found == [("one", "cat", 0, 1, 2.5, 3), ("one", "ball", 2, 1, 5, 3)]
        assert shard.mask(shard.objects[0]) is None
        np.testing.assert_array_equal(shard.mask(shard.objects[1]), mask > 0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((-2, 1, 3, 3), (0, 1, 3, 3)),
        ((1, -2, 3, 3), (1, 0, 3, 3)),
        ((1, 1, 9, 3), (1, 1, 5, 3)),
        ((1, 1, 3, 9), (1, 1, 3, 4)),
        ((-2, -2, 9, 9), (0, 0, 5, 4)),
    ],
)
def test_a_box_that_overhangs_is_clipped_to_the_image(
    by_class: Path, tmp_path: Path, given: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    edges = dict(zip(("x0", "y0", "x1", "y1"), given, strict=True))
    source = write_manifest(by_class / "list.csv", [{"path": "cat/0.png", "label": "cat"} | edges])
    make_shard(source, 0, "000000-000000", tmp_path / "shard.zip")
    with Shard(tmp_path / "shard.zip") as shard:
        (found,) = shard.objects
        mask = seen_masks(shard, shard.images, [(0.0, 0.0, 5.0, 4.0)], (4, 5))[0]
    assert (found.x0, found.y0, found.x1, found.y1) == kept
    expected = np.zeros((4, 5))
    expected[kept[1] : kept[3], kept[0] : kept[2]] = 1
    np.testing.assert_array_equal(mask, expected)


def test_links_to_other_folders_are_followed(by_class: Path) -> None:
    (by_class / "kitten").symlink_to(by_class / "cat")
    listed = list_source(folder_source(by_class), 0)
    assert Counter(one.label for one in listed) == {"cat": 4, "dog": 4, "kitten": 4}
    assert len({one.image_id for one in listed}) == 12


@pytest.mark.parametrize(
    "links",
    [
        {"cat/again": "cat"},
        {"all": "."},
        {"dog/deep/up": "dog"},
        {"cat/other": "dog", "dog/other": "cat"},
    ],
)
def test_a_loop_of_links_is_refused(by_class: Path, links: dict[str, str]) -> None:
    for link, target in links.items():
        (by_class / link).parent.mkdir(exist_ok=True)
        (by_class / link).symlink_to(by_class / target, target_is_directory=True)
    with pytest.raises(SightlineError, match=r"is a link to .* Remove the link"):
        list_source(folder_source(by_class), 0)


def test_a_link_to_itself_is_no_image(by_class: Path) -> None:
    (by_class / "cat" / "loop").symlink_to(by_class / "cat" / "loop")
    assert len(list_source(folder_source(by_class), 0)) == 8


def test_a_folder_that_cannot_be_read_is_named(
    by_class: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def closed(path: str) -> Any:
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(SightlineError, match=r"folder .*dog cannot be read: Permission denied"):
        list_source(folder_source(by_class), 0)


def test_paths_are_ids_where_none_is_given(by_class: Path) -> None:
    source = write_manifest(by_class / "list.csv", [{"path": "cat/0.png"}, {"path": "dog/3.png"}])
    assert {one.image_id for one in list_source(source, 0)} == {"cat/0.png", "dog/3.png"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,lable\na.png,cat\n",
            "has the columns lable, path. Expected path, and any of .*label",
        ),
        ("label\ncat\n", "has the columns label. Expected path"),
        ("", "Expected path"),
        ("path,label\n", "holds no row"),
        ("label,path\ncat\n", "row 2, has no path"),
        ("path\na.png\n\nb.png,cat\n", "row 3, has more cells than the header"),
        ("path,label\na.png,cat\na.png,dog\n", "'a.png' two paths or labels"),
        ("id,path\nx,a.png\nx,b.png\n", "'x' two paths or labels"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(SightlineError, match=message) as error:
        list_source({"source": "manifest", "path": str(tmp_path / "list.csv"), "count": None}, 0)
    assert f"images.path: the manifest {tmp_path / 'list.csv'}" in str(error.value)


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    source = {"source": "manifest", "path": str(tmp_path / "none.csv"), "count": None}
    with pytest.raises(SightlineError, match=r"none\.csv cannot be read"):
        list_source(source, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"x0": 1, "y0": 1, "x1": 1, "y1": 3}, "line 2: the box .* is empty"),
        ({"x0": 1, "y0": 1, "x1": 3}, "line 2: x0, y0, x1, y1 must be four numbers"),
        ({"x0": "left", "y0": 1, "x1": 3, "y1": 4}, "must be four numbers, got"),
        (
            {"x0": 5, "y0": 0, "x1": 9, "y1": 4, "object": "ball"},
            r"list\.csv, cat/0\.png, object 'ball': the box 5, 0, 9, 4 lies outside the image, "
            "which is 5 pixels wide and 4 high",
        ),
        ({"x0": 0, "y0": -3, "x1": 5, "y1": 0}, "lies outside the image"),
        ({"mask": "empty.png"}, "line 2: the mask is empty"),
        ({"mask": "none.png"}, r"none\.png cannot be read"),
        ({"mask": "large.png"}, "mask of cat/0.png is 9x9, its image 5x4"),
        ({"path": "cat/none.png"}, r"cat/none\.png cannot be read"),
        ({"path": "cat/notes.txt"}, r"cat/notes\.txt cannot be read"),
    ],
)
def test_wrong_objects_and_images_leave_nothing_behind(
    by_class: Path, tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    (by_class / "empty.png").write_bytes(png(np.zeros((4, 5), np.uint8)))
    (by_class / "large.png").write_bytes(png(np.full((9, 9), 255, np.uint8)))
    source = write_manifest(by_class / "list.csv", [{"path": "cat/0.png"} | row])
    output = tmp_path / "out" / "shard.zip"
    with pytest.raises(SightlineError, match=message):
        make_shard(source, 0, "000000-000000", output)
    assert not list(output.parent.glob("*"))


# --- Where objects are --------------------------------------------------------------------------


MASK = np.zeros((10, 12), bool)
MASK[2:4, 5:9] = True


@pytest.mark.parametrize("box", [(-2, -2, 5, 5), (8, -1, 14, 3), (-3, 6, 4, 13), (9, 7, 30, 30)])
def test_a_box_is_drawn_as_far_as_it_is_on_the_image(box: tuple[float, ...]) -> None:
    x0, y0, x1, y1 = box
    down, across = np.mgrid[:10, :12] + 0.5
    expected = (across > x0) & (across < x1) & (down > y0) & (down < y1)
    assert expected.any()
    np.testing.assert_array_equal(drawn([Region("", box, None)], (10, 12)), expected)


def test_a_box_outside_the_image_draws_nothing() -> None:
    for box in ((-9, 0, -1, 10), (0, -9, 12, -1), (12, 0, 20, 10), (0, 10, 12, 20)):
        assert not drawn([Region("", box, None)], (10, 12)).any()


def test_objects_are_drawn_by_their_masks_where_they_have_one() -> None:
    both, box, nowhere = (
        Region("", (4, 1, 10, 5), MASK),
        Region("", (0, 8, 2, 10), None),
        Region("", None, None),
    )
    boxes = np.zeros((10, 12), bool)
    boxes[1:5, 4:10] = True
    alone = np.zeros((10, 12), bool)
    alone[8:, :2] = True
    np.testing.assert_array_equal(drawn([both, box, nowhere], (10, 12)), MASK | alone)
    np.testing.assert_array_equal(drawn([both, box], (10, 12), boxed=True), boxes | alone)
    np.testing.assert_array_equal(drawn([Region("", None, MASK)], (10, 12), boxed=True), MASK)
    assert not drawn([], (10, 12)).any()


def test_a_mask_has_tight_bounds() -> None:
    assert mask_bounds(MASK) == (5, 2, 9, 4)
    assert mask_bounds(np.ones((10, 12), bool)) == (0, 0, 12, 10)
    assert mask_bounds(np.zeros((10, 12), bool)) is None


def test_a_shard_says_where_the_objects_of_an_image_are(tmp_path: Path) -> None:
    blank = png(np.zeros((10, 12, 3), np.uint8))
    objects = (("", None, MASK), ("dog", (0.0, 1.0, 2.0, 3.0), MASK), ("owl", None, None))
    write_shard(
        tmp_path / "s.zip",
        [Entry("a", "cat", blank, "a.png", objects), Entry("b", "", blank, "b.png", (objects[0],))],
    )
    with Shard(tmp_path / "s.zip") as shard:
        found = {row.image_id: shard.regions(row) for row in shard.images}
    # An object without a label is of its image's class, one without a box has its mask's.
    assert [(one.label, one.box, one.mask is None) for one in found["a"]] == [
        ("cat", (5, 2, 9, 4), False),
        ("dog", (0, 1, 2, 3), False),
        ("owl", None, True),
    ]
    assert [one.label for one in found["b"]] == [""]


# --- Shards -------------------------------------------------------------------------------------


def entries() -> Iterator[Entry]:
    mask = np.zeros((12, 20), bool)
    mask[3:5, 6:9] = True
    yield Entry("one, two", "cat", png(PICTURE), "one.PNG", (("cat", (6.0, 3.0, 9.0, 5.0), mask),))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(Image.fromarray(PICTURE), "jpeg", exif=exif)
    boxes = (("a", (0.0, 0.5, 3.25, 4.0), None), ("b", None, np.ones((20, 12), bool)))
    yield Entry('a "quoted"\nid', "", turned, "turned.jpg", boxes)
    yield Entry("Größe", "Ähre", png(PICTURE[:3]), "made by code", ())


def test_a_shard_gives_back_what_went_in(tmp_path: Path) -> None:
    path = tmp_path / "shard.zip"
    write_shard(path, entries())
    given = list(entries())
    with Shard(path) as shard:
        assert len(shard) == 3
        for entry, row in zip(given, shard.images, strict=True):
            assert (row.image_id, row.label) == (entry.image_id, entry.label)
            assert row.source == entry.source
            assert row.sha256 == hashlib.sha256(entry.data).hexdigest()
            image = shard.image(row)
            assert (row.width, row.height) == image.size
            np.testing.assert_array_equal(
                np.asarray(image),
                np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(entry.data)))),
            )
        assert [(row.width, row.height) for row in shard.images] == [(20, 12), (12, 20), (20, 3)]
        things = [(entry.image_id, *thing) for entry in given for thing in entry.objects]
        for (image_id, label, box, mask), row in zip(things, shard.objects, strict=True):
            assert (row.image_id, row.label) == (image_id, label)
            assert (row.x0, row.y0, row.x1, row.y1) == (box or (None,) * 4)
            found = shard.mask(row)
            assert (found is None) == (mask is None)
            if mask is not None:
                np.testing.assert_array_equal(found, mask)
    # Any tool opens it, and the files are what they were, byte for byte.
    with zipfile.ZipFile(path) as archive:
        for row, entry in zip(
            csv.DictReader(io.StringIO(archive.read("images.csv").decode())), given, strict=True
        ):
            assert archive.read(row["file"]) == entry.data


def test_the_same_images_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "other.zip"):
        write_shard(tmp_path / name, entries())
        make_shard(SHAPES, 0, "000002-000004", tmp_path / f"shapes-{name}")
    for prefix in ("", "shapes-"):
        one, other = (tmp_path / f"{prefix}{name}.zip" for name in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()
        # Written within one tick of the clock they would be equal with the time in them, too.
        with zipfile.ZipFile(one) as archive:
            assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_shard_holds_its_range_of_the_order(by_class: Path, tmp_path: Path) -> None:
    order = [one.image_id for one in list_source(folder_source(by_class), 7)]
    for count in (None, 6):  # of no account for what a range holds
        make_shard(folder_source(by_class, count), 7, "000002-000004", tmp_path / "shard.zip")
        with Shard(tmp_path / "shard.zip") as shard:
            assert [row.image_id for row in shard.images] == order[2:5]


def test_a_shard_of_shapes_holds_their_truth(shard: Path) -> None:
    with Shard(shard) as opened:
        for index, (row, thing) in enumerate(zip(opened.images, opened.objects, strict=True)):
            scene = render(index, seed=0, split="held-out")
            assert (row.image_id, row.label) == (f"held-out/{index:06d}", scene.label)
            np.testing.assert_array_equal(np.asarray(opened.image(row)), scene.image)
            np.testing.assert_array_equal(opened.mask(thing), scene.objects[0].mask)
            assert (thing.x0, thing.y0, thing.x1, thing.y1) == scene.objects[0].box


def test_the_seed_decides_the_shapes(tmp_path: Path) -> None:
    source = SHAPES | {"count": 2}
    one, other = (
        [entry.data for entry in read_entries(source, list_source(source, seed), seed)]
        for seed in (0, 1)
    )
    assert not set(one) & set(other)


def test_damage_to_a_shard_is_found(shard: Path, tmp_path: Path) -> None:
    def everything(path: Path) -> list[Any]:
        with Shard(path) as opened:
            return [
                opened.images,
                opened.objects,
                *(np.asarray(opened.image(row)).tobytes() for row in opened.images),
                *(np.asarray(opened.mask(row)).tobytes() for row in opened.objects),
            ]

    data, path = shard.read_bytes(), tmp_path / "damaged.zip"
    whole = everything(shard)
    refused: list[str] = []
    # The directory at the end is where a flipped bit has the oddest effects.
    places = random.Random(0).sample(range(len(data)), 60)
    places += range(len(data) - 1500, len(data), 11)
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 0x81
        path.write_bytes(damaged)
        try:
            assert everything(path) == whole  # a date or a comment: nothing that is read
        except SightlineError as error:
            refused.append(str(error))
    assert len(refused) > 0.7 * len(places)
    assert all("damaged.zip" in one and "Delete it and run again" in one for one in refused)
    for share in (0, 0.3, 0.99):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(SightlineError, match=r"damaged\.zip is no complete image shard"):
            Shard(path)
    with pytest.raises(SightlineError, match=r"none\.zip cannot be read: No such file"):
        Shard(tmp_path / "none.zip")


def test_a_mask_of_another_size_leaves_nothing_behind(tmp_path: Path) -> None:
    def wrong() -> Iterator[Entry]:
        yield from entries()
        yield Entry("odd", "", png(PICTURE), "odd.png", (("cat", None, np.ones((20, 12), bool)),))

    with pytest.raises(SightlineError, match="mask of odd is 12x20, its image 20x12"):
        write_shard(tmp_path / "shard.zip", wrong())
    assert not list(tmp_path.iterdir())


def test_an_interrupted_shard_leaves_the_former_one(tmp_path: Path) -> None:
    def broken() -> Iterator[Entry]:
        yield from entries()
        raise KeyboardInterrupt

    path = tmp_path / "shard.zip"
    write_shard(path, entries())
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_shard(path, broken())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_each_shard_is_written_to_the_tables_before_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    class Many(AbstractContextManager[Any]):
        """A shard of a thousand images and objects."""

        def __init__(self, path: Path) -> None:
            written.append([one.stat().st_size for one in sorted(tmp_path.glob(".*.csv"))])
            names = [f"{path.stem}/{i:06d}" for i in range(1000)]
            self.images = [ImageRow(one, "tent", 9, 9, "0" * 64, "a.png", one) for one in names]
            self.objects = [ObjectRow(one, "tent", 1, 2, 3, 4) for one in names]

        def __exit__(self, *_exc: object) -> None:
            pass

    monkeypatch.setattr("sightline.jobs.images.Shard", Many)
    shards = [Path(f"{i}.zip") for i in range(4)]
    make_manifest(shards, tmp_path / "images.csv", tmp_path / "objects.csv")
    for sizes in zip(*written, strict=True):
        assert all(later > earlier + 20_000 for earlier, later in pairwise(sizes))
    tables = [pd.read_csv(tmp_path / name) for name in ("images.csv", "objects.csv")]
    assert tables[0]["position"].tolist() == list(range(4000))
    assert [table["shard"].nunique() for table in tables] == [4, 4]


def test_the_tables_of_a_study_hold_every_image_and_object(tmp_path: Path) -> None:
    shards = [tmp_path / "000000-000001.zip", tmp_path / "000002-000004.zip"]
    for path in shards:
        make_shard(SHAPES | {"objects": 2}, 0, path.stem, path)
    make_manifest(shards, tmp_path / "images.csv", tmp_path / "objects.csv")
    images, objects = pd.read_csv(tmp_path / "images.csv"), pd.read_csv(tmp_path / "objects.csv")
    assert images["position"].tolist() == list(range(5))
    assert images["image_id"].tolist() == [f"held-out/{i:06d}" for i in range(5)]
    assert images["shard"].tolist() == [shards[0].name] * 2 + [shards[1].name] * 3
    assert objects.groupby("image_id").size().tolist() == [2] * 5
    for i, group in enumerate(objects.groupby("image_id")):
        scene = render(i, objects=2)
        assert group[1][["x0", "y0", "x1", "y1"]].to_numpy().tolist() == [
            list(thing.box) for thing in scene.objects
        ]
        assert group[1]["label"].tolist() == [thing.label for thing in scene.objects]
