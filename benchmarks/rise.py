"""RISE's error by its masks: divided by their coverage, or by the expected one as in the paper.

A trained model of the zoo on held-out shapes. The figure is the root mean square difference from a
map of many masks of another seed, both less their mean, over that map's standard deviation.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from sightline.images.shapes import render
from sightline.jobs.named import load_named
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier

MODEL, IMAGES = "zoo:test_resnet", 4
MASKS = (150, 600, 1500, 6000)
REFERENCE = 30_000
KEEP = (0.1, 0.5)


def maps(
    classifier: Classifier, images: torch.Tensor, seed: int, **settings: object
) -> torch.Tensor:
    targets = classifier.scores(images).argmax(dim=1)
    method = CATALOGUE["rise"]
    seeds = [seed + i for i in range(len(images))]
    found = method.load()(classifier, images, targets, seeds, method.settings(**settings)).maps
    return found - found.mean(dim=(1, 2), keepdim=True)


def shown(values: list[float], form: str) -> str:
    """A value for each number of masks."""
    return ", ".join(form.format(*one) for one in zip(MASKS, values, strict=True))


def main() -> None:
    """Print errors, and how many masks the error of the paper's form takes."""
    _, classifier = load_named({"name": MODEL}, "auto")
    images, _ = classifier.preprocessing([Image.fromarray(render(i).image) for i in range(IMAGES)])
    print(f"\nRISE, {MODEL}, {IMAGES} images: error by masks, and masks for the paper's error")
    for keep in KEEP:
        exact = maps(classifier, images, 1_000, masks=REFERENCE, keep=keep)
        size = exact.square().mean(dim=(1, 2)).sqrt()
        errors = {
            form: [
                float(((found - exact).square().mean(dim=(1, 2)).sqrt() / size).mean())
                for count in MASKS
                for found in [maps(classifier, images, 0, masks=count, keep=keep, divide_by=form)]
            ]
            for form in ("expected", "coverage")
        }
        for form, found in errors.items():
            shown = ", ".join(
                f"{count}: {error:.3f}" for count, error in zip(MASKS, found, strict=True)
            )
            print(f"  keep {keep}, {form:<9} {shown}")
        # Errors fall with the root of the number: a line in logarithms.
        enough = [
            np.exp(np.interp(-np.log(error), -np.log(errors["coverage"]), np.log(MASKS)))
            for error in errors["expected"]
        ]
        shown = ", ".join(
            f"{count} -> {need:.0f}" for count, need in zip(MASKS, enough, strict=True)
        )
        print(f"  keep {keep}, expected -> coverage at equal error: {shown}", flush=True)


if __name__ == "__main__":
    main()
