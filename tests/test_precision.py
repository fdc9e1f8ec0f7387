"""Models computing with fewer bits, and images decoded ahead."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor

from explaining import TARGETS, run
from sightline.errors import SightlineError
from sightline.images.ahead import ahead
from sightline.jobs.explain import Job, explain_range
from sightline.jobs.loading import Loading
from sightline.methods.catalogue import find_method
from sightline.models.classifier import BATCH_SIZES, Classifier
from sightline.models.precision import as_precision
from sightline.study.config import Model
from sightline.study.models import resolve_model

CLOSE = {"bfloat16": 0.03, "float16": 0.004}


def with_precision(classifier: Classifier, precision: Any) -> Classifier:
    return dataclasses.replace(classifier, precision=precision)


def test_float32_is_the_module_itself(classifier: Classifier, images: Tensor) -> None:
    with torch.inference_mode():
        laid_out = images.to(memory_format=torch.channels_last)
        assert torch.equal(classifier.scores(images), classifier.module(laid_out))


@pytest.mark.parametrize("precision", CLOSE)
def test_fewer_bits_give_nearly_the_same_in_float32(
    precision: str, classifier: Classifier, images: Tensor
) -> None:
    reduced, layer = with_precision(classifier, precision), classifier.layer()
    pairs = [(reduced.scores(images), classifier.scores(images))]
    for one in ("input_gradients", "gradients_at", "activations_at"):
        given = {"gradients_at": (layer, images, TARGETS), "activations_at": (layer, images)}
        found, exact = (
            getattr(which, one)(*given.get(one, (images, TARGETS)))
            for which in (reduced, classifier)
        )
        pairs += zip(_tensors(found), _tensors(exact), strict=True)
    for found, exact in pairs:
        assert found.dtype == exact.dtype == torch.float32
        assert not torch.equal(found, exact), "nothing was computed with fewer bits"
        if found.shape == images.shape:
            # Rounding turns the sign of some ReLU's input: in a gradient that adds up.
            assert torch.cosine_similarity(found.flatten(), exact.flatten(), dim=0) > 0.85
        else:
            assert (found - exact).norm() < CLOSE[precision] * exact.norm()


def _tensors(found: Any) -> list[Tensor]:
    if isinstance(found, Tensor):
        return [found]
    return [one for part in found for one in _tensors(part)]


@pytest.mark.parametrize("name", ["gradcam", "scorecam", "integrated_gradients", "kernelshap"])
def test_maps_of_fewer_bits_are_alike(name: str, classifier: Classifier, images: Tensor) -> None:
    exact = run(name, classifier, images).maps.flatten(1)
    found = run(name, with_precision(classifier, "bfloat16"), images).maps.flatten(1)
    assert found.dtype == torch.float32
    assert not torch.equal(found, exact)
    assert (torch.cosine_similarity(found, exact) > 0.8).all()


def test_an_unknown_precision_is_refused(classifier: Classifier) -> None:
    for refused in (as_precision, lambda name: with_precision(classifier, name)):
        with pytest.raises(SightlineError, match=r"precision 'float61'.* Did you mean 'float16'"):
            refused("float61")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_job_says_its_precision_and_explains_the_class_of_float32(
    precision: Any, shard: Path, tmp_path: Path
) -> None:
    model = resolve_model("small", Model(name="test_resnet", pretrained=False)).spec
    entry = find_method("gradcam")
    how = entry.settings()
    job = Job(
        "small", "gradcam", model, {"method": "gradcam"}, entry.load(), how,
        entry.score, entry.needs_layer, 0, ("predicted",), "test",
    )  # fmt: skip
    for each in ("float32", precision):
        explain_range(job, shard, tmp_path / f"{each}.h5", Loading(device="cpu", precision=each))
    with (
        h5py.File(tmp_path / "float32.h5") as exact,
        h5py.File(tmp_path / f"{precision}.h5") as found,
    ):
        assert found.attrs["precision"] == precision
        assert (found["target"][:] == exact["target"][:]).all()
        assert (found["score"][:] == exact["score"][:]).all()
        assert (found["maps"][:] == exact["maps"][:]).all() == (precision == "float32")


def test_batches_are_of_the_device() -> None:
    class Elsewhere(torch.nn.Module):
        pass

    def sized(device: str, **given: int) -> int:
        size: Any = None
        return Classifier(Elsewhere(), size, device=torch.device(device), **given).batch_size

    assert sized("cpu") == BATCH_SIZES["cpu"] == sized("mps")
    assert sized("cuda") == BATCH_SIZES["cuda"]
    assert sized("cuda", batch_size=7) == 7


def test_results_ahead_are_in_order_and_few() -> None:
    done, lock = [], threading.Lock()

    def work(item: int) -> int:
        with lock:
            done.append(item)
        return -item

    taken = []
    for result in ahead(work, range(50), most=4, threads=3):
        taken.append(result)
        assert len(done) <= len(taken) + 4
    assert taken == [-i for i in range(50)]


def test_an_error_ahead_comes_with_its_item_and_ends_the_threads() -> None:
    def work(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    taken, before = [], threading.active_count()
    with pytest.raises(ValueError, match="five"):
        taken.extend(ahead(work, range(9), most=8, threads=2))
    assert threading.active_count() == before
