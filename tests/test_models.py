"""Loading classifiers, finding their layers, borrowing their state."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform
from torch import Tensor, nn

from sightline.errors import SightlineError
from sightline.models.classes import read_classes
from sightline.models.classifier import Classifier
from sightline.models.digest import file_digest, write_digest
from sightline.models.load import GIVEN, load_classifier
from sightline.models.preprocessing import Preprocessing
from sightline.models.probe import find_layers, named_layer
from sightline.models.state import frozen, hooks
from sightline.study.config import Model
from sightline.study.models import resolve_model

# --- Loading ------------------------------------------------------------------------------------


def spec(name: str = "test_resnet", **given: Any) -> dict[str, Any]:
    tiny = {"args": {"num_classes": 8}, "input": {"size": (96, 96)}}
    return resolve_model("tiny", Model(name=name, pretrained=False, **(tiny | given))).spec


def state(classifier: Classifier) -> dict[str, Tensor]:
    return {key: value.contiguous() for key, value in classifier.module.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_random_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one = state(load_classifier(spec(seed=1)))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    assert equal(state(load_classifier(spec(seed=1))), one)
    assert not equal(state(load_classifier(spec(seed=2))), one)


def test_a_head_of_zeros_is_drawn() -> None:
    # So timm starts some architectures, by which every score would be the same.
    args = {"num_classes": 8, "weight_init": "jax"}
    bare = timm.create_model("test_vit", **args)
    assert not bare.head.weight.any()
    one, same, other = (load_classifier(spec("test_vit", args=args, seed=n)) for n in (1, 1, 2))
    scores = one.scores(torch.randn(2, 3, 96, 96))
    assert (scores.std(dim=1) > 0).all()
    assert equal(state(one), state(same))
    assert not torch.equal(one.module.head.weight, other.module.head.weight)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth", "weights.pt"])
@pytest.mark.parametrize("half", [False, True])
def test_weights_are_loaded(tmp_path: Path, name: str, half: bool) -> None:
    own = state(load_classifier(spec(seed=3)))
    if half:
        own = {
            key: value.half() if value.is_floating_point() else value for key, value in own.items()
        }
    path = tmp_path / name
    save_file(own, path) if path.suffix == ".safetensors" else torch.save(own, path)
    loaded = load_classifier(spec(), path, sha256=file_digest(path))
    found = state(loaded)
    assert equal(found, {key: own[key].to(value.dtype) for key, value in found.items()})
    assert next(loaded.module.parameters()).dtype == torch.float32
    assert not loaded.module.training


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "both"])
def test_a_checkpoint_in_its_wrapper_is_loaded(tmp_path: Path, wrapper: str) -> None:
    own = state(load_classifier(spec(seed=3)))
    parallel = {f"module.{key}": value for key, value in own.items()}
    saved = {"model": {"state_dict": parallel}} if wrapper == "both" else {wrapper: parallel}
    if wrapper == "both":
        saved = {"state_dict": {"model": parallel}}
    torch.save(saved | {"epoch": 7}, tmp_path / "checkpoint.pth")
    assert equal(state(load_classifier(spec(), tmp_path / "checkpoint.pth")), own)


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(state(load_classifier(spec())), path)
    write_digest(path, tmp_path / "weights.sha256")
    digest = (tmp_path / "weights.sha256").read_text().strip()
    load_classifier(spec(), path, sha256=digest)
    save_file(state(load_classifier(spec(seed=1))), path)
    with pytest.raises(
        SightlineError,
        match=rf"test_resnet: .*weights\.safetensors has the SHA-256 .*"
        rf"expected {digest[:16]}",
    ):
        load_classifier(spec(), path, sha256=digest)


def test_weights_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    own = state(load_classifier(spec()))
    own["fc.weight"] = torch.zeros(5, 96)
    own["extra.weight"] = own.pop("conv1.0.weight")
    save_file(own, tmp_path / "odd.safetensors")
    with pytest.raises(SightlineError) as error:
        load_classifier(spec(), tmp_path / "odd.safetensors")
    message = str(error.value)
    for part in (
        "Model test_resnet",
        "odd.safetensors do not fit",
        "1 keys are missing: conv1.0.weight",
        "1 keys are not the model's: extra.weight",
        "1 shapes differ: fc.weight is (5, 96), expected (8, 96)",
        "num_classes",
    ):
        assert part in message


def test_long_lists_of_keys_are_cut(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(SightlineError, match=r"\d\d keys are missing: (\S+, ){4}\.\.\.\n"):
        load_classifier(spec(), tmp_path / "odd.safetensors")


class Code:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("pwned"),))


def test_a_pickle_that_needs_code_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("new.pth", "old.pt"):
        torch.save({"state_dict": Code()}, name, _use_new_zipfile_serialization=name == "new.pth")
        with pytest.raises(SightlineError, match=rf"{name} is a pickle that needs code"):
            load_classifier(spec(), Path(name))
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Code(), protocol=2))
    with pytest.raises(SightlineError, match=r"plain\.pth"):
        load_classifier(spec(), Path("plain.pth"))
    assert not Path("pwned").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_damaged_weights_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    own = state(load_classifier(spec()))
    save_file(own, path) if path.suffix == ".safetensors" else torch.save(own, path)
    for content in (path.read_bytes()[:-5000], b"", b"no weights"):
        path.write_bytes(content)
        with pytest.raises(SightlineError, match=f"test_resnet: .*{name}"):
            load_classifier(spec(), path)
    with pytest.raises(SightlineError, match=r"none\.pth does not exist"):
        load_classifier(spec(), tmp_path / "none.pth")
    with pytest.raises(SightlineError, match=r"none\.pth does not exist"):
        write_digest(tmp_path / "none.pth", tmp_path / "digest")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(SightlineError, match=r"list\.pth holds no state_dict"):
        load_classifier(spec(), tmp_path / "list.pth")


def test_an_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(
        SightlineError, match=r"Unknown timm model 'resnt18'\. Did you mean 'resnet18'"
    ):
        load_classifier(spec("resnt18"))
    with pytest.raises(SightlineError, match=r"timm cannot make test_resnet with args .*'clases'"):
        load_classifier(spec(args={"clases": 8}))


def test_a_missing_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        SightlineError, match=r"`device: cuda`, which needs a GPU, but torch .* sees none on"
    ):
        load_classifier(spec(), device="cuda")
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    assert load_classifier(spec(), device="auto").device.type == "cpu"


@pytest.mark.parametrize("name", GIVEN)
def test_a_gpu_that_a_job_was_given_is_missed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv(name, "0")  # the first one
    with pytest.raises(SightlineError, match=rf"given a GPU \({name}=0\), but torch .* sees none"):
        load_classifier(spec(), device="auto")
    assert load_classifier(spec(), device="cpu").device.type == "cpu"


# --- Preprocessing ------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", ["squash", "model"])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_mambaout"])
def test_preprocessing_is_timms(name: str, geometry: str) -> None:
    classifier = load_classifier(spec(name, geometry=geometry, input={}))
    noise = torch.randint(0, 256, (130, 170, 3), generator=torch.Generator().manual_seed(0))
    image = Image.fromarray(noise.to(torch.uint8).numpy())
    config = classifier.module.pretrained_cfg
    transform = create_transform(
        config["input_size"],
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        crop_pct=1.0 if geometry == "squash" else config["crop_pct"],
        crop_mode=None if geometry == "model" else "squash",
    )
    found, _ = classifier.preprocessing([image])
    torch.testing.assert_close(found[0], transform(image), atol=1e-6, rtol=1e-5)


def test_given_preprocessing_replaces_the_models_own() -> None:
    given = {"size": (64, 128), "mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 4.0)}
    more = {"interpolation": "nearest", "crop_pct": 0.5}
    found = load_classifier(spec(input=given | more, geometry="model")).preprocessing
    assert found == Preprocessing(**given, **more, geometry="model")
    images, _ = found([Image.new("RGB", (200, 300), (255, 51, 0))])
    assert images.shape == (1, 3, 64, 128)
    for channel, value in enumerate([0.9 / 1, 0.0, -0.3 / 4]):
        torch.testing.assert_close(
            images[0, channel], torch.full((64, 128), value), atol=1e-6, rtol=0
        )


def test_normalised_images_are_turned_back_into_pixels() -> None:
    values = torch.randint(0, 256, (96, 96, 3), generator=torch.Generator().manual_seed(0))
    image = Image.fromarray(values.to(torch.uint8).numpy())
    for name in ("test_resnet", "test_mambaout"):
        own = load_classifier(spec(name)).preprocessing
        images, _ = own([image])
        assert (own.pixels(images)[0] == values.numpy()).all()


# --- State --------------------------------------------------------------------------------------

Unchanged = Callable[[nn.Module], Any]


def calls(classifier: Classifier) -> dict[str, Callable[[], Any]]:
    """Everything that runs the model."""
    images, targets = torch.randn(3, 3, 96, 96), torch.tensor([0, 1, 2])
    layer = classifier.layer()
    return {
        "scores": lambda: classifier.scores(images),
        "gradients_at": lambda: classifier.gradients_at(layer, images, targets),
        "input_gradients": lambda: classifier.input_gradients(images, targets),
        "layers": lambda: find_layers(classifier.module, images),
        "named_layer": lambda: named_layer(classifier.module, images, layer.name),
    }


CALLS = ["scores", "gradients_at", "input_gradients", "layers", "named_layer"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("mode", ["eval", "mixed"])
def test_state_is_returned_after_success_and_after_an_exception(
    call: str, mode: str, classifier: Classifier, unchanged: Unchanged
) -> None:
    module, run = classifier.module, calls(classifier)
    assert list(run) == CALLS
    first, *_, last = module.children()
    if mode == "mixed":
        last.train()
        next(module.parameters()).requires_grad_(False)
    try:
        with unchanged(module):
            run[call]()

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        # In the middle: after some hooks of ours have run, before others.
        for child in (first, last):
            broken = hooks([child.register_forward_hook(fail)])
            with broken, unchanged(module), pytest.raises(ZeroDivisionError):
                run[call]()
    finally:
        module.eval().requires_grad_()


def test_the_check_of_state_sees_changes(
    classifiers: dict[str, Classifier], unchanged: Unchanged
) -> None:
    module = classifiers["cnn"].module

    def changes(change: Callable[[], Any], undo: Callable[[], Any]) -> None:
        try:
            with pytest.raises(AssertionError), unchanged(module):
                change()
        finally:
            undo()

    changes(lambda: module.layer1.train(), lambda: module.eval())
    changes(lambda: module.fc.weight.requires_grad_(False), lambda: module.requires_grad_())
    changes(lambda: torch.rand(1), lambda: None)
    handles: list[Any] = []
    changes(
        lambda: handles.append(module.layer1.register_forward_hook(lambda *_: None)),
        lambda: handles[0].remove(),
    )


def test_frozen_means_evaluating_without_gradients(classifiers: dict[str, Classifier]) -> None:
    module = classifiers["cnn"].module
    module.train()
    try:
        with frozen(module):
            assert not any(child.training for child in module.modules())
            assert not any(weight.requires_grad for weight in module.parameters())
        assert all(child.training for child in module.modules())
        assert all(weight.requires_grad for weight in module.parameters())
    finally:
        module.eval()


def test_hooks_are_removed_when_registering_fails() -> None:
    module = nn.Linear(1, 1)

    def handles() -> Any:
        yield module.register_forward_hook(lambda *_: None)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), hooks(handles()):
        pass
    assert not module._forward_hooks


# --- Running in batches -------------------------------------------------------------------------


def test_scores_are_the_modules_own(classifier: Classifier, images: Tensor) -> None:
    with torch.no_grad():
        expected = classifier.module(images)
    torch.testing.assert_close(classifier.scores(images), expected, atol=1e-5, rtol=1e-5)
    found = classifier.scores(images, "probability")
    torch.testing.assert_close(found, expected.softmax(1), atol=1e-5, rtol=1e-5)
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_what_is_no_classifier_is_refused() -> None:
    classifier = Classifier(nn.Conv2d(3, 4, 1), Preprocessing((8, 8)), name="odd")
    with pytest.raises(SightlineError, match=r"Model odd: expected scores .* got \(2, 4, 8, 8\)"):
        classifier.scores(torch.zeros(2, 3, 8, 8))


def limit_memory(
    monkeypatch: pytest.MonkeyPatch, most: int, error: Exception | None = None
) -> list[int]:
    """From now on more than ``most`` images do not fit; the sizes tried are listed."""
    forward, tried = Classifier.forward, []

    def limited(self: Classifier, images: Tensor) -> Tensor:
        tried.append(len(images))
        if len(images) > most:
            raise error or torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, images)

    monkeypatch.setattr(Classifier, "forward", limited)
    return tried


CPU_ERROR = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")


@pytest.mark.parametrize("error", [None, CPU_ERROR])
def test_out_of_memory_halves_the_batch_and_changes_nothing(
    error: Exception | None,
    classifier: Classifier,
    monkeypatch: pytest.MonkeyPatch,
    unchanged: Unchanged,
) -> None:
    images = torch.randn(13, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    own = replace(classifier, batch_size=32)
    expected = own.scores(images)
    tried = limit_memory(monkeypatch, 3, error)
    with unchanged(own.module):
        found = own.scores(images)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    # 13 do not fit, nor 6; what fits is kept to the end.
    assert tried == [13, 6, 3, 3, 3, 3, 1]
    assert own.batch_size == 3


def test_a_single_image_that_does_not_fit_is_said(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, unchanged: Unchanged
) -> None:
    own = replace(classifier, name="large", batch_size=4)
    tried = limit_memory(monkeypatch, 0)
    refused = pytest.raises(SightlineError, match=r"Model large: one image does not fit .* of cpu")
    with refused, unchanged(own.module):
        own.scores(torch.zeros(5, 3, 96, 96))
    assert tried == [4, 2, 1]


def test_other_errors_are_not_taken_for_it(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(monkeypatch, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        classifier.scores(torch.zeros(2, 3, 96, 96))


# --- Classes ------------------------------------------------------------------------------------


def test_imagenets_classes_have_synsets_and_words() -> None:
    classes = read_classes("imagenet-1k")
    assert classes is not None
    assert len(classes) == 1000
    # Known from the published list of the 1000 classes.
    for label, index in {
        "n01440764": 0,
        "tench": 0,
        "Tinca tinca": 0,
        "golden_retriever": 207,
        "Golden Retriever": 207,
        "n03394916": 566,
        "french horn": 566,
        "tabby-cat": 281,
        "toilet tissue": 999,
    }.items():
        assert classes.index(label) == index
    assert classes.name(0) == "tench"
    assert classes.name(207) == "golden retriever"


@pytest.mark.parametrize(("name", "synsets"), [("crane", {"n02012849": 134, "n03126707": 517})])
def test_a_name_of_two_classes_means_neither(name: str, synsets: dict[str, int]) -> None:
    classes = read_classes("imagenet-1k")
    assert classes is not None
    with pytest.raises(SightlineError, match="Unknown class 'crane'"):
        classes.index(name)
    for synset, index in synsets.items():
        assert classes.index(synset) == index
        assert classes.name(index) == f"{name} ({synset})"


def test_no_two_classes_are_called_the_same() -> None:
    """Tables compare classes by their names: an answer that turns from crane to crane turns."""
    classes = read_classes("imagenet-1k")
    assert classes is not None
    called = [classes.name(index) for index in range(len(classes))]
    assert len(set(called)) == 1000
    assert [classes.index(name) for name in called] == list(range(1000))
    plain = read_classes(["crane", "fox", "Crane"])
    assert plain is not None
    assert [plain.name(index) for index in range(3)] == ["crane (0)", "fox", "Crane (2)"]
    assert plain.index("crane (2)") == 2


def test_classes_from_a_list_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("star\n\n  Big dog  \nÄhre\n", encoding="utf-8")
    for given in (["star", "Big dog", "Ähre"], str(path)):
        classes = read_classes(given)
        assert classes is not None
        assert [classes.name(k) for k in range(len(classes))] == ["star", "Big dog", "Ähre"]
        assert [classes.index(label) for label in ("STAR", "big_dog", "ähre")] == [0, 1, 2]
        with pytest.raises(SightlineError, match=r"Unknown class 'stra'\. Did you mean 'star'"):
            classes.index("stra")
    assert read_classes(None) is None


def test_classes_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SightlineError, match=r"classes: the file .*none\.txt: No such file"):
        read_classes(str(tmp_path / "none.txt"))
    (tmp_path / "empty.txt").write_text("\n\n")
    for empty in (str(tmp_path / "empty.txt"), []):
        with pytest.raises(SightlineError, match="list of class names is empty"):
            read_classes(empty)
