"""A second seed: how far a model agrees with itself, and what that says of two models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mapfiles import write_maps
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.engine import compare_maps
from sightline.compare.statistics import Statistics
from sightline.compare.tables import merge
from sightline.errors import SightlineError
from sightline.jobs.compare import comparison, merge_method
from sightline.jobs.merging.ceiling import find_ceilings

IMAGES, SIDE = 40, 24
TRUTH = 0.6  # the correlation of the two models' maps, were they without noise
RELIABILITY = {"a": 0.8, "b": 0.5}  # the correlation of a model's maps under two seeds
SETTINGS = {
    "grid": SIDE,
    "scaling": [],
    "measures": {
        "cosine": {"measure": "cosine"},
        "rbf": {"measure": "rbf", "sigma": "median"},
        "kappa": {"measure": "kappa", "cuts": [0.0]},
    },
}
INTERVALS = {"replicates": 200, "kind": "percentile", "level": 0.95, "seed": 0}


def noisy(random: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Maps of two models by two seeds, of mean 0 and variance 1."""
    shape = (IMAGES, SIDE, SIDE)
    first, second = random.standard_normal((2, *shape))
    latent = {"a": first, "b": TRUTH * first + np.sqrt(1 - TRUTH**2) * second}
    draws: list[dict[str, np.ndarray]] = [
        {
            name: np.sqrt(r) * latent[name] + np.sqrt(1 - r) * random.standard_normal(shape)
            for name, r in RELIABILITY.items()
        }
        for _ in range(2)
    ]
    return draws[0], draws[1]


@pytest.fixture
def study(tmp_path: Path) -> tuple[dict, dict, dict, dict]:
    first, second = noisy(np.random.default_rng(0))
    halves = (slice(0, 24), slice(24, IMAGES))
    ids = np.array([f"{i}.png" for i in range(IMAGES)])
    files = {
        name: [
            write_maps(tmp_path / f"{name}{half.start}", maps[half], image_ids=ids[half])
            for half in halves
        ]
        for name, maps in first.items()
    }
    # In another order: rows are joined by what they are of.
    again = {
        name: write_maps(tmp_path / f"{name}-again", maps[29::-1], image_ids=ids[29::-1])
        for name, maps in second.items()
    }
    for number in range(2):
        part = {name: [paths[number]] for name, paths in files.items()}
        compare_maps(part, comparison(SETTINGS), tmp_path / f"statistics{number}")
    return files, again, first, second


def ceilings(folder: Path, files: dict, again: dict) -> pd.DataFrame:
    statistics = [folder / f"statistics{number}" for number in range(2)]
    output = folder / "ceiling.csv"
    find_ceilings("m", files, again, statistics, SETTINGS, output, **INTERVALS)
    return pd.read_csv(output).set_index(["measure", "model"])


def test_a_models_agreement_with_itself_is_that_of_its_two_maps(study, tmp_path: Path) -> None:
    files, again, first, second = study
    found = ceilings(tmp_path, files, again)
    assert len(found) == 6
    for name, reliability in RELIABILITY.items():
        one, other = (maps[name][:30].reshape(30, -1) for maps in (first, second))
        cosines = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        row = found.loc["cosine", name]
        assert row["mean"] == pytest.approx(cosines.mean(), abs=1e-4)
        assert row["mean"] == pytest.approx(reliability, abs=0.02)
        assert row["mean_low"] < cosines.mean() < row["mean_high"]
        assert (row["images"], row["left_out"]) == (30, 0)
        kappas = 2 * ((one > 0) == (other > 0)).mean(axis=1) - 1
        assert found.loc["kappa", name]["mean"] == pytest.approx(kappas.mean(), abs=0.01)
        # The median heuristic is that of the two models' maps, not of this one's.
        between = np.square(first["a"] - first["b"]).sum(axis=(1, 2))
        own = np.square(one - other).sum(axis=1)
        expected = np.exp(-own / (2 * np.median(between))).mean()
        assert found.loc["rbf", name]["mean"] == pytest.approx(expected, abs=1e-3)


def test_what_noise_takes_from_agreement_is_given_back(study, tmp_path: Path) -> None:
    files, again, *_ = study
    ceilings(tmp_path, files, again)
    outputs = [tmp_path / name for name in ("s.csv", "k.csv", "p.h5")]
    statistics = [tmp_path / f"statistics{number}" for number in range(2)]
    merge_method(
        "m", statistics, *outputs, subsets=[], ceiling=tmp_path / "ceiling.csv", **INTERVALS
    )
    row = pd.read_csv(outputs[0]).query("measure == 'cosine'").iloc[0]
    attenuated = TRUTH * np.sqrt(0.8 * 0.5)
    assert row["mean"] == pytest.approx(attenuated, abs=0.02)
    assert row["ceiling"] == pytest.approx(np.sqrt(0.8 * 0.5), abs=0.02)
    assert row["of_ceiling"] == pytest.approx(TRUTH, abs=0.03)


def test_without_a_second_seed_or_agreement_there_is_no_ceiling(study, tmp_path: Path) -> None:
    statistics = Statistics([tmp_path / f"statistics{number}" for number in range(2)])
    table = merge(statistics, "m", bootstrap=Bootstrap(100)).similarity
    assert table[["ceiling", "of_ceiling"]].isna().all(axis=None)
    given = {"cosine": {"a": 0.9, "b": -0.01}, "kappa": {"a": 0.9}}
    table = merge(statistics, "m", bootstrap=Bootstrap(100), ceilings=given).similarity
    assert table[["ceiling", "of_ceiling"]].isna().all(axis=None)


def test_a_map_that_says_nothing_is_left_out_and_a_strange_image_refused(
    study, tmp_path: Path
) -> None:
    files, again, _, second = study
    maps = second["a"][:3].copy()
    maps[1] = 0
    again["a"] = write_maps(tmp_path / "a-again", maps)
    row = ceilings(tmp_path, files, again).loc["cosine", "a"]
    assert (row["images"], row["left_out"]) == (2, 1)
    again["b"] = write_maps(tmp_path / "b-again", maps, image_ids=["0.png", "x.png", "1.png"])
    with pytest.raises(SightlineError, match=r"b-again holds 'x\.png' \(predicted\)"):
        ceilings(tmp_path, files, again)
