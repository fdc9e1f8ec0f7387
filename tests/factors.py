"""A study of factors without images: simulated pairs of models and what is known of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import squareform

from sightline.compare.pairs import Pairs, write_pairs
from sightline.jobs.merging.factors import examine_factors
from studies import Truth, simulate

MEASURES = ("cosine", "rbf")
HOW: dict[str, Any] = {"permutations": 9999, "level": 0.05, "seed": 0}


def study(folder: Path, sizes: tuple[int, int], shifts: dict[str, float]) -> dict[str, Path]:
    """Pairs files of methods, and models.csv."""
    files = {}
    names = [f"model{i}" for i in range(sum(sizes))]
    for seed, (method, shift) in enumerate(shifts.items()):
        values = {
            measure: squareform(
                simulate(Truth(sizes, (1, 1), shift, "space"), 10 * seed + place).to_numpy()
            )
            for place, measure in enumerate(MEASURES)
        }
        alike = {measure: 1 - own for measure, own in values.items()}
        resampled = {measure: own[None].astype(np.float32) for measure, own in values.items()}
        files[method] = folder / f"{method}.h5"
        pairs = Pairs(names, alike, values, resampled, np.ones(len(values["rbf"])))
        write_pairs(files[method], pairs)
    families = ["cnn"] * sizes[0] + ["vit"] * sizes[1]
    described = {"model": names, "family": families, "depth": range(len(names)), "same": 1}
    pd.DataFrame(described).to_csv(folder / "models.csv", index=False)
    return files


def examine(folder: Path, files: dict[str, Path], factors: list[str]) -> tuple:
    """The tables of tests and of answers, written into the folder."""
    tables = folder / "architecture.csv", folder / "answers.csv"
    examine_factors(files, folder / "models.csv", *tables, factors=factors, **HOW)
    return tuple(pd.read_csv(table) for table in tables)
