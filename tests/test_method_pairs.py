"""Methods against each other, against plain loops and scipy."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from mapfiles import write_maps
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.method_pairs import RANKS, method_table, over_models
from sightline.compare.rank_pairs import rank_correlations
from sightline.errors import SightlineError
from sightline.jobs.merging.method_pairs import compare_methods, merge_methods
from sightline.maps.series import MapSeries, in_one_order
from sightline.plots.methods import methods_figure

IMAGES, GRID = 7, 14
METHODS = ["cam", "gradients", "occlusion"]
# Ranges of methods do not end at the same images.
CUTS = {"cam": [0, 7], "gradients": [0, 3, 6, 7], "occlusion": [0, 2, 7]}
SETTINGS = {
    "grid": GRID,
    "measures": {"cosine": {"measure": "cosine"}},
    "scaling": {"cam": ["positive", "max"], "gradients": ["max", "abs"], "occlusion": ["max"]},
}
INTERVALS = {"replicates": 100, "kind": "percentile", "level": 0.95, "seed": 0}


def raw_maps(seed: int = 0, roles: int = 1) -> dict[str, np.ndarray]:
    """Signed maps (images, roles, GRID, GRID) of each method that share a part."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(IMAGES, roles, GRID, GRID))
    return {
        method: (shared + rng.normal(size=shared.shape)).astype(np.float16).astype(np.float32)
        for method in METHODS
    }


def write_methods(folder: Path, maps: dict[str, np.ndarray], **targets: list) -> dict:
    """Map files of each method's ranges; in a file all images of a role, then of the next."""
    files: dict[str, list[Path]] = {}
    for method, of_method in maps.items():
        roles = ["predicted", "label"][: of_method.shape[1]]
        for start, stop in pairwise(CUTS[method]):
            chosen = of_method[start:stop].transpose(1, 0, 2, 3).reshape(-1, GRID, GRID)
            path = folder / method / f"{start:06}-{stop - 1:06}.h5"
            given = targets.get(method, [0] * IMAGES)[start:stop]
            write_maps(
                path,
                chosen,
                image_ids=[f"{i}.png" for _ in roles for i in range(start, stop)],
                role=[role for role in roles for _ in range(start, stop)],
                targets=given * len(roles),
            )
            files.setdefault(method, []).append(path)
    return files


def scaled(method: str, one: np.ndarray) -> np.ndarray:
    if method == "cam":
        one = np.maximum(one, 0)
    return np.abs(one) if method == "gradients" else one


def test_rows_are_joined_whatever_the_ranges(tmp_path: Path) -> None:
    maps = raw_maps(roles=2)
    files = write_methods(tmp_path, maps)
    series = {method: MapSeries(parts) for method, parts in files.items()}
    assert series["cam"].rows() != series["gradients"].rows()
    joined = in_one_order(series)
    for method, one in joined.items():
        assert one.rows() == series["cam"].rows()
        expected = maps[method].transpose(1, 0, 2, 3).reshape(-1, GRID, GRID)
        np.testing.assert_allclose(one.read(0, 14), expected, rtol=2e-3)
        np.testing.assert_allclose(one.read(5, 9), expected[5:9], rtol=2e-3)
        np.testing.assert_array_equal(one.target, [0] * 14)
    twice = joined["gradients"].ordered(np.arange(14)[::-1])
    np.testing.assert_array_equal(twice.read(0, 3), joined["gradients"].read(11, 14)[::-1])


@pytest.mark.parametrize("roles", [1, 2])
def test_pairs_of_methods_are_the_plain_loop(tmp_path: Path, roles: int) -> None:
    maps = raw_maps(roles=roles)
    files = write_methods(tmp_path, maps)
    compare_methods("m", files, SETTINGS, tmp_path / "m.h5", tmp_path / "m.csv", **INTERVALS)
    table = pd.read_csv(tmp_path / "m.csv").set_index(["measure", "method_a", "method_b"])
    assert len(table) == 2 * 3
    for a, b in (("cam", "gradients"), ("cam", "occlusion"), ("gradients", "occlusion")):
        cosines, ranks = [], []
        for i in range(IMAGES):
            for r in range(roles):
                one, other = (scaled(name, maps[name][i, r]).ravel() for name in (a, b))
                cosines.append(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
                ranks.append(spearmanr(one, other).statistic)
        for measure, values in (("cosine", cosines), (RANKS, ranks)):
            row = table.loc[(measure, a, b)]
            assert row["images"] == IMAGES * roles
            assert row["mean"] == pytest.approx(np.mean(values), abs=2e-3)
            assert row["spread"] == pytest.approx(np.std(values, ddof=1), abs=2e-3)
            assert row["mean_low"] < row["mean"] < row["mean_high"]
            assert row[["left_out", "other_target"]].tolist() == [0, 0]


def test_what_is_not_ok_or_of_another_target_is_counted(tmp_path: Path) -> None:
    maps = raw_maps()
    maps["cam"][1] = 0
    maps["occlusion"][2] = np.nan
    maps["gradients"][3] = 0.5  # the same everywhere: a cosine, but no ranks
    files = write_methods(tmp_path, maps, occlusion=[0, 0, 0, 0, 5, 5, 0])
    compare_methods("m", files, SETTINGS, tmp_path / "m.h5", tmp_path / "m.csv", **INTERVALS)
    table = pd.read_csv(tmp_path / "m.csv").set_index(["measure", "method_a", "method_b"])
    columns = ["images", "left_out", "other_target"]
    assert table.loc[("cosine", "cam", "gradients"), columns].tolist() == [6, 1, 0]
    assert table.loc[(RANKS, "cam", "gradients"), columns].tolist() == [5, 2, 0]
    assert table.loc[("cosine", "cam", "occlusion"), columns].tolist() == [3, 2, 2]
    assert table.loc[("cosine", "gradients", "occlusion"), columns].tolist() == [4, 1, 2]


def test_other_images_are_refused(tmp_path: Path) -> None:
    files = write_methods(tmp_path, raw_maps())
    files["cam"] = files["occlusion"][:1]
    with pytest.raises(SightlineError, match="are not of the images of"):
        compare_methods("m", files, SETTINGS, tmp_path / "m.h5", tmp_path / "m.csv", **INTERVALS)


def test_ranks_are_of_what_both_show_on_a_coarse_grid(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fine = rng.normal(size=(3, 28, 28))
    whole, left = (0.0, 0.0, 224.0, 224.0), (0.0, 0.0, 112.0, 224.0)
    files = {
        "a": write_maps(tmp_path / "a.h5", fine, [whole] * 3),
        "b": write_maps(tmp_path / "b.h5", fine[:, :, :14], [left] * 3),
    }
    series = {name: MapSeries([path]) for name, path in files.items()}
    # On the left half both have the same values: only there are they compared.
    found = rank_correlations(series, {"a": (), "b": ()}, grid=7)
    assert found.shape == (1, 3)
    assert (found > 0.9).all()
    unaligned = rank_correlations({"a": series["a"], "b": MapSeries([
        write_maps(tmp_path / "c.h5", fine[:, :, :14], [whole] * 3)
    ])}, {"a": (), "b": ()}, grid=7)  # fmt: skip
    assert (unaligned < 0.8).all()


def test_over_models_is_the_plain_loop() -> None:
    rng = np.random.default_rng(0)
    bootstrap = Bootstrap(100, 0.95, "percentile", 0)
    values = {f"m{k}": rng.uniform(0, 1, (3, 9)) for k in range(4)}
    values["m2"][1] = np.nan
    tables = [
        method_table(model, METHODS, {"cosine": one}, np.zeros((3, 9)), bootstrap)
        for model, one in values.items()
    ]
    found = over_models(pd.concat(tables))
    assert found["method_a"].tolist() == ["cam", "cam", "gradients"]
    assert found["models"].tolist() == [4, 3, 4]
    means = np.array([one.mean(axis=1) for one in values.values()])
    np.testing.assert_allclose(found["mean"], np.nanmean(means, axis=0))
    np.testing.assert_allclose(found["spread"], np.nanstd(means, axis=0, ddof=1))
    np.testing.assert_allclose(found["lowest"], np.nanmin(means, axis=0))
    assert found["highest_model"].tolist() == [f"m{k}" for k in np.nanargmax(means, axis=0)]


def test_tables_of_all_models_are_put_together(tmp_path: Path) -> None:
    for k in range(3):
        files = write_methods(tmp_path / str(k), raw_maps(k))
        path = tmp_path / f"{k}.csv"
        compare_methods(f"m{k}", files, SETTINGS, tmp_path / f"{k}.h5", path, **INTERVALS)
    merge_methods(
        [tmp_path / f"{k}.csv" for k in range(3)], tmp_path / "all.csv", tmp_path / "over.csv"
    )
    every, over = pd.read_csv(tmp_path / "all.csv"), pd.read_csv(tmp_path / "over.csv")
    assert every.groupby("model").size().tolist() == [6, 6, 6]
    assert len(over) == 6
    assert (over["models"] == 3).all()


def test_the_figure_has_every_pair_once() -> None:
    pairs = [("cam", "gradients"), ("cam", "occlusion"), ("gradients", "occlusion")]
    rows = [
        {"measure": name, "method_a": a, "method_b": b, "mean": 0.1 * k, "spread": 0.05}
        for name in ("cosine", RANKS)
        for k, (a, b) in enumerate(pairs)
    ]
    figure = methods_figure(pd.DataFrame(rows), ["cosine", RANKS], "viridis")
    for axes in figure.axes[:2]:
        written = [text.get_text() for text in axes.texts if text.get_text()]
        assert written == ["0.00\n±0.05", "0.10\n±0.05", "0.20\n±0.05"]
    plt.close(figure)
