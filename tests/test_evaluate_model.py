"""The job of an experiment that runs the model: its rows, classes, maps and draws."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from mapfiles import write_maps
from sightline.errors import SightlineError
from sightline.evaluate.protocol import Case, Curve
from sightline.images.shapes import CLASSES
from sightline.images.shards import Shard
from sightline.jobs.experiments.evaluate_model import ModelJob, evaluate_model
from sightline.jobs.images import make_shard
from sightline.methods.catalogue import find_method
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.study.ids import seed_of
from sightline.tabular import read_table

SHAPES = {"source": "shapes", "split": "held-out", "objects": 1, "patch": None}
ROLES = ("predicted", "top2", "label")
SIZE = (24, 24)
COUNT = 40  # more than are taken at a time


class Disagreeing(nn.Module):
    """Ranks its classes the other way round when it computes with fewer bits."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Linear(3 * SIZE[0] * SIZE[1], len(CLASSES), bias=False)
        generator = torch.Generator().manual_seed(0)
        nn.init.normal_(self.weights.weight, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.weights(images.flatten(1))
        return scores if scores.dtype == torch.float32 else -scores


class Stub:
    """Loads a classifier that there is, as `sightline.jobs.loading.Loading` does."""

    def __init__(self, precision: str = "float32") -> None:
        module = Disagreeing().eval()
        self.found = replace(
            Classifier(module, Preprocessing(SIZE)),
            precision=precision,
        )

    def classifier(self, spec: dict[str, Any]) -> Classifier:
        return self.found


def seen(case: Case, settings: Any) -> dict[str, Any]:
    """An experiment that says what it was given."""
    again = case.explain(case.classifier, case.images, case.targets, case.seeds)
    return {
        "target": case.targets.numpy().astype(float),
        "map": case.maps.sum(axis=(1, 2)).astype(float),
        "again": np.abs(again - case.maps).max(axis=(1, 2))
        if again.shape == case.maps.shape
        else np.full(len(again), np.nan),
        "image": case.images.mean(dim=(1, 2, 3)).double().numpy(),
        "draw": np.array([seed % 2**20 for seed in case.draws("word")], float),
        "curve": Curve(np.array([0.0, 1.0]), np.stack([case.targets.numpy()] * 2, axis=1)),
    }


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> ModelJob:
    module = ModuleType("a_made_up_experiment")
    module.measure = seen  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = find_method("random")
    return ModelJob(
        model_id="m",
        method_id="random",
        model={"classes": list(CLASSES)},
        function=entry.load(),
        method=entry.settings(),
        scaling=("max",),
        experiment_id="mine",
        module=module.__name__,
        settings=None,
        roles=ROLES,
        seed=7,
    )


def shard_of(folder: Path, first: int, last: int) -> Path:
    path = folder / f"{first}.zip"
    if not path.exists():
        make_shard(SHAPES, 0, f"{first:06d}-{last:06d}", path)
    return path


def ids_of(shard: Path) -> list[str]:
    with Shard(shard) as opened:
        return [row.image_id for row in opened.images]


def map_value(image_id: str, role: str) -> float:
    return 1.0 + seed_of(image_id, role) % 97


def stored_target(image_id: str, role: str) -> int:
    return seed_of(image_id, role, "target") % len(CLASSES)


def stored_maps(folder: Path, ids: Sequence[str]) -> list[Path]:
    """Maps that say which row they are of, in two files and in no order of the images."""
    rows = [(one, role) for one in ids for role in ROLES]
    order = np.random.default_rng(0).permutation(len(rows))
    files = []
    for number, part in enumerate(np.array_split(order, 2)):
        own = [rows[i] for i in part]
        maps = np.zeros((len(own), 2, 2))
        maps[:, 0, 0] = [map_value(*row) for row in own]
        files.append(
            write_maps(
                folder / f"maps{number}.h5",
                maps,
                image_ids=[image for image, _ in own],
                role=[role for _, role in own],
                targets=[stored_target(*row) for row in own],
            )
        )
    return files


def results(
    job: ModelJob, shard: Path, maps: Sequence[Path], folder: Path, precision: str = "float32"
) -> pd.DataFrame:
    output = folder / "out.parquet"
    loading: Any = Stub(precision)
    evaluate_model(job, shard, maps, output, loading)
    return read_table(output)


def of(table: pd.DataFrame, measure: str) -> dict[tuple[str, str], float]:
    own = table[table["measure"] == measure]
    assert not own.duplicated(["image_id", "role", "x"]).any()
    return dict(zip(zip(own["image_id"], own["role"], strict=True), own["value"], strict=True))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_rows_are_joined_by_id_with_the_class_that_was_explained(
    job: ModelJob, tmp_path: Path, precision: str
) -> None:
    shard = shard_of(tmp_path, 0, COUNT - 1)
    ids = ids_of(shard)
    table = results(job, shard, stored_maps(tmp_path, ids), tmp_path, precision)
    wanted = {(image, role) for image in ids for role in ROLES}
    assert len(table) == len(wanted) * (5 + 2)
    assert of(table, "target") == {row: stored_target(*row) for row in wanted}
    assert of(table, "map") == pytest.approx({row: map_value(*row) for row in wanted}, rel=1e-3)
    draws = {(i, r): seed_of(7, "m", "mine", i, r, "word") % 2**20 for i, r in wanted}
    assert of(table, "draw") == draws
    lacking = stored_maps(tmp_path, ids[:-1])
    with pytest.raises(SightlineError, match=f"maps of random lack '{ids[-1]}'"):
        results(job, shard, lacking, tmp_path)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_controls_are_explained_in_place_for_the_class_that_maps_explain(
    job: ModelJob, tmp_path: Path, precision: str
) -> None:
    shard = shard_of(tmp_path, 0, COUNT - 1)
    table = results(job, shard, [], tmp_path, precision)
    exact = Stub().found
    with Shard(shard) as opened:
        rows = opened.images
        images, _ = exact.preprocessing([opened.image(row) for row in rows])
    ranks = exact.scores(images).argsort(dim=1, descending=True)
    expected = {}
    for number, row in enumerate(rows):
        for role, place in (("predicted", 0), ("top2", 1)):
            expected[row.image_id, role] = float(ranks[number, place])
        expected[row.image_id, "label"] = float(CLASSES.index(row.label))
    assert of(table, "target") == expected
    # By the seeds that a study's own maps of the method would be drawn from.
    assert set(of(table, "again").values()) == {0.0}
    for role in ROLES:
        seeds = [seed_of(7, "m", "random", row.image_id, role) for row in rows]
        own = job.function(exact, images, torch.zeros(len(rows)).long(), seeds, job.method).maps
        found = [of(table, "map")[row.image_id, role] for row in rows]
        np.testing.assert_allclose(found, own.sum(dim=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize("stored", [True, False])
def test_ranges_cut_in_another_way_give_the_same(
    job: ModelJob, tmp_path: Path, stored: bool
) -> None:
    whole = shard_of(tmp_path, 0, COUNT - 1)
    maps = stored_maps(tmp_path, ids_of(whole)) if stored else []
    expected = results(job, whole, maps, tmp_path)
    parts = [
        results(job, shard_of(tmp_path / str(first), first, last), maps, tmp_path)
        for first, last in ((0, 6), (7, COUNT - 1))
    ]
    keys = ["measure", "role", "image_id", "x"]
    one, other = (
        table.sort_values(keys, ignore_index=True)
        for table in (expected, pd.concat(parts, ignore_index=True))
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)
