"""Models by every form of name: made, fetched and loaded as their origin itself would."""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import random
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from timm.models import get_pretrained_cfg
from timm.models._hub import save_for_hf
from torch import Tensor, nn

from project import ROOT, Project
from server import serving
from sightline.errors import SightlineError
from sightline.images.decode import decode
from sightline.jobs import named
from sightline.jobs.named import load_named
from sightline.models import fetch, sources
from sightline.models.checkpoint import read_state, without_prefixes
from sightline.models.classifier import Classifier
from sightline.models.fetch import fetch_weights
from sightline.models.hub import MissingFileError
from sightline.models.load import load_classifier
from sightline.models.names import ModelName, parse_name, timm_names, torchvision_names
from sightline.models.preprocessing import Preprocessing
from sightline.models.vision import torchvision_input
from sightline.study.config import Model
from sightline.study.models import ResolvedModel, resolve_model
from sightline.study.resolve import ResolvedStudy

IMAGES = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def resolved(name: str, **given: Any) -> ResolvedModel:
    return resolve_model("m", Model(name=name, **given))


def loaded(name: str, weights: Path | None = None, **given: Any) -> Classifier:
    return load_classifier(resolved(name, **({"weights": weights} | given)).spec, weights)


def made(seed: int, **args: Any) -> nn.Module:
    torch.manual_seed(seed)
    return timm.create_model("test_resnet", **args).eval()


def states_equal(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def assert_same_scores(found: Classifier, expected: nn.Module, images: Tensor = IMAGES) -> None:
    with torch.inference_mode():
        truth = expected.eval()(images)
    torch.testing.assert_close(found.scores(images), truth, rtol=1e-4, atol=1e-5)


# --- Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("resnet18", ModelName("timm", "resnet18")),
        ("resnet18.a1_in1k", ModelName("timm", "resnet18.a1_in1k")),
        ("hf-hub:timm/resnet18.a1_in1k", ModelName("hf-hub", "timm/resnet18.a1_in1k")),
        ("hf-hub:me/my-model@v1", ModelName("hf-hub", "me/my-model@v1")),
        ("torchvision:vgg16", ModelName("torchvision", "vgg16")),
        ("torchvision:vgg16.IMAGENET1K_V1", ModelName("torchvision", "vgg16", "IMAGENET1K_V1")),
        ("my.models:tiny", ModelName("factory", "my.models:tiny")),
        ("zoo:test_vit", ModelName("zoo", "test_vit")),
    ],
)
def test_forms_of_names(text: str, parsed: ModelName) -> None:
    assert parse_name(text) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no model's name: expected a timm model, hf-hub:USER/REPOSITORY"),
        ("../x", "is no model's name"),
        ("hf-hub:resnet18", "is no model's name"),
        ("hf-hub:a/../b", "is no model's name"),
        ("hf_hub:a/b", "is no model's name.* Did you mean hf-hub:"),
        ("torchvision:vgg16/x", "is no model's name"),
        ("my models:tiny", "is no model's name"),
        ("resnt18", "Unknown timm model 'resnt18'. Did you mean 'resnet18'"),
        ("resnet18.a1_in1", "Unknown weights of timm's resnet18 'a1_in1'. Did you mean 'a1_in1k'"),
        ("torchvision:vg16", "Unknown torchvision model 'vg16'. Did you mean 'vgg16'"),
        ("torchvision:vgg16.V1", "Unknown weights of torchvision's vgg16 'V1'"),
        ("torchvision:fasterrcnn_resnet50_fpn", "Unknown torchvision model"),
        ("torchvison:vgg16", "no installed package torchvison. Did you mean torchvision:vgg16"),
        ("zoo:nonesuch", "Unknown model of the zoo 'nonesuch'"),
    ],
)
def test_wrong_names_are_refused_before_any_job(text: str, message: str) -> None:
    with pytest.raises(SightlineError, match=rf"models\.m\.name: .*{message}"):
        resolved(text)


def test_names_read_from_sources_are_the_registered_ones() -> None:
    vision = torchvision.models
    known = vision.list_models(module=vision)
    weights = {name: set(vision.get_model_weights(name)._member_names_) for name in known}
    assert {name: set(tags) for name, tags in torchvision_names().items()} == weights
    assert set(timm.list_models()) <= timm_names().keys()
    for name in timm.list_models(pretrained=True):
        model, _, tag = name.partition(".")
        assert tag in timm_names()[model] or not timm_names()[model]


def test_each_name_has_weights_of_its_own() -> None:
    names = (
        *("resnet18", "resnet18.a1_in1k", "hf-hub:timm/resnet18.a1_in1k", "hf-hub:timm/a@b"),
        *("torchvision:resnet18", "torchvision:resnet18.IMAGENET1K_V1", "torchvision:alexnet"),
    )
    files = [resolved(name).weights for name in names]
    assert len({str(file) for file in files}) == len(names)
    for file in files:
        assert file is not None
        assert file.is_relative_to("resources/weights")
        assert ".." not in file.parts


# --- Fetched weights of timm and the hub --------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the hub's repositories."""
    folder = tmp_path / "repository"
    folder.mkdir()

    def hub_file(_repository: str, file: str, _revision: str | None = None) -> Path:
        if not (folder / file).exists():
            raise MissingFileError(f"holds no {file}")
        return folder / file

    monkeypatch.setattr(fetch, "hub_file", hub_file)
    monkeypatch.chdir(tmp_path)
    return folder


def fetched(name: str, **given: Any) -> Classifier:
    """A model whose weights are fetched into the current folder, then loaded."""
    found = resolved(name, **given)
    assert found.weights is not None
    if not found.weights.exists():
        fetch_weights(name, *found.files)
    sha256 = found.files[1].read_text().strip()
    return load_classifier(found.spec, found.weights, sha256=sha256)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_timms_weights_are_fetched_and_loaded(repository: Path, file: str) -> None:
    truth = made(1)
    write = save_file if file.endswith("safetensors") else torch.save
    write(truth.state_dict(), repository / file)
    found = fetched("test_resnet")
    assert states_equal(found.module, truth)
    assert_same_scores(found, truth)
    assert sorted(path.name for path in Path("resources/weights/timm").iterdir()) == [
        "test_resnet.safetensors",
        "test_resnet.safetensors.sha256",
        "test_resnet.safetensors.tag",
    ]


def test_weights_of_another_default_than_timms_are_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(made(1).state_dict(), repository / "model.safetensors")
    fetched("test_resnet")
    fetched("test_resnet.r160_in1k")
    tags = [path.name for path in Path("resources/weights/timm").glob("*.tag")]
    assert tags == ["test_resnet.safetensors.tag"]
    newer = replace(get_pretrained_cfg("test_resnet"), tag="a2_in12k")
    monkeypatch.setattr(sources, "get_pretrained_cfg", lambda _name: newer)
    with pytest.raises(
        SightlineError, match=r"test_resnet\.r160_in1k, but .* are test_resnet\.a2_in12k\. Name"
    ):
        fetched("test_resnet")
    fetched("test_resnet.r160_in1k")
    Path("resources/weights/timm/test_resnet.safetensors.tag").unlink()
    fetched("test_resnet")


def test_timm_adapts_fetched_weights_to_another_image_size(repository: Path) -> None:
    torch.manual_seed(1)
    truth = timm.create_model("test_vit").eval()
    save_file(truth.state_dict(), repository / "model.safetensors")
    found = fetched("test_vit", args={"img_size": 96})
    assert found.preprocessing.size == (96, 96)
    # timm's own: the same weights, positions resampled.
    overlay = {"file": str(repository / "model.safetensors")}
    own = timm.create_model("test_vit", True, pretrained_cfg_overlay=overlay, img_size=96).eval()
    assert own.pos_embed.shape != truth.pos_embed.shape
    assert states_equal(found.module, own)
    assert_same_scores(found, own)


def test_another_number_of_classes_than_the_pretrained_is_refused(repository: Path) -> None:
    save_file(made(1).state_dict(), repository / "model.safetensors")
    with pytest.raises(SightlineError, match="weights have 1000 classes, args say 8"):
        fetched("test_resnet", args={"num_classes": 8})
    fetched("test_resnet", args={"num_classes": 1000})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("regnetz_b16_evos", "timm knows no weights of regnetz_b16_evos"),
        ("resnet50_clip_gap.openai", "a model without classes"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_by_name(
    repository: Path, name: str, message: str
) -> None:
    with pytest.raises(SightlineError, match=message):
        fetch_weights(name, Path("w.safetensors"), Path("w.sha256"))
    assert list(repository.parent.iterdir()) == [repository]


def test_every_origin_of_timms_weights_is_fetched_or_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = get_pretrained_cfg("test_resnet")
    changes: list[dict[str, Any]] = [
        {"hf_hub_id": None, "url": "http://127.0.0.1:9/x.npz", "custom_load": True},
        {"hf_hub_id": "a/b", "hf_hub_filename": "x.npz", "custom_load": "hf"},
        {"hf_hub_id": None, "url": None, "file": "x.npz"},
    ]
    for change in changes:
        with monkeypatch.context() as patched:
            for key, value in change.items():
                patched.setattr(config, key, value)
            patched.setattr(fetch, "get_pretrained_cfg", lambda _name: config)
            with pytest.raises(SightlineError, match=r"format of their own.*not supported"):
                fetch_weights("test_resnet", Path("w.safetensors"), Path("w.sha256"))
    # By its address alone, in a pickle with the digest in its name.
    truth = made(2)
    torch.save({"state_dict": truth.state_dict()}, "w.pth")
    digest = hashlib.sha256(Path("w.pth").read_bytes()).hexdigest()[:8]
    file = Path("w.pth").rename(f"w-{digest}.pth").absolute()
    monkeypatch.setattr(config, "hf_hub_id", None)
    monkeypatch.setattr(config, "url", file.as_uri())
    monkeypatch.setattr(fetch, "get_pretrained_cfg", lambda _name: config)
    assert states_equal(fetched("test_resnet").module, truth)
    file.write_bytes(file.read_bytes() + b"x")
    Path("resources/weights/timm/test_resnet.safetensors").unlink()
    with pytest.raises(SightlineError, match=f"has the sha256 .*, expected {digest}"):
        fetched("test_resnet")
    assert not list(Path("resources/weights/timm").glob("*.safetensors"))


def test_a_repository_is_built_by_its_own_configuration(repository: Path) -> None:
    torch.manual_seed(1)
    truth = timm.create_model("test_vit", num_classes=5, img_size=96).eval()
    truth.pretrained_cfg["mean"] = (0.1, 0.2, 0.3)
    truth.pretrained_cfg["input_size"] = (3, 96, 96)
    save_for_hf(truth, repository, model_args={"img_size": 96}, safe_serialization=True)
    found = fetched("hf-hub:me/tiny", classes=list("abcde"))
    assert states_equal(found.module, truth)
    assert_same_scores(found, truth)
    assert found.preprocessing.size == (96, 96)
    assert found.preprocessing.mean == (0.1, 0.2, 0.3)
    assert len(resolved("hf-hub:me/tiny").files) == 3
    with pytest.raises(SightlineError, match="weights have 5 classes, args say 8"):
        fetched("hf-hub:me/tiny", args={"num_classes": 8})
    with pytest.raises(SightlineError, match="has 5 outputs, its classes name 2"):
        fetched("hf-hub:me/tiny", classes=["a", "b"])
    found_files = resolved("hf-hub:me/tiny").files
    found_files[2].rename("elsewhere.json")
    with pytest.raises(SightlineError, match=r"timm cannot make me/tiny .*config\.json"):
        fetched("hf-hub:me/tiny")
    (repository / "config.json").write_text(json.dumps({"architecture": "BertModel"}))
    with pytest.raises(SightlineError, match="names 'BertModel' as its architecture"):
        fetch_weights("hf-hub:me/bert", *resolved("hf-hub:me/bert").files)


# --- torchvision --------------------------------------------------------------------------------


def serve_torchvision(
    folder: Path, name: str, seed: int, monkeypatch: Any, **args: Any
) -> nn.Module:
    """Put random weights in place of torchvision's, under a name with their digest."""
    torch.manual_seed(seed)
    module = torchvision.models.get_model(name, weights=None, **args)
    torch.save(module.state_dict(), folder / "w.pth")
    digest = hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()[:8]
    file = (folder / "w.pth").rename(folder / f"{name}-{digest}.pth")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    monkeypatch.setattr(weights.value, "url", file.absolute().as_uri())
    return module


@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet"])
def test_torchvisions_weights_are_loaded_by_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    args = {"init_weights": True, "aux_logits": True} if name == "googlenet" else {}
    truth = serve_torchvision(tmp_path, name, 1, monkeypatch, **args)
    hub = torch.hub.get_dir()
    found = fetched(f"torchvision:{name}")
    assert torch.hub.get_dir() == hub
    if name == "googlenet":
        truth.transform_input = True  # what torchvision sets for pretrained weights
        assert found.module.transform_input
        assert found.module.aux1 is None
    assert_same_scores(found, truth)
    assert found.preprocessing.size == (224, 224)
    with pytest.raises(SightlineError, match="weights have 1000 classes, args say 8"):
        fetched(f"torchvision:{name}", args={"num_classes": 8})
    if name == "googlenet":  # the other ends in no linear layer, whose outputs could be counted
        with pytest.raises(SightlineError, match="has 1000 outputs, its classes name 2"):
            fetched(f"torchvision:{name}", classes=["a", "b"])
    weights = resolved(f"torchvision:{name}").weights
    assert weights is not None
    monkeypatch.setattr(
        torchvision.models.get_model_weights(name).DEFAULT.value,
        "url",
        f"file:///{name}-{8 * 'a'}.pth",
    )
    with pytest.raises(SightlineError, match=r"of torchvision takes\. Delete it"):
        load_classifier(resolved(f"torchvision:{name}").spec, weights)
    assert torch.hub.get_dir() == hub


def test_a_torchvision_pickle_with_code_or_another_digest_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = torchvision.models.SqueezeNet1_1_Weights.DEFAULT
    torch.save({"a": Code()}, "code.pth")
    digest = hashlib.sha256(Path("code.pth").read_bytes()).hexdigest()[:8]
    for file, message in (
        (f"a-{digest}.pth", "needs code to load"),
        ("a-00000000.pth", "expected 00000000"),
    ):
        Path(file).write_bytes(Path("code.pth").read_bytes())
        monkeypatch.setattr(weights.value, "url", Path(file).absolute().as_uri())
        with pytest.raises(SightlineError, match=message):
            fetched("torchvision:squeezenet1_1")
        assert not list(Path("resources/weights/torchvision").iterdir())


def test_torchvisions_presets_resize_and_crop_the_same() -> None:
    pixels = torch.randint(0, 256, (300, 410, 3), generator=torch.Generator().manual_seed(0))
    image = Image.fromarray(pixels.to(torch.uint8).numpy())
    seen = set()
    for name, tags in torchvision_names().items():
        for tag in tags:
            own = torchvision_input(ModelName("torchvision", name, tag), {})
            preset = torchvision.models.get_model_weights(name)[tag].transforms()
            if own in seen:
                continue
            seen.add(own)
            assert own.size == (preset.crop_size[0],) * 2
            found, _ = own([image])
            torch.testing.assert_close(found[0], preset(image), rtol=1e-5, atol=2e-6)
    assert len(seen) > 20


def test_random_weights_and_checkpoints_of_torchvision(tmp_path: Path) -> None:
    one = loaded("torchvision:squeezenet1_1", pretrained=False)
    assert states_equal(loaded("torchvision:squeezenet1_1", pretrained=False).module, one.module)
    assert one.preprocessing.mean == (0.485, 0.456, 0.406)
    # A head of zeros would give every image the same scores.
    vit = loaded("torchvision:vit_b_32", pretrained=False, args={"image_size": 64})
    assert vit.preprocessing.size == (64, 64)
    assert vit.module.heads.head.weight.any()
    torch.manual_seed(3)
    own = torchvision.models.squeezenet1_1(weights=None, num_classes=4)
    torch.save({"model": own.state_dict(), "model_ema": None, "epoch": 3}, tmp_path / "own.pth")
    found = loaded("torchvision:squeezenet1_1", tmp_path / "own.pth")
    assert states_equal(found.module, own)
    assert_same_scores(found, own)


# --- Factories ----------------------------------------------------------------------------------

FACTORY = """
import timm, torch

def tiny(classes=8, configured=False):
    module = timm.create_model("test_resnet", num_classes=classes)
    if not configured:
        del module.pretrained_cfg, module.default_cfg
    return module

def number():
    return 3

def fails():
    raise KeyError("weights")

WORD = "tiny"
"""
INPUT = {"size": (96, 96), "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source of a package of factories in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "factories" / "small.py"
    path.parent.mkdir()
    path.write_text(FACTORY)
    for name in ("factories.small", "factories"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return path


def test_a_factory_makes_the_model(factory: Path) -> None:
    paths = list(sys.path)
    found = loaded("factories.small:tiny", args={"classes": 5}, input=INPUT, seed=4)
    assert sys.path == paths
    assert states_equal(found.module, made(4, num_classes=5))
    assert found.preprocessing == Preprocessing(**INPUT, interpolation="bilinear", crop_pct=1.0)
    configured = loaded("factories.small:tiny", args={"configured": True})
    assert configured.preprocessing.size == (160, 160)
    truth = made(9, num_classes=8)
    torch.save(truth.state_dict(), "own.pth")
    assert states_equal(loaded("factories.small:tiny", Path("own.pth"), input=INPUT).module, truth)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("tiny", {}, r"does not say how images become its input: set input\.size, input\.mean"),
        ("tiny", {"input": {"size": (9, 9), "std": (1, 1, 1)}}, r"set input\.mean\."),
        ("tiny", {"args": {"nonesuch": 1}, "input": INPUT}, "failed with args .*'nonesuch'"),
        ("number", {"input": INPUT}, "returned a int, expected a torch"),
        ("fails", {"input": INPUT}, r"failed with .*KeyError: 'weights' \(.*small\.py, line 14\)"),
        ("WORD", {"input": INPUT}, "WORD is a str, expected a function"),
        ("other", {"input": INPUT}, r"factories\.small has no other"),
    ],
)
def test_a_wrong_factory_is_said(
    factory: Path, name: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(SightlineError, match=message):
        loaded(f"factories.small:{name}", **given)


def test_a_factorys_arguments_are_its_authors(factory: Path) -> None:
    factory.write_text(
        "import timm\n"
        "def tiny(pretrained, weights=None):\n"
        "    return timm.create_model('test_resnet', num_classes=5 if pretrained else 6)\n"
    )
    found = loaded("factories.small:tiny", args={"pretrained": True, "weights": "x"}, input=INPUT)
    assert found.module.num_classes == 5
    with pytest.raises(SightlineError, match=r"models\.m\.args: pretrained cannot be set there"):
        resolved("test_resnet", args={"pretrained": True})


def test_a_factory_that_cannot_be_imported_is_said(factory: Path) -> None:
    with pytest.raises(SightlineError, match=r"no factories/large\.py in the folder where"):
        resolved("factories.large:tiny")
    with pytest.raises(SightlineError, match="pretrained says nothing about a factory"):
        resolved("factories.small:tiny", pretrained=False)
    factory.write_text("import nonesuch")
    with pytest.raises(SightlineError, match=r"cannot be imported.*nonesuch.*envs/explain\.yaml"):
        loaded("factories.small:tiny", input=INPUT)


def test_a_person_outside_a_project_has_the_checkouts_zoo_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, classifier = load_named({"name": "zoo:test_resnet"}, "cpu")
    assert found.weights == ROOT / "resources/zoo/test_resnet.safetensors"
    assert classifier.module.num_classes == 8
    with pytest.raises(SightlineError, match=r"'test_resnt'\. Did you mean 'test_resnet'"):
        load_named({"name": "zoo:test_resnt"}, "cpu")
    # A study has its own, whatever the package lies in.
    with pytest.raises(SightlineError, match="Unknown model of the zoo"):
        resolved("zoo:test_resnet")

    checkout = tmp_path / "checkout"
    (checkout / "resources/zoo").mkdir(parents=True)
    monkeypatch.setattr(named, "CHECKOUT", checkout)
    places = []

    def fetch_here(_name: str, weights: Path, digest: Path) -> None:
        places.append(weights.parent)
        weights.parent.mkdir(parents=True, exist_ok=True)
        save_file(made(1).state_dict(), weights)
        digest.write_text(hashlib.sha256(weights.read_bytes()).hexdigest() + "\n")

    monkeypatch.setattr(fetch, "fetch_weights", fetch_here)
    for _ in range(2):
        load_named({"name": "test_resnet"}, "cpu")
    Path("resources/weights").mkdir(parents=True)
    load_named({"name": "test_resnet"}, "cpu")
    assert places == [checkout / "resources/weights/timm", Path("resources/weights/timm")]

    file = Path("resources/weights/timm/test_resnet.safetensors")
    save_file(made(2).state_dict(), file)
    with pytest.raises(SightlineError, match=r"has the SHA-256 .* delete its \.sha256 file"):
        load_named({"name": "test_resnet"}, "cpu")
    file.with_name(f"{file.name}.sha256").unlink()
    assert states_equal(load_named({"name": "test_resnet"}, "cpu")[1].module, made(2))


def test_the_source_of_a_factory_is_part_of_its_model(factory: Path) -> None:
    before = resolved("factories.small:tiny").spec
    assert resolved("factories.small:tiny").spec == before
    factory.write_text(FACTORY + "\n# changed\n")
    after = resolved("factories.small:tiny").spec
    assert {key for key in before if before[key] != after[key]} == {"source"}
    # One of an installed package is not followed.
    assert resolved("timm.models:test_resnet").spec["source"] is None


# --- Checkpoints --------------------------------------------------------------------------------


class Code:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("pwned"),))


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


OWN, OTHER = made(1, num_classes=8).state_dict(), made(2, num_classes=8).state_dict()
WRAPPED: dict[str, Callable[[], Any]] = {
    "bare": lambda: OWN,
    "state_dict": lambda: {"state_dict": OWN, "epoch": 3},
    "nested": lambda: {"model": {"state_dict": OWN}, "optimizer": {"state": {}}},
    "timm": lambda: {
        **{"state_dict": OTHER, "state_dict_ema": OWN, "args": argparse.Namespace(lr=0.1)},
        **{"arch": "test_resnet", "metric": np.float64(71.2), "optimizer": {"state": {}}},
    },
    "torchvision": lambda: {
        "model": OTHER,
        "model_ema": {"n_averaged": torch.tensor(7), **prefixed(OWN, "module.")},
        "args": argparse.Namespace(output=Path("x")),
    },
    "ema": lambda: {"ema": OWN, "model": OTHER},
    "ema of nothing": lambda: {"ema": {"decay": 0.9}, "state_dict_ema": {}, "model": OWN},
    "no ema": lambda: {"model_ema": None, "state_dict_ema": None, "model": OWN},
    "parallel": lambda: {"state_dict": prefixed(OWN, "module.")},
    "compiled": lambda: prefixed(OWN, "_orig_mod."),
    "compiled parallel": lambda: prefixed(OWN, "_orig_mod.module."),
    "parallel compiled": lambda: prefixed(OWN, "module._orig_mod."),
    "lightning": lambda: {"state_dict": prefixed(OWN, "model.")},
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapper", WRAPPED)
def test_checkpoints_of_training_scripts(tmp_path: Path, wrapper: str, old: bool) -> None:
    path = tmp_path / "checkpoint.pth.tar"
    torch.save(WRAPPED[wrapper](), path, _use_new_zipfile_serialization=not old)
    found = loaded("test_resnet", path, args={"num_classes": 8})
    assert states_equal(found.module, made(1, num_classes=8))


def test_a_prefix_of_the_models_own_stays(factory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factory.write_text(
        "import torch\n"
        "class Wrapped(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.model = torch.nn.Conv2d(3, 2, 96)\n"
        "    def forward(self, images):\n"
        "        return self.model(images).flatten(1)\n"
    )
    weight, bias = torch.randn(2, 3, 96, 96), torch.randn(2)
    torch.save({"module.model.weight": weight, "module.model.bias": bias}, "own.pth")
    found = loaded("factories.small:Wrapped", Path("own.pth"), input=INPUT)
    assert torch.equal(found.module.model.weight, weight)


def test_half_a_prefix_is_no_prefix(tmp_path: Path) -> None:
    state = {f"module.{key}" if "fc" in key else key: value for key, value in OWN.items()}
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(SightlineError, match=r"2 keys are not the model's: module\.fc\.bias"):
        loaded("test_resnet", tmp_path / "odd.pth", args={"num_classes": 8})


def test_code_in_a_pickle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved = {"state_dict": OWN, "args": argparse.Namespace(), "extra": Code()}
    for old in (False, True):
        torch.save(saved, "code.pth", _use_new_zipfile_serialization=not old)
        with pytest.raises(SightlineError, match=r"needs code to load \(.*(getattr|pathlib).*\)"):
            loaded("test_resnet", Path("code.pth"), args={"num_classes": 8})
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("page.pth", b"<!DOCTYPE html><html>", r"no checkpoint \(it begins with b'<!DOCTYPE"),
        (
            "lfs.pth",
            b"version https://git-lfs.github.com/spec/v1\noid",
            r"begins with b'version http",
        ),
        (
            "lfs.safetensors",
            b"version https://git-lfs.github.com/spec/v1",
            r"begins with b'version",
        ),
        (
            "short.pt",
            pickle.dumps(119547037146038801333356, protocol=2),
            "damaged, or no checkpoint",
        ),
        ("empty.pth", b"", "the file is empty"),
        ("empty.safetensors", b"", "the file is empty"),
    ],
)
def test_what_is_no_checkpoint_is_said(
    tmp_path: Path, file: str, content: bytes, reason: str
) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(SightlineError, match=rf"{file} cannot be read: .*{reason}") as caught:
        loaded("test_resnet", tmp_path / file, args={"num_classes": 8})
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_damaged_checkpoints_are_only_ever_said(tmp_path: Path, kind: str) -> None:
    whole, damaged = tmp_path / "whole", tmp_path / "damaged.pth"
    state = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.ones(3)}
    if kind == "safetensors":
        damaged = damaged.with_suffix(".safetensors")
        save_file(state, whole)
    else:
        torch.save({"state_dict": state}, whole, _use_new_zipfile_serialization=kind == "zip")
    content = whole.read_bytes()
    draw = random.Random(0)
    refused = 0
    for number in range(150):
        changed = bytearray(content)
        if number % 5 == 0:
            del changed[draw.randrange(len(changed)) :]
        else:
            for _ in range(3):
                changed[draw.randrange(min(400, len(changed)))] = draw.randrange(256)
        damaged.write_bytes(changed)
        try:
            read_state(damaged, "m")
        except SightlineError as error:
            refused += 1
            assert str(damaged) in str(error)  # noqa: PT017
    assert refused > 50


def test_averaged_weights_of_nothing_are_passed_over(tmp_path: Path) -> None:
    counted = {"n_averaged": torch.tensor(1)}
    torch.save({"model_ema": counted}, tmp_path / "none.pth")
    with pytest.raises(SightlineError, match="holds no state_dict of tensors"):
        loaded("test_resnet", tmp_path / "none.pth", args={"num_classes": 8})
    torch.save({"model_ema": counted, "model": OWN}, tmp_path / "some.pth")
    found = loaded("test_resnet", tmp_path / "some.pth", args={"num_classes": 8})
    assert states_equal(found.module, made(1, num_classes=8))
    assert without_prefixes({}, OWN) == {}


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_checkpoint_brings_its_number_of_classes(tmp_path: Path, name: str) -> None:
    torch.manual_seed(1)
    truth = timm.create_model(name, num_classes=5).eval()
    path = tmp_path / "five.safetensors"
    save_file(truth.state_dict(), path)
    found = loaded(name, path)
    assert states_equal(found.module, truth)
    assert_same_scores(found, truth, torch.randn(2, 3, 160, 160))
    loaded(name, path, classes=list("abcde"))
    with pytest.raises(SightlineError, match="has 5 outputs, its classes name 3"):
        loaded(name, path, classes=list("abc"))
    with pytest.raises(SightlineError, match="class counts differ: 5 in the file, 8 in the model"):
        loaded(name, path, args={"num_classes": 8})


def test_a_study_downloads_what_is_neither_shipped_nor_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(OWN, tmp_path / "own.pth")
    archive = {"url": "https://a.b/set.tgz", "digest": "md5:" + 32 * "a"}
    study = ResolvedStudy(
        {
            "study": "s",
            "images": {"source": "archive", **archive},
            "models": {
                **{"timm": {"name": "resnet18"}, "vision": {"name": "torchvision:alexnet"}},
                **{
                    "again": {"name": "resnet18", "geometry": "model"},
                    "hub": {"name": "hf-hub:a/b"},
                },
                **{"own": {"name": "resnet18", "weights": str(tmp_path / "own.pth")}},
                **{
                    "random": {"name": "resnet18", "pretrained": False},
                    "zoo": {"name": "zoo:test_vit"},
                },
            },
            "methods": ["gradcam"],
        }
    )
    monkeypatch.chdir(tmp_path)
    assert {str(path) for path in study.downloads} == {
        "resources/weights/timm/resnet18.safetensors",
        "resources/weights/timm/resnet18.safetensors.sha256",
        "resources/weights/torchvision/alexnet.pth",
        "resources/weights/torchvision/alexnet.pth.sha256",
        "resources/weights/hf-hub/a/b/model.safetensors",
        "resources/weights/hf-hub/a/b/model.safetensors.sha256",
        "resources/weights/hf-hub/a/b/config.json",
        "resources/datasets/set-aaaaaaaa.txt",
    }
    assert study.fetched_name("torchvision/alexnet.pth") == "torchvision:alexnet"
    with pytest.raises(SightlineError, match="No model of this study"):
        study.fetched_name("timm/resnet34.safetensors")
    study.check_images(downloading=True)
    with pytest.raises(SightlineError, match="has not been downloaded"):
        study.check_images(downloading=False)


# --- A study ------------------------------------------------------------------------------------


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_prefetch_gets_all_and_the_study_then_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    resnet = timm.create_model("test_resnet").eval()
    vit = timm.create_model("test_vit", num_classes=5, img_size=96).eval()
    vit.pretrained_cfg["input_size"] = (3, 96, 96)
    save_file(resnet.state_dict(), tmp_path / "resnet.safetensors")
    save_for_hf(vit, tmp_path / "vit", model_args={"img_size": 96}, safe_serialization=True)
    for index in range(4):
        noise = torch.randint(0, 256, (6, 8, 3), generator=torch.Generator().manual_seed(index))
        path = tmp_path / "photos" / "val" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.to(torch.uint8).numpy()).resize((96, 72)).save(path)
    with tarfile.open(tmp_path / "photos.tgz", "w:gz") as tar:
        tar.add(tmp_path / "photos", "photos")
    archive = (tmp_path / "photos.tgz").read_bytes()
    digest = hashlib.sha256(archive).hexdigest()
    with serving() as server:
        hub = get_pretrained_cfg("test_resnet").hf_hub_id
        weights = (tmp_path / "resnet.safetensors").read_bytes()
        server.damaged[server.add(hub, "model.safetensors", weights)] = 1
        for file in (tmp_path / "vit").iterdir():
            server.add("me/tiny", file.name, file.read_bytes())
        server.files["/photos.tgz"] = archive
        server.cut["/photos.tgz"] = 1  # the rule tries again
        study = {
            "study": "fetched",
            "images": {
                **{"source": "archive", "url": f"{server.url}/photos.tgz"},
                **{"digest": f"sha256:{digest}", "path": "photos/val"},
            },
            "models": {"resnet": {"name": "test_resnet"}, "vit": {"name": "hf-hub:me/tiny"}},
            "methods": ["gradcam"],
        }
        for variable in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        (tmp_path / "project").mkdir()
        project = Project(tmp_path / "project", study)
        early = project.run("--dry-run")
        assert early.returncode != 0
        assert "First run `snakemake prefetch" in early.stdout
        assert "Traceback" not in early.stdout
        done = project.run("--nocolor", "prefetch")
        assert done.returncode == 0, done.stdout
    made_files = {
        path.relative_to(project.folder).as_posix()
        for folder in ("resources", "results")
        for path in (project.folder / folder).rglob("*")
        if path.is_file() and not {"logs", "zoo", "layers"} & set(path.parts)
    }
    data = f"resources/datasets/photos-{digest[:8]}"
    assert made_files == {
        "resources/weights/timm/test_resnet.safetensors",
        "resources/weights/timm/test_resnet.safetensors.sha256",
        "resources/weights/timm/test_resnet.safetensors.tag",
        "resources/weights/hf-hub/me/tiny/model.safetensors",
        "resources/weights/hf-hub/me/tiny/model.safetensors.sha256",
        "resources/weights/hf-hub/me/tiny/config.json",
        f"{data}.txt",
        *(f"{data}/photos/val/{'ab'[index % 2]}/{index}.png" for index in range(4)),
    }
    # The server is gone, and the client's cache is no part of it.
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    assert project.run("--nocolor", "prefetch", "--dry-run").stdout.count("rule ") == 0
    targets = ["tables/predictions.csv", "maps/original/vit/gradcam/000000-000003.h5"]
    done = project.run("--nocolor", *(f"results/fetched/{file}" for file in targets))
    assert done.returncode == 0, done.stdout
    assert len(project.map_files()) == 1
    table = pd.read_csv(project.folder / "results/fetched/tables/predictions.csv")
    best = table[table["rank"] == 1]
    assert len(best) == 8
    for model_id, module in {"resnet": resnet, "vit": vit}.items():
        preparation = load_of(project, study, model_id).preprocessing
        for row in best[best.model == model_id].itertuples():
            file = project.folder / data / "photos/val" / row.image_id
            images, _ = preparation([decode(file.read_bytes(), file.name)])
            with torch.inference_mode():
                truth = module(images).softmax(1)[0]
            assert row.target == int(truth.argmax())
            assert row.probability == pytest.approx(float(truth.max()), rel=1e-3)


def load_of(project: Project, study: dict[str, Any], model_id: str) -> Classifier:
    found = ResolvedStudy(study).models[model_id]
    assert found.weights is not None
    return load_classifier(found.spec, project.folder / found.weights)
