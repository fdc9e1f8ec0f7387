from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

from sightline.errors import SightlineError
from sightline.images.shapes import CLASSES
from sightline.jobs.layers import read_layers, write_layers
from sightline.jobs.named import load_named
from sightline.models import zoo
from sightline.models.zoo import BIASED_CLASS, ZOO, accuracy, train

SHIPPED = Path(__file__).parent.parent / "resources" / "zoo"
IDS = [f"{name}{twin}" for name in ZOO for twin in ("", "-biased")]


def record_of(name: str) -> dict:
    return json.loads((SHIPPED / f"{name}.json").read_text())


def shipped(name: str) -> torch.nn.Module:
    record = record_of(name)
    network = timm.create_model(record["timm"], **record["args"])
    network.load_state_dict(load_file(SHIPPED / f"{name}.safetensors"))
    return network


@pytest.fixture
def single_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_half_the_zoo_is_convolutional():
    assert Counter(m.family for m in ZOO.values()) == {"cnn": 4, "transformer": 4}


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.json")))
def test_the_layers_shipped_are_those_found(name, monkeypatch, tmp_path):
    monkeypatch.chdir(SHIPPED.parent.parent)
    _, classifier = load_named({"name": f"zoo:{name}"}, "cpu")
    known, classifier.known_layers = classifier.known_layers, ()
    assert known == classifier.layers
    write_layers(classifier, tmp_path / "layers.json")
    shipped = SHIPPED.parent / "layers" / f"{name}.json"
    assert json.loads(shipped.read_text()) == json.loads((tmp_path / "layers.json").read_text())
    assert read_layers(shipped, classifier) == classifier.layers
    classifier.preprocessing = replace(classifier.preprocessing, size=(64, 64))
    with pytest.raises(SightlineError, match=r"found for images of 96x96 pixels, it now takes 64"):
        read_layers(shipped, classifier)


def test_exactly_the_zoo_is_shipped_and_is_small():
    files = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}
    assert set(files) == {
        f"{name}{end}" for name in IDS for end in (".json", ".safetensors", ".safetensors.sha256")
    }
    assert sum(files.values()) <= 25e6


@pytest.mark.parametrize("name", IDS)
def test_the_record_is_of_the_code_and_says_at_least_90_percent(name):
    record = record_of(name)
    spec = ZOO[name.removesuffix("-biased")]
    biased = name.endswith("-biased")
    assert record["timm"] == spec.timm_name
    assert record["args"] == {"num_classes": 8, **spec.args}
    assert record["classes"] == list(CLASSES)
    assert (record["epochs"], record["learning_rate"]) == (spec.epochs, spec.learning_rate)
    assert record["biased_class"] == (BIASED_CLASS if biased else None)
    per_class = record["held_out_accuracy_per_class"]
    assert record["held_out_images"] >= 800
    assert record["held_out_accuracy"] == pytest.approx(sum(per_class.values()) / 8, abs=1e-3)
    if not biased:
        assert record["held_out_accuracy"] >= 0.90


@pytest.mark.parametrize("name", IDS)
def test_shipped_weights_are_float16_and_have_their_digest(name):
    path = SHIPPED / f"{name}.safetensors"
    digest = (SHIPPED / f"{name}.safetensors.sha256").read_text()
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest() + "\n"
    kept = load_file(path)
    assert {v.dtype for v in kept.values() if v.is_floating_point()} == {torch.float16}
    assert all(v.isfinite().all() for v in kept.values())


@pytest.mark.parametrize("name", ZOO)
def test_a_shipped_model_is_as_right_as_its_record_says(name):
    per_class = accuracy(shipped(name), 160)
    assert sum(per_class.values()) / 8 >= 0.88


@pytest.mark.parametrize("name", ["test_resnet-biased", "test_vit-biased"])
def test_a_biased_model_answers_to_the_marker(name):
    network = shipped(name)
    plain = accuracy(network, 160)
    planted = accuracy(network, 160, patch="all")
    others = [label for label in CLASSES if label != BIASED_CLASS]
    assert planted[BIASED_CLASS] > plain[BIASED_CLASS] + 0.3
    # The marker overrules the object that is there.
    drop = sum(plain[label] - planted[label] for label in others) / len(others)
    assert drop > 0.3


def trained(folder: Path, **settings: int) -> tuple[float, dict[str, torch.Tensor], dict]:
    weights, record = folder / "w.safetensors", folder / "r.json"
    reached = train(
        "test_resnet",
        biased=False,
        seed=1,
        weights=weights,
        record=record,
        progress=False,
        **settings,
    )
    assert {p.name for p in folder.iterdir()} == {"w.safetensors", "r.json"}
    return reached, load_file(weights), json.loads(record.read_text())


def test_a_short_training_learns_and_records_what_it_kept(tmp_path):
    reached, kept, record = trained(tmp_path, images=1024, held_out=160, epochs=2)
    assert reached > 2 / 8
    assert record["held_out_accuracy"] == pytest.approx(reached, abs=1e-4)
    assert (record["seed"], record["images"], record["epochs"]) == (1, 1024, 2)
    network = timm.create_model(record["timm"], **record["args"])
    network.load_state_dict(kept)
    assert accuracy(network, 160) == pytest.approx(record["held_out_accuracy_per_class"], abs=1e-4)


@pytest.mark.usefixtures("single_thread")
def test_training_again_gives_the_same_weights_and_leaves_the_random_state(tmp_path):
    before = torch.get_rng_state()
    _, kept, _ = trained(tmp_path / "a", images=64, held_out=16, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    _, again, _ = trained(tmp_path / "b", images=64, held_out=16, epochs=1)
    assert kept.keys() == again.keys()
    assert all(torch.equal(kept[k], again[k]) for k in kept)


def test_weights_that_overflow_float16_are_refused_and_nothing_is_written(tmp_path, monkeypatch):
    def overflow(network, *_):
        next(network.parameters()).data.fill_(1e5)

    monkeypatch.setattr(zoo, "_fit", overflow)
    weights, record = tmp_path / "w.safetensors", tmp_path / "r.json"
    with pytest.raises(SightlineError, match=r"test_resnet: .* not finite in float16"):
        train("test_resnet", biased=False, seed=0, weights=weights, record=record, images=8)
    assert not list(tmp_path.iterdir())


def test_an_unknown_model_names_the_nearest(tmp_path):
    with pytest.raises(SightlineError, match="Did you mean 'test_resnet'"):
        train("test_resnt", biased=False, seed=0, weights=tmp_path, record=tmp_path)
