"""Variance components, against dummy-variable least squares and planted components."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mapfiles import write_maps
from sightline.compare.consensus.file import write_consensus
from sightline.compare.consensus.models import find_consensus
from sightline.compare.variance.components import components, sums_of_squares
from sightline.compare.variance.design import collect
from sightline.compare.variance.table import no_components, variance_components
from sightline.errors import SightlineError
from sightline.jobs.merging.variance import find_variance
from sightline.plots.variance import variance_figure

SOURCES = [
    *("model", "method", "image", "model:method", "model:image", "method:image"),
    "model:method:image",
]


def planted(
    rng: np.random.Generator, levels: tuple[int, int, int], variances: dict[str, float], size: int
) -> np.ndarray:
    """Cells (models, methods, images, size) whose components sum to these variances."""
    cells = np.full((*levels, size), 0.3)
    for source, variance in variances.items():
        shape = [
            count if name in source.split(":") else 1
            for name, count in zip(("model", "method", "image"), levels, strict=True)
        ]
        cells = cells + rng.normal(0, np.sqrt(variance / size), (*shape, size))
    return cells


def table(cells: np.ndarray) -> pd.DataFrame:
    return variance_components(collect(iter(cells))).set_index("component")


def least_squares(cells: np.ndarray) -> dict[str, tuple[float, int]]:
    """Sums of squares and degrees of freedom of dummy variables, entered in order."""
    places = np.array(list(product(*map(range, cells.shape[:3]))))
    flat = cells.reshape(len(places), -1)
    columns = np.ones((len(places), 1))
    projection = np.full((len(places), len(places)), 1 / len(places))
    rank, found = 1, {}
    for source in SOURCES:
        chosen = [("model", "method", "image").index(name) for name in source.split(":")]
        _, codes = np.unique(places[:, chosen], axis=0, return_inverse=True)
        columns = np.hstack([columns, np.eye(codes.max() + 1)[codes]])
        basis, singular, _ = np.linalg.svd(columns, full_matrices=False)
        basis = basis[:, singular > 1e-9]
        larger = basis @ basis.T
        explained = np.square((larger - projection) @ flat).sum()
        found[source] = (explained, basis.shape[1] - rank)
        projection, rank = larger, basis.shape[1]
    return found


@pytest.mark.parametrize("levels", [(3, 2, 4), (2, 4, 3), (4, 3, 5)])
def test_sums_of_squares_are_those_of_dummy_variables(levels: tuple[int, int, int]) -> None:
    cells = planted(np.random.default_rng(0), levels, dict.fromkeys(SOURCES, 1.0), 5)
    found = table(cells)
    for source, (squares, freedom) in least_squares(cells).items():
        assert found.loc[source, "sum_of_squares"] == pytest.approx(squares, rel=1e-9)
        assert found.loc[source, "freedom"] == freedom
        assert found.loc[source, "mean_square"] == pytest.approx(squares / freedom)


def test_components_solve_the_expected_mean_squares() -> None:
    cells = planted(np.random.default_rng(1), (4, 3, 5), dict.fromkeys(SOURCES, 1.0), 2)
    found = table(cells)["variance"]
    squares = {source: value / df for source, (value, df) in least_squares(cells).items()}
    # Searle, Casella & McCulloch's equations written out: a = 4, b = 3, c = 5.
    error = squares["model:method:image"]
    expected = {
        "model:method": (squares["model:method"] - error) / 5,
        "model:image": (squares["model:image"] - error) / 3,
        "method:image": (squares["method:image"] - error) / 4,
        "model": (squares["model"] - squares["model:method"] - squares["model:image"] + error) / 15,
        "method": (squares["method"] - squares["model:method"] - squares["method:image"] + error)
        / 20,
        "image": (squares["image"] - squares["model:image"] - squares["method:image"] + error) / 12,
        "model:method:image": error,
    }
    for source, value in expected.items():
        assert found[source] == pytest.approx(value, rel=1e-9)


def test_planted_components_are_found_without_bias() -> None:
    rng = np.random.default_rng(2)
    variances = dict(zip(SOURCES, (0.5, 0.2, 1.0, 0.3, 0.4, 0.0, 0.8), strict=True))
    draws = [table(planted(rng, (6, 5, 12), variances, 4))["variance"] for _ in range(300)]
    found = pd.DataFrame(draws).astype(float)
    error = found.std() / np.sqrt(len(found))
    for source, truth in variances.items():
        assert abs(found[source].mean() - truth) < 4 * error[source]
    # Nothing is planted there, so that half of the estimates are below 0.
    assert (found["method:image"] < 0).mean() > 0.3


def test_intervals_over_images_hold_what_more_images_would_show() -> None:
    """Of fixed models and methods the truth is that of all images there could be."""
    rng = np.random.default_rng(3)
    levels, size, draws = (3, 2, 30), 4, 400
    fixed = planted(rng, (3, 2, 1), {"model": 0.4, "method": 0.2, "model:method": 0.2}, size)
    many = {"image": 1.0, "model:image": 0.5, "method:image": 0.3, "model:method:image": 0.5}
    # With all images the sums over models and methods are those of the fixed part.
    margins = {
        frozenset(): np.square(fixed.mean((0, 1, 2))).sum() * 6,
        frozenset(["model"]): np.square(fixed.mean((1, 2))).sum() * 2,
        frozenset(["method"]): np.square(fixed.mean((0, 2))).sum() * 3,
        frozenset(["model", "method"]): np.square(fixed).sum(),
    }
    two = {"model": 3, "method": 2}
    truth = {
        ":".join(f for f in ("model", "method") if f in one): value
        for one, value in components(sums_of_squares(margins), two).items()
    }
    # The fixed part has no interaction with images, whose variances are as planted.
    truth |= {**many}
    inside = dict.fromkeys(truth, 0)
    for _ in range(draws):
        found = table(fixed + planted(rng, levels, many, size) - 0.3)
        for source in truth:
            row = found.loc[source]
            inside[source] += row["low"] <= truth[source] <= row["high"]
    # 95 % of 400, less three binomial errors (1.1 % each) and 1 % for a skewed estimate.
    for source, count in inside.items():
        assert count / draws > 0.95 - 3 * 0.011 - 0.01, source
        assert count / draws < 0.995, source


def test_shares_sum_to_one_and_hide_no_negative_estimate() -> None:
    rng = np.random.default_rng(4)
    found = table(planted(rng, (3, 3, 8), {"image": 1.0, "model:method:image": 1.0}, 3))
    assert found["share"].sum() == pytest.approx(1)
    assert (found["variance"] < 0).any()
    assert (found.loc[found["variance"] < 0, "share"] == 0).all()
    assert found["share_low"].between(0, 1).all()
    assert found["share_high"].between(0, 1).all()


def test_one_model_leaves_what_still_has_a_sense() -> None:
    cells = planted(np.random.default_rng(5), (1, 3, 6), dict.fromkeys(SOURCES, 1.0), 3)
    found = table(cells)
    assert found["variance"].notna().sum() == 3
    assert found.loc["model:image", "reason"] == "one model"
    assert found.loc["method:image", "reason"] == ""
    # As a two-way layout has it.
    y = cells[0]
    residual = y - y.mean(0) - y.mean(1, keepdims=True) + y.mean((0, 1))
    error = np.square(residual).sum() / 10
    method = 6 * np.square(y.mean(1) - y.mean((0, 1))).sum() / 2
    assert found.loc["method:image", "variance"] == pytest.approx(error)
    assert found.loc["method", "variance"] == pytest.approx((method - error) / 6)
    both = table(cells[:, :1])
    assert both["variance"].notna().tolist() == [name == "image" for name in SOURCES]
    assert both.loc["model:method", "reason"] == "one model and one method"
    assert both.loc["image", "variance"] == pytest.approx(np.var(y[0], axis=0, ddof=1).sum())


def test_a_table_without_images_says_why() -> None:
    found = no_components("2 images")
    assert found["component"].tolist() == SOURCES
    assert (found["reason"] == "2 images").all()
    assert found["variance"].isna().all()


CUTS = {"cam": [0, 8], "gradients": [0, 3, 6, 8]}


def write_study(folder: Path, maps: np.ndarray, boxes: list | None = None) -> dict:
    """Consensus files of maps (models, methods, 8 images, h, w), by methods of other ranges."""
    files: dict[str, list[Path]] = {}
    for place, (method, cuts) in enumerate(CUTS.items()):
        for start, stop in pairwise(cuts):
            given = {
                f"m{m}": write_maps(
                    folder / method / f"{m}-{start}.h5",
                    of_model[place, start:stop],
                    image_ids=[f"{i}.png" for i in range(start, stop)],
                    boxes=None if boxes is None else [boxes[place]] * (stop - start),
                )
                for m, of_model in enumerate(maps)
            }
            path = folder / method / f"{start:06}-{stop - 1:06}.h5"
            write_consensus(path, *find_consensus(given, scaling=(), grid=8, coarse=4))
            files.setdefault(method, []).append(path)
    return files


def study_maps(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, 1, 8, 4, 4)) + rng.normal(size=(3, 2, 8, 4, 4))


def test_files_of_a_study_are_analysed_as_they_are(tmp_path: Path) -> None:
    maps = study_maps()
    maps[1, 0, 2] = 0
    maps[2, 1, 5] = 0.7  # constant: nothing is left without its mean
    find_variance(write_study(tmp_path, maps), tmp_path / "v.csv", level=0.95)
    found = pd.read_csv(tmp_path / "v.csv").set_index("component")
    assert (found["images"] == 6).all()
    assert (found["left_out"] == 2).all()
    assert (found["models"] == 3).all()
    assert (found["methods"] == 2).all()
    flat = np.delete(maps, [2, 5], axis=2).reshape(3, 2, 6, 16)
    flat = flat - flat.mean(axis=-1, keepdims=True)
    expected = table(flat / np.linalg.norm(flat, axis=-1, keepdims=True))
    for column in ("variance", "share", "low", "high"):
        np.testing.assert_allclose(
            found[column].astype(float), expected[column].astype(float), atol=3e-3
        )
    # Without a mean and of unit norm, the whole is at most 1.
    assert 0.8 < found["variance"].sum() <= 1.2


def test_too_few_images_are_said(tmp_path: Path) -> None:
    maps = study_maps()
    maps[1, 1, 2:] = np.nan
    find_variance(write_study(tmp_path, maps), tmp_path / "v.csv", level=0.95)
    found = pd.read_csv(tmp_path / "v.csv")
    assert len(found) == 7
    assert found["variance"].isna().all()
    assert (found["images"] == 2).all()
    expected = "2 of 8 images have all maps, 3 are needed; m1 with gradients lacks most: 6"
    assert (found["reason"] == expected).all()


def test_images_of_which_methods_show_other_parts_are_left_out(tmp_path: Path) -> None:
    boxes = [(0.0, 0.0, 224.0, 224.0), (20.0, 0.0, 224.0, 224.0)]
    find_variance(write_study(tmp_path, study_maps(), boxes), tmp_path / "v.csv", level=0.95)
    assert (pd.read_csv(tmp_path / "v.csv")["left_out"] == 8).all()


def test_methods_of_other_images_are_refused(tmp_path: Path) -> None:
    files = write_study(tmp_path, study_maps())
    files["gradients"] = files["gradients"][:2]
    with pytest.raises(SightlineError, match="gradients are of other images"):
        find_variance(files, tmp_path / "v.csv", level=0.95)


def test_the_figure_shows_shares_and_says_what_is_absent() -> None:
    cells = planted(np.random.default_rng(5), (1, 3, 6), dict.fromkeys(SOURCES, 1.0), 3)
    shown = variance_components(collect(iter(cells)))
    figure = variance_figure(shown.assign(models=1, methods=3, images=6, left_out=2))
    bar, dots = figure.axes
    widths = [patch.get_width() for patch in bar.patches]
    np.testing.assert_allclose(widths, shown["share"].dropna().astype(float))
    assert [text.get_text() for text in dots.texts].count("one model") == 4
    plt.close(figure)
