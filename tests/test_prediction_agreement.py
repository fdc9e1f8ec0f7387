"""Models that answer alike, and whether they look alike."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from sightline.compare.ordering import pair_indices
from sightline.compare.pairs import Pairs, write_pairs
from sightline.jobs.merging.prediction_agreement import correlate_predictions


def told(folder: Path, same: np.ndarray, means: np.ndarray, models: int, level: float) -> pd.Series:
    path = folder / "pairs.h5"
    names = [f"m{i}" for i in range(models)]
    values = {"cosine": means}
    resampled = {"cosine": np.zeros((2, len(means)), np.float32)}
    write_pairs(path, Pairs(names, values, {"cosine": 1 - means}, resampled, same))
    correlate_predictions("m", path, folder / "out.csv", permutations=999, level=level, seed=0)
    return pd.read_csv(folder / "out.csv").iloc[0]


@pytest.mark.parametrize("seed", range(3))
def test_the_p_value_is_that_of_all_permutations(tmp_path: Path, seed: int) -> None:
    models = 5
    random = np.random.default_rng(seed)
    same, noise = random.random((2, 10))
    means = same + noise
    found = told(tmp_path, same, means, models, 0.05)
    first, second = pair_indices(models).T
    matrix = np.zeros((models, models))
    matrix[first, second] = matrix[second, first] = means
    rho = spearmanr(same, means).statistic
    every = [
        spearmanr(same, matrix[np.ix_(order, order)][first, second]).statistic
        for order in map(list, permutations(range(models)))
    ]
    assert found["rho"] == pytest.approx(rho)
    assert found["p"] == pytest.approx(np.mean(np.array(every) >= rho - 1e-12))
    assert (found["permutations"], found["exact"]) == (120, True)
    assert found["smallest_p"] == pytest.approx(1 / 120)
    assert found["same_class"] == pytest.approx(same.mean())
    assert found["answer"] == ("yes" if found["p"] <= 0.05 else "no evidence")


def test_what_cannot_be_decided_is_said(tmp_path: Path) -> None:
    same, means = np.array([0.9, 0.5, 0.1]), np.array([0.8, 0.4, 0.2])
    found = told(tmp_path, same, means, 3, 0.05)
    assert found["smallest_p"] == pytest.approx(1 / 6)
    assert found["answer"] == "cannot be decided"
    assert told(tmp_path, same, means, 3, 0.2)["answer"] == "yes"
    assert told(tmp_path, same[:1], means[:1], 2, 0.5)["answer"] == "cannot be decided"
    # All pairs answer alike: nothing varies.
    assert told(tmp_path, np.ones(3), means, 3, 0.5)["answer"] == "cannot be decided"
