"""Artefacts of maps: planted ones are found, natural maps are not flagged."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from skimage import data

from mapfiles import write_maps
from sightline.compare.artefacts.border import BAND, border_share, corner_share, peaks
from sightline.compare.artefacts.grid import GridIndex, grid_index
from sightline.compare.artefacts.models import find_artefacts
from sightline.compare.artefacts.periods import all_periods, lattice_periods
from sightline.compare.artefacts.phases import draw_shifts, locked_spectrum, mean_shifted, phases
from sightline.compare.artefacts.profiles import Profiles, read_profiles, unit_magnitudes
from sightline.compare.artefacts.table import artefact_table
from sightline.errors import SightlineError
from sightline.jobs.figures.artefacts import draw_artefacts
from sightline.jobs.merging.artefacts import find_method_artefacts, model_periods
from sightline.maps.series import MapSeries

SIDE, IMAGES, PERMUTATIONS = 64, 32, 199
NATURAL = ("periodic", "open", "centred", "photographs")


def noise(
    rng: np.random.Generator, count: int, side: int = SIDE, *, periodic: bool = False
) -> np.ndarray:
    """Maps whose spectrum falls with the frequency, as those of photographs do."""
    size = side if periodic else 2 * side
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(count, size, size))) / frequency
    return np.fft.irfft2(spectrum, s=(size, size))[:, :side, :side]


def photographs(rng: np.random.Generator, count: int, side: int = SIDE) -> np.ndarray:
    """Luminance of parts of photographs, none of them twice from one place."""
    whole = [pixels().mean(axis=2) for pixels in (data.astronaut, data.chelsea, data.coffee)]
    parts = []
    for _ in range(count):
        one = whole[rng.integers(len(whole))]
        top, left = (rng.integers(length - side) for length in one.shape)
        parts.append(one[top : top + side, left : left + side])
    return np.stack(parts) + rng.random((count, side, side)) * 1e-3


def natural(kind: str, rng: np.random.Generator, count: int = IMAGES) -> np.ndarray:
    if kind == "photographs":
        return photographs(rng, count)
    maps = noise(rng, count, periodic=kind == "periodic")
    if kind == "centred":
        place = np.linspace(-1, 1, SIDE)
        maps = np.abs(maps) * np.exp(-2 * (place[:, None] ** 2 + place**2))
    return maps


def with_grid(maps: np.ndarray, period: int, strength: float) -> np.ndarray:
    """Every second half of a period brighter, by a share of each map's mean magnitude."""
    maps = np.abs(maps)
    bright = (np.arange(maps.shape[1]) % period < period // 2) * 1.0
    return maps + strength * maps.mean(axis=(1, 2), keepdims=True) * (bright[:, None] + bright)


def index_of(maps: np.ndarray, periods: list[tuple[int, int]], seed: int = 0) -> GridIndex:
    found = unit_magnitudes(maps)
    shifts = draw_shifts(len(maps), PERMUTATIONS, seed)
    return grid_index(found.sum(axis=2), found.sum(axis=1), periods, shifts)


def profiles_of(maps: np.ndarray) -> Profiles:
    found = unit_magnitudes(maps)
    peak, tied = peaks(found, np.random.default_rng(0))
    rows = np.arange(len(maps))
    return Profiles(
        found.sum(axis=2), found.sum(axis=1), peak, tied, rows, len(maps), maps.shape[1:]
    )


# --- The grid -----------------------------------------------------------------------------------


def test_locked_spectrum_is_the_phase_locking_value_of_plain_loops() -> None:
    profiles = np.random.default_rng(1).normal(size=(5, 12))
    for k, found in enumerate(locked_spectrum(profiles)):
        turns = np.exp(-2j * np.pi * k * np.arange(12) / 12)
        sums = [sum(profile * turns) for profile in profiles]
        expected = abs(sum(one / abs(one) for one in sums) / 5) ** 2 if k else 0
        assert found == pytest.approx(expected, abs=1e-6)


def test_shifted_means_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(2)
    profiles = phases(rng.normal(size=(6, 10)))
    shifts = rng.random((4, 6))
    found = mean_shifted(profiles, shifts)
    for row, shift in zip(found, shifts, strict=True):
        moved = [np.roll(one, -int(part * 10)) for one, part in zip(profiles, shift, strict=True)]
        np.testing.assert_allclose(row, np.mean(moved, axis=0), atol=1e-6)


def test_index_is_the_ratio_of_plain_loops() -> None:
    maps = np.random.default_rng(3).random((7, 48, 48))
    found = unit_magnitudes(maps)
    lattice, beside = [], []
    for axis in (2, 1):
        power = locked_spectrum(found.sum(axis=axis))
        for harmonic in (6, 12, 18):
            lattice.append(power[harmonic])
            ring = [power[harmonic + step] for step in (-3, -2, 2, 3)]
            beside.append(np.exp(np.mean(np.log(ring))))
    assert index_of(maps, [(8, 8)]).index == pytest.approx(sum(lattice) / sum(beside), rel=1e-4)


@pytest.mark.parametrize("period", [2, 4, 8, 16])
@pytest.mark.parametrize("kind", ["open", "centred", "photographs"])
def test_planted_grid_is_found_and_its_period_is_right(kind: str, period: int) -> None:
    maps = natural(kind, np.random.default_rng(4))
    found = index_of(with_grid(maps, period, 0.4), all_periods((SIDE, SIDE)))
    assert found.period == (period, period)
    assert found.p <= 0.02
    assert found.index > 4 * found.reference


def test_weak_grid_of_a_known_period_is_found_in_nearly_all_studies() -> None:
    found = [
        index_of(with_grid(natural("open", np.random.default_rng(seed)), 8, 0.1), [(8, 8)], seed)
        for seed in range(20)
    ]
    assert np.mean([one.p <= 0.05 for one in found]) >= 0.9
    assert np.median([one.contrast for one in found]) == pytest.approx(0.1, abs=0.05)


def test_index_grows_with_the_grid() -> None:
    maps = natural("open", np.random.default_rng(5))
    indices = [index_of(with_grid(maps, 8, s), [(8, 8)]).index for s in (0, 0.1, 0.3)]
    assert indices == sorted(indices)


@pytest.mark.parametrize("kind", NATURAL)
def test_natural_maps_are_found_no_more_often_than_the_level(kind: str) -> None:
    studies, level = 120, 0.05
    rng = np.random.default_rng(6)
    known, tried = [], []
    for study in range(studies):
        maps = natural(kind, rng, 24)
        known.append(index_of(maps, [(8, 8)], study).p)
        tried.append(index_of(maps, all_periods((SIDE, SIDE)), study).p)
    # What a test at its level exceeds in one study of a thousand.
    most = binom.ppf(0.999, studies, level)
    assert (np.array(known) <= level).sum() <= most
    assert (np.array(tried) <= level).sum() <= most
    if kind == "periodic":
        # Here the shifts are exactly what is true: half of the studies are below 1/2.
        low, high = binom.ppf([0.001, 0.999], studies, 0.5)
        assert low <= (np.array(known) <= 0.5).sum() <= high


def test_maps_of_one_image_say_nothing_of_a_lattice() -> None:
    maps = with_grid(natural("open", np.random.default_rng(7), 1), 8, 1.0)
    assert index_of(maps, [(8, 8)]).p == 1


def test_periods_come_from_the_positions_of_layers() -> None:
    assert lattice_periods((224, 224), [(14, 14)], (224, 224)) == [(16, 16)]
    assert lattice_periods((224, 224), [(14, 14)], (28, 28)) == [(2, 2)]
    strides = [(112, 112), (56, 56), (7, 7), (1, 1)]
    assert lattice_periods((224, 224), strides, (224, 224)) == [(2, 2), (4, 4), (32, 32)]
    assert lattice_periods((96, 64), [(6, 4)], (96, 64)) == [(16, 16)]
    # 13 x 8 = 104: padded; and maps of a position a patch.
    assert lattice_periods((100, 100), [(13, 13)], (100, 100)) == []
    assert lattice_periods((224, 224), [(14, 14)], (14, 14)) == []
    assert all_periods((7, 9)) == [(2, 2), (3, 3)]
    assert all_periods((3, 3)) == []


def test_shipped_layers_say_the_patches_of_a_transformer_and_the_strides_of_a_cnn() -> None:
    folder = Path(__file__).parent.parent / "resources" / "layers"
    assert model_periods(folder / "test_vit.json", (96, 96)) == [(16, 16)]
    assert model_periods(folder / "test_vit.json", (6, 6)) == []
    strides = model_periods(folder / "test_resnet.json", (96, 96))
    assert (16, 16) in strides
    assert len(strides) > 1


# --- Borders and corners ------------------------------------------------------------------------


def test_ties_are_drawn_from_all_positions_alike() -> None:
    maps = np.zeros((4000, 3, 4))
    maps[:, 1, 2] = maps[:, 2, 0] = 1
    maps[0] = 0
    maps[0, 2, 3] = 1
    place, tied = peaks(maps, np.random.default_rng(8))
    assert place[0].tolist() == [2, 3]
    assert tied.tolist() == [False] + [True] * 3999
    first = (place[1:] == (1, 2)).all(axis=1)
    assert ((place[1:] == (2, 0)).all(axis=1) | first).all()
    low, high = binom.ppf([0.001, 0.999], 3999, 0.5)
    assert low <= first.sum() <= high


def test_shares_are_counted_as_by_hand() -> None:
    peak = np.array([[0, 0], [6, 6], [6, 5], [3, 3], [1, 1], [6, 6]])
    border = border_share(peak, (7, 7))
    assert border.share == pytest.approx(4 / 6)
    assert border.reference == pytest.approx(24 / 49)
    assert border.excess == pytest.approx((4 / 6 - 24 / 49) / (25 / 49))
    assert border.p == pytest.approx(binom.sf(3, 6, 24 / 49))
    corner = corner_share(peak, (7, 7))
    assert corner.corner == "bottom right"
    assert corner.share == pytest.approx(2 / 6)
    assert corner.reference == pytest.approx(1 / 49)


def test_border_reference_is_that_of_random_circular_shifts() -> None:
    """The binomial is the permutation distribution, by permuting."""
    rng = np.random.default_rng(9)
    maps = noise(rng, 40, 14)
    border = border_share(peaks(maps, rng)[0], (14, 14))
    counts = []
    for _ in range(1000):
        shifts = rng.integers(0, 14, (40, 2))
        moved = [np.roll(one, tuple(by), (0, 1)) for one, by in zip(maps, shifts, strict=True)]
        counts.append(border_share(peaks(np.stack(moved), rng)[0], (14, 14)).share * 40)
    assert np.mean(counts) == pytest.approx(40 * border.reference, abs=0.35)
    p = np.mean(np.array(counts) >= border.share * 40 - 1e-9)
    assert p == pytest.approx(border.p, abs=4 * np.sqrt(0.25 / 1000))


def test_corner_reference_is_that_of_random_flips() -> None:
    rng = np.random.default_rng(10)
    corners = np.repeat([0, 1, 2, 3], [9, 3, 2, 2])
    peak = np.stack([corners // 2, corners % 2], axis=1) * 6
    found = corner_share(np.concatenate([peak, [[3, 3]] * 5]), (7, 7))
    flipped = peak[None] ^ rng.integers(0, 2, (20000, *peak.shape)) * 6
    numbers = (flipped // 6) @ [2, 1]
    most = np.stack([(numbers == corner).sum(axis=1) for corner in range(4)]).max(axis=0)
    # Bonferroni's bound is a little above, by the chance that two corners have as many.
    assert (most >= 9).mean() == pytest.approx(found.p, abs=0.01)
    assert found.corner == "top left"


def test_planted_corner_and_border_are_flagged_and_the_corner_named() -> None:
    rng = np.random.default_rng(11)
    maps = {name: np.abs(noise(rng, 60, 7)) for name in ("plain", "corner", "border")}
    place = np.linspace(-1, 1, 7)
    maps["centre"] = maps["plain"] * np.exp(-2 * (place[:, None] ** 2 + place**2))
    maps["corner"][:50, 0, 6] = 2 * maps["corner"].max()
    edge = rng.integers(0, 7, 60)
    maps["border"][np.arange(60), edge, np.where(rng.random(60) < 0.5, 0, 6)] = 99
    shifts = draw_shifts(60, 99, 0)
    found = {name: find_artefacts(profiles_of(one), [], shifts) for name, one in maps.items()}
    table = artefact_table(found, "m").set_index(["model", "artefact"])
    flagged = table.index[table["flagged"].eq(True)].tolist()
    assert flagged == [("corner", "border"), ("corner", "corner"), ("border", "border")]
    assert table.loc[("corner", "corner"), "corner"] == "top right"
    assert table.loc[("corner", "corner"), "value"] >= 50 / 60
    assert table["flagged"].loc[:, "grid"].isna().all()
    assert table["reason"].loc[:, "grid"].str.startswith("not applicable: maps of 7x7").all()


@pytest.mark.parametrize("side", [7, 14, 64])
@pytest.mark.parametrize("kind", ["periodic", "photographs"])
def test_natural_maps_are_flagged_for_no_border_or_corner(kind: str, side: int) -> None:
    rng = np.random.default_rng(12)
    shifts = draw_shifts(100, 19, 0)
    maps = [
        noise(rng, 100, side, periodic=True) if kind == "periodic" else photographs(rng, 100, side)
        for _ in range(20)
    ]
    found = {str(i): find_artefacts(profiles_of(one), [], shifts) for i, one in enumerate(maps)}
    table = artefact_table(found, "m")
    assert not table["flagged"].eq(True).any()
    if kind == "periodic":
        # Of periodic maps the shifts are exactly what is true.
        p = table.loc[table["artefact"] == "border", "p"]
        assert (p <= 0.05).sum() <= binom.ppf(0.999, 20, 0.05)


def test_band_is_a_position_of_coarse_maps() -> None:
    for side, positions in ((7, 1), (14, 1), (224, 16), (3, 1)):
        area = border_share(np.zeros((1, 2), int), (side, side)).reference
        assert area == pytest.approx(1 - (1 - 2 * positions / side) ** 2)
    assert BAND == 1 / 14


# --- All models of a method ---------------------------------------------------------------------


def test_grids_are_corrected_over_models_without_more_shifts() -> None:
    """Of 40 models without a grid, one or more is flagged in a twentieth of the studies."""
    rng = np.random.default_rng(13)
    studies, flagged = 40, 0
    for study in range(studies):
        shifts = draw_shifts(12, 99, study)
        found = {
            str(model): find_artefacts(profiles_of(noise(rng, 12, 32)), [(8, 8)], shifts)
            for model in range(20)
        }
        table = artefact_table(found, "m")
        grid = table[table["artefact"] == "grid"]
        assert (grid["p_corrected"] >= grid["p"]).all()
        flagged += bool((grid["p_corrected"] <= 0.05).any())
    assert flagged <= binom.ppf(0.999, studies, 0.05)


def test_what_so_few_images_cannot_show_is_said_so() -> None:
    rng = np.random.default_rng(17)
    tables = {
        count: artefact_table(
            {
                str(model): find_artefacts(
                    profiles_of(noise(rng, count, 7)), [], draw_shifts(count, 19, 0)
                )
                for model in range(6)
            },
            "m",
        ).set_index(["artefact", "model"])
        for count in (4, 8)
    }
    for count, table in tables.items():
        # 6 models: 6 times the smallest p, 4 / 4^count or a border's share to the count.
        for artefact, smallest in (("corner", 4 / 4**count), ("border", (24 / 49) ** count)):
            own = table.loc[artefact]
            assert own["smallest_p"].to_numpy() == pytest.approx(smallest)
            undecided = own["reason"] == "cannot be decided by so few images"
            assert (undecided == (6 * smallest > 0.05)).all()
            assert (own["flagged"].isna() == undecided).all()


@pytest.fixture
def study(tmp_path: Path) -> dict[str, list[Path]]:
    """Three models over two ranges; one has a grid, one a map that is zero."""
    rng = np.random.default_rng(14)
    files: dict[str, list[Path]] = {}
    for model in ("plain", "patches", "NA"):
        maps = noise(rng, 30, 48).astype(np.float32) * 1e-4
        if model == "patches":
            maps = with_grid(maps, 8, 0.5)
        if model == "NA":
            maps[3] = 0
        ids = [f"{i}.png" for i in range(30)]
        files[model] = [
            write_maps(tmp_path / model / "a.h5", maps[:20], image_ids=ids[:20]),
            write_maps(tmp_path / model / "b.h5", maps[20:], image_ids=ids[20:]),
        ]
    return files


def run(study: dict[str, list[Path]], folder: Path, **layers: Path) -> pd.DataFrame:
    find_method_artefacts(
        "gradient", study, layers, folder / "t.csv", folder / "m.h5", role="predicted", seed=3
    )
    return pd.read_csv(folder / "t.csv", keep_default_na=False, na_values=[""])


def test_job_finds_the_model_with_the_grid(study: dict[str, list[Path]], tmp_path: Path) -> None:
    layers = tmp_path / "layers.json"
    maps = [{"height": 12, "width": 12}, {"height": 6, "width": 6}]
    layers.write_text(json.dumps({"size": [48, 48], "layers": [{"maps": maps}]}))
    for known in ({}, {"patches": layers}):
        table = run(study, tmp_path, **known).set_index(["model", "artefact"])
        assert len(table) == 9
        assert table.index[table["flagged"].astype(str) == "True"].tolist() == [("patches", "grid")]
        assert table.loc[("patches", "grid"), "period"] == 8
        assert table.loc[("NA", "grid"), ["images", "left_out"]].tolist() == [29, 1]
        assert (table["method"] == "gradient").all()
    with h5py.File(tmp_path / "m.h5") as file:
        assert set(file) == {"plain", "patches", "NA"}
        assert file["patches"].attrs["place"] == 0
        maps = np.concatenate([MapSeries([path]).read(0, 99) for path in study["plain"]])
        expected = (np.abs(maps) / np.linalg.norm(maps, axis=(1, 2))[:, None, None]).mean(axis=0)
        np.testing.assert_allclose(file["plain/mean"], expected, rtol=1e-4)
    draw_artefacts(tmp_path / "t.csv", tmp_path / "m.h5", tmp_path / "f.svg", palette="viridis")
    drawn = (tmp_path / "f.svg").read_text()
    assert "grid, period 8" in drawn
    assert "NA" in drawn


def test_only_maps_of_the_role_are_read(tmp_path: Path) -> None:
    maps = np.random.default_rng(15).random((4, 8, 8))
    files = [
        write_maps(tmp_path / "a.h5", maps),
        write_maps(tmp_path / "b.h5", maps, role="label"),
    ]
    found = read_profiles(MapSeries(files), "label", 0)
    assert found.asked == 4
    assert found.row.tolist() == [0, 1, 2, 3]


def test_model_whose_maps_are_all_zero_is_said_so(tmp_path: Path) -> None:
    files = {
        "zero": [write_maps(tmp_path / "z.h5", np.zeros((5, 16, 16)))],
        "one": [write_maps(tmp_path / "o.h5", np.random.default_rng(16).random((5, 16, 16)))],
    }
    table = run(files, tmp_path).set_index(["model", "artefact"])
    assert (table.loc["zero", "reason"] == "no map is ok").all()
    assert table.loc["zero", "flagged"].isna().all()
    assert table.loc[("one", "grid"), "reason"] != "no map is ok"
    draw_artefacts(tmp_path / "t.csv", tmp_path / "m.h5", tmp_path / "f.svg", palette="viridis")


def test_models_of_different_images_are_refused(
    study: dict[str, list[Path]], tmp_path: Path
) -> None:
    study["plain"] = study["plain"][:1]
    with pytest.raises(SightlineError, match="patches under gradient are of 30 images"):
        run(study, tmp_path)
