"""Tiny classifiers with random weights, and a shard of a few embedded images."""

from __future__ import annotations

import os

# Before torch is imported: the tests' models are too small to gain from threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sightline.methods.catalogue.entry import Settings
    from sightline.models.classifier import Classifier
    from slurm.cluster import Cluster

SHAPES = {"source": "shapes", "split": "held-out", "objects": 1, "patch": None}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
# The models of the thesis on architectures, and the resolution of its Grad-CAM at 224 pixels.
THESIS = {
    "convnextv2_nano.fcmae_ft_in22k_in1k": 7,
    "densenet121.tv_in1k": 7,
    "efficientnet_b3.ra2_in1k": 7,
    "efficientnet_b4.ra2_in1k": 7,
    "mobilenetv3_large_100.ra_in1k": 7,
    "resnet18d.ra2_in1k": 7,
    "resnet50d.ra2_in1k": 7,
    "resnext50_32x4d.a1h_in1k": 7,
    "res2net50_14w_8s.in1k": 7,
    "deit_small_patch16_224.fb_in1k": 14,
    "deit_tiny_patch16_224.fb_in1k": 14,
    "pvt_v2_b2.in1k": 7,
    "swin_tiny_patch4_window7_224.ms_in1k": 7,
    "vit_base_patch32_224.augreg_in21k_ft_in1k": 7,
}
# Which of the tiny classifiers takes the place of one that a method refuses.
INSTEAD = {(name, "transformer"): "plain" for name in ("deeplift_shap", "lrp")}
TINY = {"cnn": "test_resnet", "transformer": "test_vit", "nhwc": "test_mambaout"}

# What a method takes little time with.
QUICK: dict[str, dict[str, Any]] = {
    # With a ReLU a random model's map may well be zero.
    **{
        name: {"relu": False}
        for name in (
            "gradcam",
            "gradcam_plus_plus",
            "layercam",
            "xgradcam",
            "abscam_initial",
        )
    },
    "hirescam": {"relu": False, "depth": 0.5},  # zero at a ViT's last layer
    **{
        name: {"relu": False, "channels": 12}
        for name in ("scorecam", "abscam_final", "ablationcam")
    },
    "smoothgrad": {"samples": 4},
    "noise_tunnel": {"samples": 3, "steps": 2},
    "gradient_shap": {"samples": 4},
    "rise": {"masks": 24, "keep": 0.5},
    "occlusion": {"window": 30, "stride": 25},
    "guided_gradcam": {"depth": 0.5},  # where a random model's Grad-CAM is positive for any class
    "integrated_gradients": {"steps": 5},
    "kernelshap": {"samples": 20, "segments": 20},
    "deeplift_shap": {"baselines": 2},
    "lime": {"samples": 60, "segments": 12},
}


def quick_settings(method: str, **changed: Any) -> Settings:
    """Settings of a method that make it quick, and some of them changed."""
    from sightline.methods.catalogue import CATALOGUE

    return CATALOGUE[method].settings(**(QUICK.get(method, {}) | changed))


def make_classifier(name: str, **given: Any) -> Classifier:
    """A classifier with random weights; unless told otherwise 8 classes, 96 x 96 pixels."""
    from sightline.models.load import load_classifier
    from sightline.study.config import Model
    from sightline.study.models import resolve_model

    tiny = {"args": {"num_classes": 8}, "input": {"size": (96, 96), **IMAGENET}}
    model = Model(name=name, pretrained=False, **(tiny | given))
    classifier = load_classifier(resolve_model("tiny", model).spec)
    make_lively(classifier.module)
    return classifier


def make_lively(module: nn.Module) -> None:
    """Draw weights by which the scores depend on the image about as much as a trained model's.

    As initialised they hardly do: small weights, branches that start at zero. Differences between
    scores, which maps are made of, would then be mostly rounding.
    """
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, generator=generator)
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # the statistics of what comes next alone
                layer.weight.fill_(1)
        module.train()
        module(torch.randn(16, 3, 96, 96, generator=generator))
        module.eval()


@pytest.fixture(scope="session")
def classifiers() -> dict[str, Classifier]:
    """One for each layout of activations, and one of modules in a row."""
    found = {kind: make_classifier(name) for kind, name in TINY.items()}
    return found | {"plain": make_plain(found["cnn"])}


def make_plain(like: Classifier) -> Classifier:
    """A classifier like those before there were residual connections."""
    import torch
    from torch import nn

    from sightline.models.classifier import Classifier

    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(3, 12, 5, stride=2), nn.BatchNorm2d(12), nn.ReLU(inplace=True)),
        *(nn.MaxPool2d(3, 2), nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.Dropout()),
        *(nn.Conv2d(16, 24, 3), nn.BatchNorm2d(24), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(216, 20), nn.ReLU(), nn.Linear(20, 8)),
    )
    make_lively(module)
    return Classifier(module.eval(), like.preprocessing, name="plain")


@pytest.fixture(params=["cnn", "transformer"])
def classifier(request: pytest.FixtureRequest, classifiers: dict[str, Classifier]) -> Classifier:
    """One that the test's method, if it has one, can explain."""
    from sightline.methods.catalogue import CATALOGUE

    name = request.node.callspec.params.get("name", "")
    chosen = classifiers[INSTEAD.get((name, request.param), request.param)]
    method = CATALOGUE.get(name)
    if method and (reason := method.misfit(chosen)):
        pytest.skip(reason)
    return chosen


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A real SLURM of two nodes; where there can be none, the test says why."""
    from slurm.cluster import NoClusterError, no_cluster, running_cluster

    try:
        with running_cluster() as running:
            yield running
    except NoClusterError as reason:
        no_cluster(reason)


@pytest.fixture(scope="session")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first eight held-out shapes, one of each class."""
    from sightline.jobs.images import make_shard

    path = tmp_path_factory.mktemp("shard") / "000000-000007.zip"
    make_shard(SHAPES, 0, "000000-000007", path)
    return path


@pytest.fixture(scope="session")
def images(shard: Path, classifiers: dict[str, Classifier]) -> Tensor:
    """Three of them, as the tiny CNN takes them."""
    from sightline.images.shards import Shard

    with Shard(shard) as opened:
        pictures = [opened.image(row) for row in opened.images[:3]]
    return classifiers["cnn"].preprocessing(pictures)[0]


@pytest.fixture
def weights() -> Tensor:
    """Of a linear model."""
    import torch

    return torch.randn(8, 3, 24, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def pictures() -> Tensor:
    """Smooth, so that SLIC finds segments."""
    import torch
    from torch import nn

    small = torch.rand(3, 3, 4, 5, generator=torch.Generator().manual_seed(2))
    return nn.functional.interpolate(small, (24, 32), mode="bicubic").clamp(0, 1) * 2 - 1


@pytest.fixture
def unchanged() -> Callable[[nn.Module], AbstractContextManager[None]]:
    """A context that fails if a module's state is another afterwards, also after an exception."""
    return _unchanged


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    before = _state(module)
    try:
        yield
    finally:
        assert _state(module) == before


def _state(module: nn.Module) -> dict[str, object]:
    import torch

    state: dict[str, object] = {
        "random": torch.random.get_rng_state().tolist(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }
    for name, child in module.named_modules():
        state[f"module {name}"] = (child.training, getattr(child, "grad_checkpointing", None))
        state[f"hooks {name}"] = [
            len(hooks)
            for key, hooks in vars(child).items()
            if "hook" in key and isinstance(hooks, dict)
        ]
        for key, value in vars(child).items():
            if not key.startswith("_") and isinstance(value, dict | list | torch.Tensor):
                state[f"attribute {name}.{key}"] = _content(value)
    for name, weight in module.named_parameters():
        state[f"weight {name}"] = (weight.requires_grad, weight.grad is None, weight.is_leaf)
    for name, tensor in [*module.named_buffers(), *module.named_parameters()]:
        state[f"values {name}"] = _content(tensor)
    return state


def _content(value: object) -> object:
    import torch

    if isinstance(value, torch.Tensor):
        data = value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        return (value.dtype, value.shape, value.is_inference(), value.requires_grad, hash(data))
    if isinstance(value, dict):
        return {key: _content(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_content(one) for one in value]
    return repr(value)
