"""The room that a study's results take, estimated by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sightline.study.estimates.demand import Demands
from sightline.study.estimates.plan import Plan
from sightline.study.estimates.speeds import Speeds
from sightline.study.resolve import ResolvedStudy

NAMES = ("resnet18", "resnet34", "resnet50")


def study(**given: Any) -> ResolvedStudy:
    return ResolvedStudy(
        {
            "study": "room",
            "images": {"source": "shapes", "count": 20},
            "models": {name: {"name": name, "pretrained": False} for name in NAMES},
            "methods": {"gradcam": None, "saliency": None},
        }
        | given
    )


def room(resolved: ResolvedStudy) -> dict[str, float]:
    return Plan(resolved, Demands(resolved, Speeds(), "cpu")).storage()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_maps_of_altered_images_keep_some_of_the_images() -> None:
    plain = room(study())
    # Two alterations, each of all images.
    given = {"attack": {"attacks": ["fgsm"], "epsilons": [0.05, 0.1]}}
    altered = room(study(evaluate=given))
    own, pictures = plain["maps"], 3 * 2 * 16 * 3 * 224 * 224
    assert altered["maps"] == pytest.approx(own + 2 * (own + pictures))
    assert (plain["experiments"], altered["experiments"] > 0) == (0, True)


def test_every_pair_keeps_what_its_measures_say() -> None:
    measures = {"cosine": None, "kappa": {"cuts": [0.4, 0.7]}}
    resolved = study(compare={"measures": measures, "grid": 224})
    found = room(resolved)
    # Three pairs: a float32, and counts above two cuts by two, of 50,176 pixels at most.
    of_models = 20 * (230 + 3 * 12 + 3 * (4 + 2 * 4))
    # One pair of methods, of each of three models.
    of_methods = 20 * (230 + 2 * 12 + 1 * (4 + 2 * 4))
    kept = 2 * (60_000 + 3 * 2 * (800 + 450))
    means = 3 * 8 * (14 * 14 + 224 * 224)
    assert found["comparisons"] == 2 * of_models + 3 * of_methods + kept + means
    assert found["consensus"] == 2 * 20 * (230 + 4 * 56**2 + 3 * (2 * 14**2 + 20))
    finer = room(study(compare={"measures": measures, "grid": 256}))
    assert finer["comparisons"] - found["comparisons"] == 2 * 4 * 20 * (2 * 3 + 3 * 1)


def test_originals_are_copied_for_each_length_of_ranges(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(20):
        Image.new("RGB", (8, 8)).save(tmp_path / f"photos/{number}.png")
    size = (tmp_path / "photos/0.png").stat().st_size
    images = {"source": "folder", "path": "photos"}
    assert room(study(images=images))["images"] == 20 * size
    # Of 10,000 passes an image, a job takes four.
    slow = {"gradcam": None, "rise": {"masks": 10_000}}
    resolved = study(images=images, methods=slow, compare={"second_seed": 0})
    assert len(resolved.ranges("rise")) == 5
    assert room(resolved)["images"] == 2 * 20 * size


def test_what_is_there_says_what_the_rest_will_take() -> None:
    images = {"source": "shapes", "count": 20}
    resolved = study(images=images, methods={"rise": {"masks": 10_000}})
    made = resolved.results / "consensus/rise/000000-000003.h5"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"x" * 400)
    assert room(resolved)["consensus"] == pytest.approx(5 * 400)
