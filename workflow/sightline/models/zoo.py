"""The zoo: eight small classifiers trained on `shapes` in minutes, clean and biased.

Half are convolutional networks, half transformers, all timm architectures of 0.1 to 0.9 million
weights. The biased twin of a model was trained on images where one class comes with a marker, so
that it is known what it should look at. Weights are kept as float16 safetensors beside a JSON
record of the training; accuracy is measured with the weights as kept, after rounding.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import timm
import timm.optim
import torch
from safetensors.torch import save
from tqdm import tqdm

from sightline.errors import SightlineError, unknown
from sightline.files import replacing
from sightline.images.shapes import CLASSES, SIZE, Split, render

BIASED_CLASS = "star"
MEAN = STD = (0.5, 0.5, 0.5)
BATCH = 32


@dataclass(frozen=True)
class ZooModel:
    """One architecture and how it is trained.

    Attributes
    ----------
    timm_name : str
        The name timm knows it by.
    args : Mapping
        Further arguments of ``timm.create_model``.
    family : {"cnn", "transformer"}
    epochs : int
        Passes over the training images.
    learning_rate : float
        The one-cycle schedule's highest.
    """

    timm_name: str
    args: Mapping[str, Any]
    family: Literal["cnn", "transformer"]
    epochs: int
    learning_rate: float


def _cnn(name: str, epochs: int, **args: Any) -> ZooModel:
    # At the usual stride of 32 the last layer would be 3x3, too coarse for Grad-CAM to point at an
    # object: every one is made to end at 6x6.
    return ZooModel(name, MappingProxyType(args), "cnn", epochs, learning_rate=5e-3)


def _transformer(name: str, epochs: int, **args: Any) -> ZooModel:
    args = {"img_size": SIZE, **args}
    return ZooModel(name, MappingProxyType(args), "transformer", epochs, learning_rate=5e-3)


ZOO: Mapping[str, ZooModel] = MappingProxyType(
    {
        "test_resnet": _cnn("test_resnet", 4, output_stride=16),
        "test_efficientnet": _cnn("test_efficientnet", 3, output_stride=16),
        "test_byobnet": _cnn("test_byobnet", 3, output_stride=16),
        # test_convnext was tried: still at chance after 49,000 images with Muon.
        "small_densenet": _cnn("densenet121", 4, growth_rate=12, block_config=[4, 4, 4]),
        "test_vit": _transformer("test_vit", 9),
        # Layer scales would start at 1e-5, from where so short a training hardly wakes the blocks.
        "test_vit2": _transformer("test_vit2", 9, init_values=1.0),
        "test_vit3": _transformer("test_vit3", 9, init_values=1.0),
        "test_vit_relpos": _transformer("test_vit_relpos", 9, init_values=1.0),
    }
)


def train(
    model: str,
    *,
    biased: bool,
    seed: int,
    weights: Path,
    record: Path,
    progress: bool = True,
    images: int = 8192,
    held_out: int = 1600,
    epochs: int | None = None,
) -> float:
    """Train a model of the zoo and write its weights and its training record.

    Both files appear complete or not at all, the record last. The same arguments reach the same
    accuracy within two points on any machine; torch's global random state is left as it was.

    Parameters
    ----------
    model : str
        A key of `ZOO`.
    biased : bool
        Plant the marker on every training image of `BIASED_CLASS`.
    seed : int
        Of the training images, the initial weights, the order and the flips. The held-out images
        are always those of seed 0.
    weights, record : Path
        Files to write: float16 safetensors, and JSON.
    progress : bool, default True
        Show a progress bar on standard error.
    images, held_out : int, default 8192 and 1600
        Number of training and of held-out images; the latter never carry the marker.
    epochs : int, optional
        Default: the model's own.

    Returns
    -------
    float
        Held-out accuracy, 0 to 1.

    Raises
    ------
    SightlineError
        If the model is unknown, or its weights do not fit float16.
    """
    if model not in ZOO:
        raise unknown("zoo model", model, ZOO)
    spec = ZOO[model]
    epochs = spec.epochs if epochs is None else epochs
    args = {"num_classes": len(CLASSES), **spec.args}
    started = time.monotonic()
    # No devices: borrow the CPU's generator alone, without waking a GPU.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model(spec.timm_name, **args)
        patch = BIASED_CLASS if biased else None
        batches = _Batches(*_scenes(images, seed, "train", patch), epochs, seed, progress, model)
        _fit(network, batches, spec.learning_rate)
    kept = _rounded(network, model)
    network.load_state_dict(kept)
    per_class = accuracy(network, held_out)
    overall = float(np.mean(list(per_class.values())))
    with replacing(weights) as path:
        path.write_bytes(save(kept))
    facts = {
        "model": model,
        "timm": spec.timm_name,
        "args": args,
        "family": spec.family,
        "classes": list(CLASSES),
        "input": {"size": [SIZE, SIZE], "mean": list(MEAN), "std": list(STD)},
        "seed": seed,
        "biased_class": patch,
        "epochs": epochs,
        "images": images,
        "learning_rate": spec.learning_rate,
        "held_out_images": held_out,
        "held_out_accuracy": round(overall, 4),
        "held_out_accuracy_per_class": {name: round(a, 4) for name, a in per_class.items()},
        "parameters": sum(p.numel() for p in network.parameters()),
        "seconds": round(time.monotonic() - started, 1),
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }
    with replacing(record) as path:
        path.write_text(json.dumps(facts, indent=2) + "\n")
    return overall


@torch.no_grad()
def accuracy(network: torch.nn.Module, count: int, patch: str | None = None) -> dict[str, float]:
    """Share of held-out images answered rightly, for each class.

    Parameters
    ----------
    network : torch.nn.Module
        Takes normalised images (N, 3, 96, 96), returns logits (N, 8). Left in eval mode.
    count : int
        Number of images, a multiple of 8 so that the classes weigh the same.
    patch : str, optional
        As in `shapes.render`: who carries the marker. Default: nobody.
    """
    network.eval()
    pixels, labels = _scenes(count, 0, "held-out", patch)
    parts = [network(normalise(part)).argmax(1) for part in pixels.split(256)]
    right = torch.cat(parts) == labels
    return {name: right[labels == i].float().mean().item() for i, name in enumerate(CLASSES)}


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """Turn uint8 images (N, 96, 96, 3) into a model's input, float32 (N, 3, 96, 96).

    The result is channels-last in memory, in which convolutions on a CPU are up to twice as fast.
    """
    return (pixels.permute(0, 3, 1, 2).float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / (
        torch.tensor(STD).view(3, 1, 1)
    )


@lru_cache(maxsize=4)
def _scenes(
    count: int, seed: int, split: Split, patch: str | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 96, 96, 3) uint8 and labels (N,), rendered once a process."""
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for index in range(count):
        pixels[index] = render(index, seed=seed, split=split, patch=patch).image
    return torch.from_numpy(pixels), torch.arange(count) % len(CLASSES)


@dataclass(frozen=True)
class _Batches:
    """Training batches in a seeded order, each turned and mirrored as a whole.

    Every class looks the same after a turn, so eight views of each image come for nothing.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    epochs: int
    seed: int
    progress: bool
    title: str

    def __len__(self) -> int:
        return self.epochs * max(1, len(self.labels) // BATCH)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        draws = torch.Generator().manual_seed(self.seed)
        bar = tqdm(total=len(self), desc=self.title, unit="batch", disable=not self.progress)
        with bar:
            for _ in range(self.epochs):
                order = torch.randperm(len(self.labels), generator=draws)
                for chosen in order.split(BATCH)[: len(self) // self.epochs]:
                    turns, mirror = torch.randint(4, (2,), generator=draws).tolist()
                    view = self.pixels[chosen].rot90(turns, (1, 2))
                    view = view.flip(2) if mirror % 2 else view
                    yield normalise(view.contiguous()), self.labels[chosen]
                    bar.update()


def _fit(network: torch.nn.Module, batches: _Batches, learning_rate: float) -> None:
    """Muon on a one-cycle schedule, smoothed labels, clipped gradients.

    With AdamW the transformers stay at chance for the first 25,000 images; with Muon they are
    right on half the images by then.
    """
    network.train().to(memory_format=torch.channels_last)
    optimiser = timm.optim.create_optimizer_v2(network, "muon", lr=learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=len(batches), pct_start=0.1, cycle_momentum=False
    )
    loss = torch.nn.CrossEntropyLoss(label_smoothing=0.05)
    for images, labels in batches:
        optimiser.zero_grad()
        loss(network(images), labels).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()


def _rounded(network: torch.nn.Module, model: str) -> dict[str, torch.Tensor]:
    """The state as it is kept: floats as float16, all finite."""
    kept = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    broken = [name for name, value in kept.items() if not value.isfinite().all()]
    if broken:
        raise SightlineError(
            f"{model}: {', '.join(broken)} not finite in float16 (largest 65,504): the training "
            "diverged. Use another seed or a lower learning rate in models/zoo.py."
        )
    return kept
