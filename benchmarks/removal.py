"""Experiments that remove pixels: their time over that of bare passes, and what settings change.

Insertion and deletion beside a loop over steps as in RISE's public code (all images at each step,
pixels copied by numpy), and beside as many forward passes of images that are there already; seconds
are the processor's, of one thread. Values are of a trained model of the zoo on held-out shapes:
areas by the number of steps, by what pixels are replaced with, and of the random control at several
sizes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor

import timing
from sightline.evaluate.catalogue import find_experiment
from sightline.evaluate.experiments.fill import blurred
from sightline.evaluate.protocol import Case, Values
from sightline.images.shapes import render
from sightline.jobs.named import load_named
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.models.state import frozen

MODELS = ("zoo:test_resnet", "zoo:test_vit")
METHODS: dict[str, dict[str, Any]] = {
    "gradcam": {},
    "integrated_gradients": {"steps": 50},
    "random": {},
    "centred_gaussian": {},
    "sobel": {},
}


def measured(name: str, case: Case, **settings: Any) -> Values:
    """What an experiment gives."""
    experiment = find_experiment(name)
    found: Values = import_module(experiment.path).measure(case, experiment.settings(**settings))
    return found


def case_of(classifier: Classifier, images: Tensor, method: str, **settings: Any) -> Case:
    """A method's maps of the predicted classes."""
    entry = CATALOGUE[method]
    targets, seeds = classifier.scores(images).argmax(dim=1), list(range(len(images)))
    found = entry.load()(classifier, images, targets, seeds, entry.settings(**settings))
    return Case(
        classifier=classifier,
        images=images,
        targets=targets,
        maps=found.maps.numpy(),
        scaling=entry.scaling,
        draws=lambda *_: seeds,
        explain=lambda *_: np.zeros(0),
        seeds=seeds,
    )


def loop(case: Case, maps: np.ndarray, steps: int) -> np.ndarray:
    """Deletion and insertion, step after step, (2, n)."""
    count = maps[0].size
    order = np.flip(np.argsort(maps.reshape(len(maps), count), axis=1), axis=1)
    rows, areas = np.arange(len(maps))[:, None], []
    for start, finish in (
        (case.images.clone(), torch.zeros_like(case.images)),
        (blurred(case.images, 11, 5.0), case.images),
    ):
        shown, filled = start.numpy(), finish.numpy().reshape(len(maps), 3, count)
        scores = []
        for step in range(steps + 1):
            with torch.inference_mode():
                found = case.classifier.module(torch.from_numpy(shown)).softmax(dim=1)
            scores.append(found.gather(1, case.targets[:, None])[:, 0].numpy())
            changed = order[:, step * (count // steps) : (step + 1) * (count // steps)]
            flat = shown.reshape(len(maps), 3, count)
            flat[rows, :, changed] = filled[rows, :, changed]
        areas.append(np.trapezoid(np.array(scores), axis=0) / steps)
    return np.stack(areas)


def floor(classifier: Classifier, images: Tensor, passes: int) -> Callable[[], None]:
    """So many forward passes, as many at a time as the model takes."""
    batch = images[:1].repeat(classifier.batch_size, 1, 1, 1)
    batch = batch.contiguous(memory_format=torch.channels_last)

    def run() -> None:
        with frozen(classifier.module), torch.inference_mode():
            for part, _ in classifier.batches(passes, lambda part: part):
                classifier.forward(batch[: part.stop - part.start])

    return run


def times(title: str, classifier: Classifier, images: Tensor, steps: int, repeats: int) -> None:
    """Insertion and deletion, and ROAD."""
    case = case_of(classifier, images, "gradcam", relu=False)
    size = tuple(images.shape[2:])
    large = torch.nn.functional.interpolate(
        torch.from_numpy(case.maps)[:, None], size, mode="bilinear"
    )[:, 0].numpy()
    passes = (2 * steps + 1) * len(images)
    ways = {
        "sightline": lambda: measured("insertion_deletion", case, steps=steps),
        "loop over steps, all images": lambda: loop(case, large, steps),
        f"{passes} bare passes": floor(classifier, images, passes),
    }
    found = timing.interleaved(ways, repeats, time.process_time)
    timing.report(f"insertion and deletion, {title}, {len(images)} images", found, "sightline")
    road = {
        "sightline": lambda: measured("road", case),
        f"{8 * len(images)} bare passes": floor(classifier, images, 8 * len(images)),
    }
    found = timing.interleaved(road, repeats, time.process_time)
    timing.report(f"road, {title}, {len(images)} images", found, "sightline")


def shown(title: str, cases: dict[str, Case], name: str, keys: list[str], **settings: Any) -> None:
    """The mean over images of each method."""
    print(f"  {title}")
    for method, case in cases.items():
        found = measured(name, case, **settings)
        means = " ".join(f"{key} {np.nanmean(found[key]):.3f}" for key in keys)
        print(f"    {method:<24} {means}", flush=True)


def values(name: str, classifier: Classifier, images: Tensor) -> None:
    """What settings change, and what random orders give."""
    print(f"\n{name}, {len(images)} images")
    cases = {method: case_of(classifier, images, method, **how) for method, how in METHODS.items()}
    areas = ["deletion", "insertion"]
    for steps in (16, 56, 224):
        shown(f"{steps} steps", cases, "insertion_deletion", areas, steps=steps)
    for fill in ("zero", "blur", "mean", "infill"):
        both = {"deletion": fill, "insertion": fill, "steps": 32}
        shown(f"both {fill}, 32 steps", cases, "insertion_deletion", areas, **both)
    sides = {
        f"random, {cells} cells": case_of(classifier, images, "random", cells=cells)
        for cells in (7, 14, 28, images.shape[2])
    }
    shown("random control", sides, "insertion_deletion", areas, steps=56)
    flat = {"flat": case_of(classifier, images, "random", cells=1)}
    shown("random orders", flat, "insertion_deletion", areas, steps=56)
    shown("road", cases, "road", ["combined"])
    shown("fidelity", cases, "fidelity", ["drop", "removed"])
    shown("confidence change", cases, "confidence_change", ["drop", "increase"])


def shapes(classifier: Classifier, count: int) -> Tensor:
    """Held-out shapes as the model takes them."""
    return classifier.preprocessing([Image.fromarray(render(i).image) for i in range(count)])[0]


def main(given: list[str] | None = None) -> None:
    """Print times and values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(given or [])
    torch.set_num_threads(1)
    for name in MODELS:
        _, classifier = load_named({"name": name}, "cpu")
        times(
            f"{name}, 96 pixels, 96 steps", classifier, shapes(classifier, 8), 96, options.repeats
        )
    torch.manual_seed(0)
    module = timm.create_model("resnet18", num_classes=8).eval()
    large = Classifier(module, Preprocessing((224, 224)))
    times("resnet18, 224 pixels, 28 steps", large, shapes(large, 2), 28, options.repeats)
    for name in MODELS:
        _, classifier = load_named({"name": name}, "cpu")
        values(name, classifier, shapes(classifier, options.images))


if __name__ == "__main__":
    main(sys.argv[1:])
