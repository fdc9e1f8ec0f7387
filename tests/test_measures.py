"""Measures of how alike two maps are: what the catalogue says of each, and each against another
implementation, pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr, wasserstein_distance_nd
from skimage.metrics import structural_similarity
from sklearn.metrics import cohen_kappa_score
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel

from mapfiles import WHOLE, write_maps
from sightline.compare import engine
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.catalogue import MEASURES, Measure
from sightline.compare.measures import kappa, ranks, ssim
from sightline.compare.measures.protocol import ResolvedMeasure, resolve
from sightline.compare.statistics import Statistics
from sightline.compare.tables import merge
from sightline.errors import SightlineError
from sightline.maps.align import resample

SIDE, IMAGES, MODELS = 24, 2, 3
RNG = np.random.default_rng(0)
# Each measure with every kind of settings that it has.
SPECS: list[dict[str, Any]] = [
    {"measure": "cosine"},
    {"measure": "pearson"},
    {"measure": "spearman"},
    {"measure": "rbf", "sigma": 300.0},
    {"measure": "rbf", "sigma": "median"},
    {"measure": "ssim", "data_range": 4.0},
    {"measure": "ssim", "window": 7},
    {"measure": "iou"},
    {"measure": "iou", "top": 3.0},
    {"measure": "kappa"},
    {"measure": "kappa", "cuts": [-0.5, 0.5, 1.0]},
    {"measure": "kappa", "top": 10.0},
    {"measure": "emd"},
    {"measure": "emd", "size": 5, "mass": "magnitude"},
]


def named(spec: dict[str, Any]) -> str:
    return "-".join(map(str, spec.values()))


each_spec = pytest.mark.parametrize("spec", SPECS, ids=named)
each_measure = pytest.mark.parametrize("entry", MEASURES.values(), ids=MEASURES)


def signed_maps(seed: int = 0, side: int = SIDE) -> np.ndarray:
    """Maps of either sign that share a part, (images, models, side, side)."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(IMAGES, 1, side, side))
    return (shared + rng.normal(size=(IMAGES, MODELS, side, side))).astype(np.float32)


def similarities(
    measure: ResolvedMeasure, one: np.ndarray, other: np.ndarray | None = None
) -> np.ndarray:
    """Similarities (images, a, b) of maps (images, a, h, w) and others, or among themselves."""
    functions, settings = measure.functions, measure.settings
    first = functions.prepare(one, settings)
    second = first if other is None else functions.prepare(other, settings)
    values = functions.between(first, second, settings)
    if measure.entry.counts:
        pixels = np.full(values.shape[:3], np.prod(one.shape[2:]))
        above = kappa.above(first)[:, :, None], kappa.above(second)[:, None, :]
        return kappa.kappa(kappa.confusion(values, *above, pixels))
    finish = getattr(functions, "finish", None)
    return values if finish is None else finish(values, settings, 9e4)


def of_pair(measure: ResolvedMeasure, one: np.ndarray, other: np.ndarray) -> float:
    return float(similarities(measure, one[None, None], other[None, None])[0, 0, 0])


# --- Each against another implementation --------------------------------------------------------


def cells(size: int, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and mass of a grid's cells: each pixel is cut in size x size, shared out."""
    fine = np.kron(mass, np.ones((size, size)))
    step = len(mass)
    heap = [[fine[r * step :][:step, c * step :][:, :step].sum() for c in range(size)]
            for r in range(size)]  # fmt: skip
    return np.argwhere(np.ones((size, size))), np.ravel(heap)


def by_scipy_emd(one: np.ndarray, other: np.ndarray, settings: Any) -> float:
    heaps = [np.abs(m) if settings.mass == "magnitude" else np.where(m > 0, m, 0)
             for m in (one.astype(float), other.astype(float))]  # fmt: skip
    (places, first), (_, second) = (cells(settings.size, heap) for heap in heaps)
    distance = wasserstein_distance_nd(places, places, first, second)
    return 1 - distance / ((settings.size - 1) * 2**0.5)


def by_sets(one: np.ndarray, other: np.ndarray, settings: Any) -> float:
    first, second = (set(top(m, settings.top)) for m in (one, other))
    return len(first & second) / len(first | second)


def top(m: np.ndarray, percent: float) -> np.ndarray:
    return np.argsort(-m.ravel())[: round(m.size * percent / 100)]


def by_sklearn_kappa(one: np.ndarray, other: np.ndarray, settings: Any) -> float:
    def labels(m: np.ndarray) -> np.ndarray:
        if settings.top is None:
            return np.digitize(m.ravel(), settings.cuts, right=True)
        found = np.zeros(m.size, int)
        found[top(m, settings.top)] = 1
        return found

    return float(cohen_kappa_score(labels(one), labels(other)))


def by_skimage(one: np.ndarray, other: np.ndarray, settings: Any) -> float:
    gaussian = settings.window == "gaussian"
    how = {"gaussian_weights": True, "sigma": 1.5} if gaussian else {"win_size": settings.window}
    pair = (m.astype(np.float64) for m in (one, other))
    return structural_similarity(
        *pair, data_range=settings.data_range, use_sample_covariance=False, **how
    )


def by_sklearn_rbf(one: np.ndarray, other: np.ndarray, settings: Any) -> float:
    per_reference = 224 * 224 / one.size
    squared = 9e4 if settings.sigma == "median" else settings.sigma**2
    rows = (m.reshape(1, -1).astype(np.float64) for m in (one, other))
    return float(rbf_kernel(*rows, gamma=per_reference / (2 * squared))[0, 0])


REFERENCES: dict[str, Callable[[np.ndarray, np.ndarray, Any], float]] = {
    "cosine": lambda *pair: cosine_similarity(*(m.reshape(1, -1) for m in pair[:2]))[0, 0],
    "pearson": lambda one, other, _: pearsonr(one.ravel(), other.ravel()).statistic,
    "spearman": lambda one, other, _: spearmanr(one.ravel(), other.ravel()).statistic,
    "rbf": by_sklearn_rbf,
    "ssim": by_skimage,
    "iou": by_sets,
    "kappa": by_sklearn_kappa,
    "emd": by_scipy_emd,
}  # fmt: skip


def test_every_measure_is_tried_and_has_another_implementation() -> None:
    assert {spec["measure"] for spec in SPECS} == MEASURES.keys() == REFERENCES.keys()


@each_spec
def test_a_measure_is_what_another_implementation_finds(spec: dict[str, Any]) -> None:
    measure = resolve(spec)
    maps, others = signed_maps(), signed_maps(1)
    among, between = similarities(measure, maps), similarities(measure, maps, others)
    reference = REFERENCES[measure.entry.name]
    for image in range(IMAGES):
        for a, b in ((0, 1), (2, 0)):
            expected = reference(maps[image, a], maps[image, b], measure.settings)
            assert among[image, a, b] == pytest.approx(expected, abs=1e-5)
            expected = reference(maps[image, a], others[image, b], measure.settings)
            assert between[image, a, b] == pytest.approx(expected, abs=1e-5)
    assert among[:, 0, 1].std() > 1e-4  # of two images two values


# --- What the catalogue declares ----------------------------------------------------------------


@each_spec
def test_bounds_symmetry_and_a_map_with_itself(spec: dict[str, Any]) -> None:
    measure = resolve(spec)
    entry, maps = measure.entry, signed_maps()
    # Opposites, and maps that have nothing in common, come nearest to the lower bound.
    alone = np.zeros((IMAGES, 2, SIDE, SIDE), np.float32)
    alone[:, 0, 0, 0] = alone[:, 1, -1, -1] = 1.0
    maps = np.concatenate([maps, -maps[:, :1], alone], axis=1)
    found = similarities(measure, maps)
    low, high = entry.bounds
    assert (found >= low).all()
    assert (found <= high).all()
    assert np.diagonal(found, axis1=1, axis2=2) == pytest.approx(high, abs=1e-6)
    assert entry.symmetric
    # Turned round, by the path that two groups of models take.
    turned = similarities(measure, maps.copy(), maps).transpose(0, 2, 1)
    np.testing.assert_allclose(found, turned, atol=1e-6)
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), atol=1e-6)


REACHED = {"cosine": -1, "pearson": -1, "spearman": -1, "rbf": 0, "iou": 0, "emd": 0}


@pytest.mark.parametrize("name", REACHED)
def test_the_lower_bound_is_reached(name: str) -> None:
    maps = signed_maps()[0, 0] * 100
    opposite = -maps
    if name == "emd":
        maps, opposite = np.zeros((2, SIDE, SIDE), np.float32)
        maps[0, 0] = opposite[-1, -1] = 1
    value = of_pair(resolve({"measure": name}), maps, opposite)
    assert value == pytest.approx(MEASURES[name].bounds[0], abs=1e-6)


@each_measure
def test_a_constant_map_gives_what_is_declared(entry: Measure) -> None:
    measure = resolve({"measure": entry.name})
    constant = np.full((SIDE, SIDE), 0.7, np.float32)
    other = signed_maps()[0, 0]
    found = [of_pair(measure, *pair) for pair in ((constant, other), (other, constant))]
    assert found[0] == pytest.approx(found[1], nan_ok=True)
    if entry.of_constant is None:
        assert np.isnan(found[0])
        # And so it is where resampling has left its rounding.
        coarse, boxes = np.full((1, 7, 7), 0.7, np.float32), np.array([WHOLE, (0, 0, 95, 90)])
        resampled = resample(coarse, boxes[:1], boxes[1:], SIDE)[0]
        assert resampled.min() < resampled.max()
        assert np.isnan(of_pair(measure, resampled, other))
    elif isinstance(entry.of_constant, float):
        assert found[0] == pytest.approx(entry.of_constant, abs=1e-9)
    else:
        expected = REFERENCES[entry.name](constant, other, measure.settings)
        assert found[0] == pytest.approx(expected, abs=1e-6)
        assert found[0] != pytest.approx(of_pair(measure, constant, signed_maps(5)[0, 0]), abs=1e-5)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scale": lambda maps: 3 * maps,
    "shift": lambda maps: maps + np.float32(0.75),
    "monotone": lambda maps: maps**3,
}


@each_measure
@pytest.mark.parametrize("change", CHANGES)
def test_what_leaves_a_measure_unchanged_is_all_that_is_declared(
    entry: Measure, change: str
) -> None:
    measure = resolve({"measure": entry.name})
    one, other = signed_maps()[0, :2]
    before = of_pair(measure, one, other)
    after = [
        of_pair(measure, CHANGES[change](one), other), of_pair(measure, one, CHANGES[change](other))
    ]  # fmt: skip
    same = [value == pytest.approx(before, abs=1e-5) for value in after]
    assert same == [change in entry.unchanged_by] * 2


def test_the_largest_pixels_are_so_whatever_increases() -> None:
    one, other = signed_maps()[0, :2]
    measure = resolve({"measure": "kappa", "top": 10.0})
    before = of_pair(measure, one, other)
    for change in CHANGES.values():
        assert of_pair(measure, change(one), other) == before


@each_measure
def test_a_map_of_zeros_is_left_out_and_a_value_alone_counts(
    entry: Measure, tmp_path: Path
) -> None:
    maps = np.abs(signed_maps(side=16)).repeat(2, axis=0)
    maps[1, 0] = 0  # of the first model the second image
    maps[2, 1] = 0.5  # of the second model the third image, constant
    files = {
        str(m): [write_maps(tmp_path / f"{m}.h5", maps[:, m], [WHOLE] * 4)] for m in range(MODELS)
    }
    settings = engine.CompareSettings(16, {"x": resolve({"measure": entry.name})}, {"": ("raw",)})
    engine.compare_maps(files, settings, tmp_path / "out.h5")
    statistics = Statistics([tmp_path / "out.h5"])
    none = entry.of_constant is None
    assert statistics.used(slice(None)).sum(axis=1).tolist() == [3, 3, 4]
    values = np.isnan(statistics.similarity("x", slice(None)))
    assert values.sum(axis=1).tolist() == [1 + none, 1, none]
    table = merge(statistics, "m", bootstrap=Bootstrap(100)).similarity
    assert table["images"].tolist() == [3 - none, 3, 4 - none]
    assert (table["images"] + table["left_out"] == 4).all()


# --- One by one ---------------------------------------------------------------------------------


def test_equal_values_have_the_mean_rank() -> None:
    flat = RNG.integers(0, 6, (4, 50)).astype(np.float32)
    other = RNG.normal(size=(4, 50)).astype(np.float32)
    found = (ranks.standardised_ranks(flat) * ranks.standardised_ranks(other)).sum(axis=1)
    expected = [spearmanr(a, b).statistic for a, b in zip(flat, other, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert ranks.average_ranks(np.array([[7.0, 5, 7, 1]])).tolist() == [[2.5, 1, 2.5, 0]]


def plateaus(seed: int) -> np.ndarray:
    """Segments of one value each, as resampled to the study's grid."""
    rng = np.random.default_rng(seed)
    segments = rng.random((1, 4, 4)).astype(np.float32).repeat(24, 1).repeat(24, 2)
    box = np.array([WHOLE])
    return resample(segments, box, box, 56)[0]


def unrounded(m: np.ndarray) -> np.ndarray:
    """A map whose values, where they differ in the seventh digit alone, are one value."""
    meant, last = {}, -1.0
    for value in np.unique(m):
        last = last if value < last * (1 + 5e-7) else value
        meant[value] = last
    return np.array([meant[value] for value in m.ravel()]).reshape(m.shape)


def test_rounding_of_the_resampling_ranks_nothing() -> None:
    maps = [plateaus(seed) for seed in range(2)]
    exact = [unrounded(m) for m in maps]
    assert len(np.unique(maps[0])) > len(np.unique(exact[0])) + 50  # or there is nothing to see
    expected = spearmanr(*(m.ravel() for m in exact)).statistic
    assert of_pair(resolve({"measure": "spearman"}), *maps) == pytest.approx(expected, abs=1e-6)
    for noisy, meant in zip(maps, exact, strict=True):
        found, chosen = (ranks.largest(m.reshape(1, -1), 10.0) for m in (noisy, meant))
        assert (found == chosen).all()
        assert found.any()


def test_chunks_change_no_ranks_and_no_ssim(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = signed_maps()
    measures = [resolve({"measure": name}) for name in ("spearman", "ssim")]
    whole = [similarities(measure, maps) for measure in measures]
    monkeypatch.setattr(ranks, "_RANKED", 2 * SIDE**2 + 1)
    monkeypatch.setattr(ssim, "_FILTERED", 2 * SIDE**2 + 1)
    monkeypatch.setattr(ssim, "_STRIP", 5)
    for measure, expected in zip(measures, whole, strict=True):
        np.testing.assert_allclose(similarities(measure, maps), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "wanted", "chosen"),
    [
        ([9, 8, 7, 1, 0], 3, 3),
        ([9, 5, 5, 5, 0], 2, 1),  # 4 would be twice as many, and 1 is half
        ([9, 5, 5, 5, 0], 3, 4),
        ([9, 8, 5, 5, 0], 3, 4),  # 2 and 4 are as near
        ([9, 0, 0, 0, 0], 2, 1),
        ([5, 5, 5, 5, 5], 2, 0),
        ([-1, -2, -3, -4, -5], 1, 1),
        ([9, 8, 7, 6, 5], 0.1, 1),  # one at least
    ],
)
def test_pixels_that_tie_for_the_last_places_are_all_or_none(
    values: list[float], wanted: float, chosen: int
) -> None:
    found = ranks.largest(np.array([values, values[::-1]], np.float32), 20.0 * wanted)
    assert found[0].tolist() == [place < chosen for place in range(5)]
    assert (found[1] == found[0][::-1]).all()


@pytest.mark.parametrize("name", ["iou", "kappa"])
def test_zeros_that_two_maps_share_are_no_agreement(name: str) -> None:
    one, other = np.zeros((2, 20, 20), np.float32)
    one[:3, :3] = RNG.random((3, 3)) + 1  # 9 of 400 pixels are above 0, and 80 are asked for
    other[-3:, -3:] = RNG.random((3, 3)) + 1
    measure = resolve({"measure": name, "top": 20.0})
    assert of_pair(measure, one, other) == pytest.approx(0 if name == "iou" else -9 / 391)
    assert of_pair(measure, one, one) == 1


def test_without_mass_there_is_no_distance() -> None:
    negative = -np.abs(signed_maps()[0, 0])
    other = signed_maps()[0, 1]
    assert np.isnan(of_pair(resolve({"measure": "emd"}), negative, other))
    of_magnitudes = resolve({"measure": "emd", "mass": "magnitude"})
    assert of_pair(of_magnitudes, negative, -negative) == 1


def test_a_heap_that_moves_by_cells_has_moved_so_far() -> None:
    maps = np.zeros((1, 7, 56, 56), np.float32)
    for cell in range(7):
        maps[0, cell, 8 * cell : 8 * cell + 8, :8] = RNG.random((8, 8))
    found = similarities(resolve({"measure": "emd"}), maps)[0]
    steps = np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    np.testing.assert_allclose(found, 1 - steps / (6 * 2**0.5), atol=1e-12)


def test_a_distance_that_is_not_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = resolve({"measure": "emd"})
    monkeypatch.setattr(f"{measure.entry.module}._ITERATIONS", 1)
    with (
        pytest.warns(UserWarning, match="numItermax"),
        pytest.raises(SightlineError, match=r"distance was not found: .* Use a smaller size"),
    ):
        of_pair(measure, *signed_maps()[0, :2])


# --- The median heuristic -----------------------------------------------------------------------


def quantised(maps: np.ndarray) -> np.ndarray:
    """Maps (n, h, w) as a map file keeps them."""
    scale = np.abs(maps).max(axis=(1, 2), keepdims=True).astype(np.float32)
    divisor = np.where(scale > 0, scale, 1)
    return (maps.astype(np.float32) / divisor).astype(np.float16).astype(np.float32) * scale


def compared(tmp_path: Path, maps: np.ndarray, sigma: float | str) -> Statistics:
    """Statistics of maps in two ranges."""
    settings = engine.CompareSettings(
        maps.shape[-1], {"rbf": resolve({"measure": "rbf", "sigma": sigma})}, {"": ("raw",)}
    )
    paths = []
    for number, part in enumerate(np.array_split(maps, 2)):
        ids = [f"{number}-{image}" for image in range(len(part))]
        files = {
            str(m): [write_maps(tmp_path / f"{number}-{m}.h5", part[:, m], image_ids=ids)]
            for m in range(maps.shape[1])
        }
        paths.append(tmp_path / f"{number}.h5")
        engine.compare_maps(files, settings, paths[-1])
    return Statistics(paths)


def test_the_median_is_over_all_pairs_and_images_used(tmp_path: Path) -> None:
    maps = np.abs(np.random.default_rng(0).normal(size=(5, 4, 12, 12)))
    maps[4, 2] = 0  # a map that says nothing has no distances
    found = compared(tmp_path, maps, "median").similarity("rbf", slice(None))
    stored = np.stack([quantised(maps[:, m]) for m in range(4)], axis=1)
    pairs = list(combinations(range(4), 2))
    squared = [
        [pdist(stored[i, [a, b]].reshape(2, -1), "sqeuclidean")[0] for i in range(5)]
        for a, b in pairs
    ]
    squared = np.array(squared) * (224 * 224 / 144)
    squared[[1, 3, 5], 4] = np.nan
    expected = np.exp(-squared / (2 * np.nanmedian(squared)))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.isnan(found).sum() == 3
    # The heuristic is a sigma like any other.
    sigma = float(np.sqrt(np.nanmedian(squared)))
    given = compared(tmp_path, maps, sigma).similarity("rbf", slice(None))
    np.testing.assert_allclose(found, given, atol=1e-6)


def test_a_median_of_few_distances_is_near_that_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = np.abs(np.random.default_rng(0).normal(size=(12, 12, 6, 6)))
    statistics = compared(tmp_path, maps, "median")
    whole = statistics.similarity("rbf", slice(None))
    monkeypatch.setattr("sightline.compare.statistics._TYPICAL", 200)
    found = Statistics([tmp_path / "0.h5", tmp_path / "1.h5"]).similarity("rbf", slice(None))
    assert (found != whole).any()
    np.testing.assert_allclose(found, whole, atol=0.03)


def test_where_most_maps_are_equal_only_equal_ones_are_alike(tmp_path: Path) -> None:
    maps = np.abs(np.random.default_rng(0).normal(size=(2, 5, 40, 40)))
    maps[:, 1:4] = maps[:, :1]  # 6 of 10 distances are 0, though not in rounding
    found = compared(tmp_path, maps, "median").similarity("rbf", slice(None))
    equal = [a < 4 and b < 4 for a, b in combinations(range(5), 2)]
    assert found.tolist() == [[float(one)] * 2 for one in equal]


def test_distances_of_maps_that_nearly_coincide_are_no_rounding() -> None:
    one = np.full((1, 1, 224, 224), 0.37, np.float32)
    other = one.copy()
    other[0, 0, :4] += 1e-3
    distance = resolve({"measure": "rbf"}).functions
    settings = resolve({"measure": "rbf"}).settings
    prepared = [distance.prepare(maps, settings) for maps in (one, other)]
    found = distance.between(*prepared, settings)[0, 0, 0]
    assert found == pytest.approx(np.square(other.astype(float) - one).sum(), rel=1e-5)
