"""Models whose images may be of several classes: a probability an output, several labels."""

from __future__ import annotations

import weakref
from itertools import pairwise, product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from sightline.cli.models import predictions
from sightline.errors import SightlineError
from sightline.images.labels import first_label, labels_of
from sightline.images.roles import RANKED, Role, parse_role
from sightline.jobs.explain import Job, explain_range
from sightline.jobs.images import make_shard
from sightline.jobs.loading import Loading
from sightline.jobs.merging.predictions import merge_predictions
from sightline.jobs.predict import predict_range
from sightline.jobs.targets import correctness, role_targets
from sightline.maps.store import read_maps
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classes import Classes
from sightline.models.classifier import Classifier, Task
from sightline.models.load import load_classifier
from sightline.models.preprocessing import Preprocessing
from sightline.study.config import Model
from sightline.study.models import resolve_model
from sightline.study.resolve import ResolvedStudy

CLASSES = ["effusion", "mass", "hernia"]
MODEL = {
    "name": "test_resnet",
    "pretrained": False,
    "args": {"num_classes": 3},
    "classes": CLASSES,
}


def spec(**given: Any) -> dict[str, Any]:
    return resolve_model("m", Model(**(MODEL | given))).spec


# --- Labels -------------------------------------------------------------------------------------


def test_an_image_has_none_one_or_several_labels() -> None:
    assert labels_of("") == ()
    assert labels_of("tench") == ("tench",)
    assert labels_of("Mass|Effusion | Hernia") == ("Mass", "Effusion", "Hernia")
    assert first_label("Mass|Effusion") == "Mass"
    assert first_label("") == ""


def test_words_of_roles() -> None:
    assert [parse_role(one) for one in RANKED] == [Role("rank", k) for k in range(1, 6)]
    assert parse_role("label") == Role("label", 0)
    assert parse_role("class:0") == Role("class", 0)
    assert parse_role("class:070") == Role("class", 70)
    for text in ("", "top1", "top6", "top", "class:", "class:-1", "class:1.5", "Predicted", "cat"):
        assert parse_role(text) is None


def test_a_role_is_an_output_of_the_model() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.7, 0.2, 0.6]])
    for role, expected in (("predicted", [1, 0]), ("top3", [0, 1]), ("class:2", [2, 2])):
        assert role_targets(role, scores, ["", ""], None, "m").tolist() == expected
    for role, message in (
        ("top4", "Model m has 3 outputs: there is no top4"),
        ("class:3", "Model m has the outputs 0 to 2, not 3"),
        ("top6", "The role 'top6' is none of predicted, label, top2 to top5, class:<number>"),
    ):
        with pytest.raises(SightlineError, match=message):
            role_targets(role, scores, ["", ""], None, "m")


def test_the_role_label_is_the_first_and_any_label_is_right() -> None:
    classes = Classes([[name] for name in CLASSES])
    labels = ["hernia|effusion", "mass"]
    targets = role_targets("label", torch.zeros(2, 3), labels, classes, "m")
    assert targets.tolist() == [2, 1]
    for predicted, right in (((0, 1), [1, 1]), ((2, 0), [1, 0]), ((1, 2), [0, 0])):
        assert correctness(predicted, labels, classes).tolist() == right
    assert correctness([0], [""], classes).tolist() == [-1]


# --- Configuration ------------------------------------------------------------------------------


def test_the_task_is_part_of_a_model_only_where_it_is_not_the_usual_one() -> None:
    assert "task" not in spec()
    assert spec(task="single") == spec()
    assert spec(task="multilabel") == spec() | {"task": "multilabel"}
    assert load_classifier(spec(task="multilabel")).task == "multilabel"
    assert load_classifier(spec()).task == "single"


@pytest.mark.parametrize("roles", [["predicted", "top2"], ["top5"]])
def test_there_is_no_next_best_answer_of_several(tmp_path: Path, roles: list[str]) -> None:
    given = {
        "study": "s",
        "images": {"source": "photos"},
        "models": {"one": MODEL, "many": MODEL | {"task": "multilabel"}},
        "methods": ["gradcam"],
        "roles": roles,
    }
    with pytest.raises(SightlineError, match=r"roles: top\d means nothing of many, .* multilabel"):
        ResolvedStudy(given)
    assert ResolvedStudy(given | {"roles": ["predicted", "label", "class:2"]})
    del given["models"]["many"]  # type: ignore[attr-defined]
    assert ResolvedStudy(given)


# --- Probabilities ------------------------------------------------------------------------------


class Twins(nn.Module):
    """Two outputs that always are the same: a tenth of the sum of the left half."""

    def forward(self, images: Tensor) -> Tensor:
        half = images[:, :, :, : images.shape[3] // 2]
        return half.sum(dim=(1, 2, 3))[:, None].expand(-1, 2) / 10


def twins(task: Task) -> Classifier:
    return Classifier(Twins(), Preprocessing((16, 16)), name="twins", task=task)


def test_each_output_has_a_probability_of_its_own() -> None:
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    logits = Twins()(images)
    expected = 1 / (1 + torch.exp(-logits))
    torch.testing.assert_close(twins("multilabel").scores(images, "probability"), expected)
    torch.testing.assert_close(twins("multilabel").scores(images), logits)
    half = torch.full((4, 2), 0.5)
    torch.testing.assert_close(twins("single").scores(images, "probability"), half)


@pytest.mark.parametrize(
    ("method", "settings", "of_nothing"),
    [
        ("rise", {"masks": 200, "keep": 0.5, "cells": 4}, 0.5),
        ("lime", {"samples": 200, "segments_by": "grid", "segments": 4}, 0.0),
    ],
)
def test_masked_copies_are_scored_by_the_models_probability(
    method: str, settings: dict[str, Any], of_nothing: float
) -> None:
    """Twins share the softmax evenly, whatever is shown; each one's sigmoid sees the left half."""
    entry = CATALOGUE[method]
    images = torch.full((1, 3, 16, 16), 0.05)
    maps = {}
    for task in get_args(Task):
        given = entry.settings(**settings)
        maps[task] = entry.load()(twins(task), images, torch.tensor([0]), [3], given).maps[0]
    nothing = torch.full_like(maps["single"], of_nothing)
    torch.testing.assert_close(maps["single"], nothing, atol=1e-5, rtol=0)
    left, right = maps["multilabel"].split(8, dim=1)
    assert left.mean() > right.mean() + 0.01


# --- Jobs ---------------------------------------------------------------------------------------

LABELS = ("mass|effusion", "hernia", "effusion", "", "mass|hernia", "effusion|hernia")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A shard of images with several labels, one, or none."""
    draws = np.random.default_rng(0)
    rows = []
    for number, label in enumerate(LABELS):
        pixels = draws.integers(0, 255, (24, 24, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append({"path": f"{number}.png", "label": label})
    pd.DataFrame(rows).to_csv(tmp_path / "list.csv", index=False)
    output = tmp_path / "images.zip"
    source = {"source": "manifest", "path": str(tmp_path / "list.csv"), "count": None}
    make_shard(source, 0, "000000-000005", output)
    return output


def test_predictions_hold_every_output_and_accuracy_the_area_of_each(
    images: Path, tmp_path: Path
) -> None:
    several = spec(task="multilabel")
    predict_range("many", several, images, tmp_path / "many.csv", device="cpu")
    predict_range("one", spec(), images, tmp_path / "one.csv", device="cpu")
    files = [tmp_path / "many.csv", tmp_path / "one.csv"]
    merge_predictions(files, tmp_path / "predictions.csv", tmp_path / "accuracy.csv")
    table = pd.read_csv(tmp_path / "predictions.csv", keep_default_na=False)
    many = table[table["model"] == "many"]
    assert len(many) == len(LABELS) * len(CLASSES)
    assert (many.groupby("image_id")["probability"].sum() != 1).all()
    areas = []
    for name in CLASSES:
        own = many[(many["class"] == name) & (many["label"] != "")]
        has = own["label"].str.split("|").map(lambda labels, name=name: name in labels)
        assert (own["correct"].astype(float) == has.astype(float)).all()
        pairs = own[has]["probability"].to_numpy()[:, None] - own[~has]["probability"].to_numpy()
        areas.append(np.mean((pairs > 0) + (pairs == 0) / 2))
    accuracy = pd.read_csv(tmp_path / "accuracy.csv", index_col="model")
    assert accuracy.loc["many", "auc"] == pytest.approx(np.mean(areas))
    assert accuracy.loc["many", ["top1", "top5"]].isna().all()
    assert accuracy["labelled"].tolist() == [5, 5]
    # With one class an image, an image is answered rightly by any of its labels.
    one = table[(table["model"] == "one") & (table["rank"] == 1) & (table["label"] != "")]
    right = [row["class"] in row["label"].split("|") for _, row in one.iterrows()]
    assert accuracy.loc["one", "top1"] == pytest.approx(np.mean(right))
    assert np.isnan(accuracy.loc["one", "auc"])


def test_predictions_are_put_together_a_file_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for model, part in product("abc", range(3)):
        ids = [f"{part}/{i // 5}" for i in range(2000)]
        rows = {"model": model, "image_id": ids, "label": "cat", "class": "cat"}
        rows |= {"rank": [1, 2, 3, 4, 5] * 400, "target": 1, "probability": 0.5}
        rows |= {"correct": ["True", *["False"] * 9] * 200, "task": "single", "parameters": 7}
        files.append(tmp_path / f"{model}-{part}.csv")
        pd.DataFrame(rows).to_csv(files[-1], index=False)
    tables: list[weakref.ref[pd.DataFrame]] = []
    sizes, held = [], []
    read = pd.read_csv

    def watched(path: Path, **options: Any) -> pd.DataFrame:
        sizes.extend(one.stat().st_size for one in tmp_path.glob(".predictions.*"))
        held.append(sum(one() is not None for one in tables))
        tables.append(weakref.ref(found := read(path, **options)))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(pd, "read_csv", watched)
        merge_predictions(files, tmp_path / "predictions.csv", tmp_path / "accuracy.csv")
    assert len(sizes) == len(files)
    assert all(later > earlier + 20_000 for earlier, later in pairwise(sizes))
    assert max(held) <= 2
    accuracy = pd.read_csv(tmp_path / "accuracy.csv")
    assert accuracy["model"].tolist() == ["a", "b", "c"]
    assert accuracy[["images", "top1", "top5"]].to_numpy().tolist() == [[1200, 0.5, 0.5]] * 3
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 9 * 2000


def test_the_command_counts_each_model_once(tmp_path: Path) -> None:
    for model, part in product("ab", ("000000-000000", "000001-000001")):
        path = tmp_path / model / f"{part}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "model,image_id,label,rank,target,class,probability,correct,task,parameters\n"
            f"{model},{part},cat,1,3,cat,0.5,True,single,9\n"
        )
    predictions(
        str(tmp_path / "{model}/{range}.csv"),
        ranges="000000-000000,000001-000001",
        models="a,b",
        output=tmp_path / "predictions.csv",
        accuracy=tmp_path / "accuracy.csv",
    )
    found = pd.read_csv(tmp_path / "accuracy.csv")
    assert found[["model", "images"]].to_numpy().tolist() == [["a", 2], ["b", 2]]


def test_confidence_is_the_explained_outputs_own_probability(images: Path, tmp_path: Path) -> None:
    entry = CATALOGUE["gradcam"]
    job = Job(
        model_id="m",
        method_id="gradcam",
        model=spec(task="multilabel"),
        method={"method": "gradcam"},
        function=entry.load(),
        settings=entry.settings(),
        score=entry.score,
        needs_layer=entry.needs_layer,
        seed=0,
        roles=("predicted", "class:1"),
        version="0",
    )
    explain_range(job, images, tmp_path / "maps.h5", Loading(device="cpu"))
    maps = read_maps(tmp_path / "maps.h5")
    expected = 1 / (1 + np.exp(-maps.score.astype(float)))
    np.testing.assert_allclose(maps.confidence, expected, rtol=1e-5)
    predicted = maps.role == "predicted"
    assert (maps.explained[predicted] == maps.predicted[predicted]).all()
    assert (maps.confidence[predicted] >= maps.confidence[~predicted]).all()
