"""The benchmarks measure what they say, of every method; the pages hold what they wrote."""

from __future__ import annotations

import warnings
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor

from conftest import quick_settings
from explaining import SEEDS, TARGETS
from project import ROOT
from sightline.compare.catalogue import MEASURES
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.models.zoo import BIASED_CLASS, ZOO

PAGE = ROOT / "docs/methods.md"


@pytest.fixture(scope="module")
def benches() -> Any:
    """The modules of benchmarks/, which lie beside each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages they compare with
        import bias
        import comparison
        import floors
        import methods
        import precision
    return {
        "bias": bias, "comparison": comparison, "floors": floors, "methods": methods,
        "precision": precision,
    }  # fmt: skip


def test_every_method_has_a_line_whose_settings_it_takes(benches: Any) -> None:
    lines = benches["methods"].LINES
    assert set(CATALOGUE) <= set(lines), "benchmarks/methods.py needs a line of every method"
    for name, method in CATALOGUE.items():
        method.settings(**lines[name].settings)
        method.settings(**benches["precision"].SETTINGS.get(name, {}))


@pytest.mark.parametrize(("name", "layer"), [("resnet18", "layer3"), ("test_vit", "blocks.3")])
def test_a_model_cut_in_two_by_hand_is_the_model(benches: Any, name: str, layer: str) -> None:
    size = 64 if name == "resnet18" else 160
    torch.manual_seed(0)
    classifier = Classifier(timm.create_model(name).eval(), Preprocessing((size, size)))
    module = classifier.module.to(memory_format=torch.channels_last).requires_grad_(False)
    images = torch.randn(2, 3, size, size)
    first, rest = benches["floors"].cut(module, layer)
    leaf = first(images).requires_grad_()
    torch.testing.assert_close(rest(leaf), module(images))
    targets = torch.tensor([3, 5])
    (gradient,) = torch.autograd.grad(rest(leaf).gather(1, targets[:, None]).sum(), leaf)
    found = next(one for one in classifier.layers if one.name == layer)
    ((_, expected),) = classifier.gradients_at(found, images, targets)
    torch.testing.assert_close(
        found.maps[0].spatial(gradient),
        expected,
        atol=1e-5 * float(expected.abs().max()),
        rtol=1e-4,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gradcam", {"to layer": 3}),
        ("eigencam", {"forward": 3}),
        ("saliency", {"to image": 3}),
        ("scorecam", {"forward": 3 * 13}),
        ("abscam_final", {"forward": 3 * 12, "to layer": 3}),
        ("guided_gradcam", {"to image": 3, "to layer": 3}),
        ("smoothgrad", {"to image": 3 * 4}),
        ("integrated_gradients", {"to image": 3 * 5, "forward": 3 + 1}),
        ("kernelshap", {"forward": 3 * 20}),
    ],
)
def test_passes_are_counted_by_kind(
    benches: Any, name: str, expected: dict[str, int], classifier: Classifier, images: Tensor
) -> None:
    _ = classifier.layers

    def run() -> None:
        CATALOGUE[name].load()(classifier, images, TARGETS, SEEDS, quick_settings(name))

    grad = torch.autograd.grad
    assert benches["floors"].passes(classifier, run) == Counter(expected)
    assert torch.autograd.grad is grad


def test_the_ratio_is_ours_over_the_bare_passes(benches: Any) -> None:
    seconds = {
        "ours": [3.0, 6.0, 30.0],
        "forward 8": [1.0, 2.0, 4.0],
        "forward 16": [9.0, 9.0, 9.0],
        "to layer 8": [2.0, 4.0, 8.0],
    }
    timed = benches["methods"].TIMED
    counts = Counter({"forward": timed, "to layer": timed // 2})
    found = benches["methods"]._ratio(counts, seconds)
    assert found == {"bare": "4", "ratio": "1.5"}  # 3 / 2, 6 / 4, 30 / 8
    assert benches["methods"]._ratio(Counter(), seconds) == {"bare": "", "ratio": ""}


def test_the_page_holds_what_was_measured(benches: Any, tmp_path: Path) -> None:
    methods, precision = benches["methods"], benches["precision"]
    text = PAGE.read_text()
    rows, inside = (methods.read(ROOT / "docs" / f"{one}.csv") for one in ("methods", "inside"))
    assert methods.block(text, "methods", methods.table(rows, inside)) == text, "run --page"
    fewer = methods.read(ROOT / "docs/precision.csv")
    assert methods.block(text, "precision", precision.table(fewer)) == text


def test_new_lines_take_the_place_of_old_ones(benches: Any, tmp_path: Path) -> None:
    methods = benches["methods"]
    (tmp_path / "methods.md").write_text("before\n<!-- methods -->\nold\n<!-- end -->\nafter\n")
    line = dict.fromkeys(methods.COLUMNS, "") | {
        "method": "saliency", "model": "resnet18", "seconds": "0.1", "ratio": "1.02",
        "peer": "captum", "version": "1", "speed": "2", "machine": "here",
    }  # fmt: skip
    methods.write([line, line | {"peer": "other"}], tmp_path)
    methods.write([line | {"method": "gradcam"}], tmp_path)
    methods.write([line | {"ratio": "1.04"}], tmp_path)
    found = [
        (row["method"], row["ratio"], row["peer"]) for row in methods.read(tmp_path / "methods.csv")
    ]
    assert found == [("gradcam", "1.02", "captum"), ("saliency", "1.04", "captum")]
    page = (tmp_path / "methods.md").read_text()
    assert page.startswith("before\n<!-- methods -->\nMeasured on here.\n")
    assert page.endswith("<!-- end -->\nafter\n")
    assert (
        "| `saliency` | Simonyan et al. 2014, arXiv:1312.6034 | yes | no | 1 forward, 1 backward"
        in page
    )
    assert "1.04 (resnet18) | captum 1: 2.00 (resnet18)" in page


def test_the_cost_of_every_measure_is_measured(benches: Any) -> None:
    found = benches["comparison"].costs(16, images=2, repeats=1)
    assert list(found) == list(MEASURES)
    maps = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    counts = benches["comparison"].counts(maps)
    for a, b in product(range(3), repeat=2):
        one, other = (maps[:, m].ravel() > 0.5 for m in (a, b))
        assert (counts[a, b] == confusion_matrix(one, other)).all()


def test_rank_correlation_of_maps(benches: Any) -> None:
    exact = torch.tensor([[[1.0, 2], [3, 4]], [[1, 2], [3, 4]], [[0, 0], [0, 0]]])
    found = torch.tensor([[[1.0, 20], [30, 400]], [[4, 3], [2, 1]], [[0, 0], [0, 1]]])
    values = benches["precision"].correlations(found, exact)
    assert values[:2].tolist() == pytest.approx([1, -1])
    assert values[2] != values[2]


def test_the_search_for_a_bias_is_counted_by_models(benches: Any) -> None:
    bias = benches["bias"]
    assert set(bias.METHODS) <= set(CATALOGUE)
    found = pd.DataFrame(
        [
            ("a", "marker", "marked", "mean", "gradcam", "star", "star"),
            ("b", "marker", "marked", "mean", "gradcam", "star|moon", "moon"),
            ("a", "marker", "marked", "mean", "saliency", "star", ""),
            ("a", "object", "plain", "mean", "gradcam", "", ""),
        ],
        columns=[*bias.KEYS, "answers_say", "both_say"],
    )
    lines = bias.page(found).splitlines()
    assert lines[0].endswith("| gradcam | saliency |")
    assert lines[2] == "| marker | marked | mean | 2 of 2, others 1 | 1 of 2, others 1 | 0 of 1 |"
    assert lines[3] == "| object | plain | mean | 0 of 1 | 0 of 1 | 0 of 0 |"


def test_every_row_of_the_search_for_a_bias_is_of_the_zoo(benches: Any) -> None:
    """Of twins on images with the marker the marked class is found, where it is measured."""
    bias = benches["bias"]
    rows = pd.read_csv(ROOT / "docs/bias.csv").fillna({"answers_say": "", "both_say": ""})
    assert not rows.duplicated(bias.KEYS).any()
    assert set(rows["model"]) <= set(ZOO)
    assert set(rows["method"]) <= set(bias.METHODS)
    twins = rows[(rows["learnt"] == "marker") & (rows["images"] == "marked")]
    assert set(twins["answers_say"]) == {BIASED_CLASS}
    for line in bias.page(rows).splitlines():
        assert line in (ROOT / "docs/evaluation.md").read_text()
