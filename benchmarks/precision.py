"""Which methods stay what they are when a model computes with fewer bits.

    PYTHONPATH=workflow python benchmarks/precision.py [--device cuda] [--only NAME ...] [--write]

The rank correlation (Spearman, over a map's positions) of maps in bfloat16 and float16 with those
in float32: the zoo's clean models on held-out `shapes`, and two larger models with random weights.
Class and draws are the same. Maps that are the same everywhere are left out. With ``--write``
docs/precision.csv gets the lines, model by model, and docs/methods.md the decision.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from scipy.stats import rankdata
from torch import Tensor

from methods import DOCS, block, machine, read
from sightline.errors import SightlineError
from sightline.images.shapes import render
from sightline.jobs.named import load_named
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing

ROOT = DOCS.parent
LARGER = ("resnet18", "deit_tiny_patch16_224")
REDUCED = ("bfloat16", "float16")
# Safe: of the images of every model, the median correlation and the 5th percentile.
MEDIAN, LOW = 0.99, 0.95
# What decides is rounding, not the number of samples: fewer than in a study.
SETTINGS: dict[str, dict[str, Any]] = {
    **{name: {"channels": 32} for name in ("scorecam", "abscam_final", "ablationcam")},
    "smoothgrad": {"samples": 8},
    "gradient_shap": {"samples": 8},
    "integrated_gradients": {"steps": 16},
    "noise_tunnel": {"samples": 4, "steps": 8},
    "kernelshap": {"samples": 128, "segments": 30},
    "lime": {"samples": 128, "segments": 30},
    "rise": {"masks": 128},
    "occlusion": {"window": 24, "stride": 12},
}
COLUMNS = ("method", "model", "precision", "images", "median", "low", "device", "machine")


def trained(name: str, count: int, device: str) -> tuple[Classifier, Tensor]:
    """One of the zoo's models and held-out images."""
    _, classifier = load_named({"name": f"zoo:{name}"}, device)
    pictures = [render(i, seed=1, split="held-out").image for i in range(count)]
    return classifier, classifier.preprocessing([Image.fromarray(one) for one in pictures])[0]


def untrained(name: str, count: int, device: str) -> tuple[Classifier, Tensor]:
    """A larger model with random weights, and smooth noise."""
    torch.manual_seed(0)
    module = timm.create_model(name).eval().to(device, memory_format=torch.channels_last)
    own = Preprocessing((224, 224))
    images = torch.nn.functional.interpolate(torch.rand(count, 3, 8, 8), (224, 224), mode="bicubic")
    return Classifier(module, own, name, torch.device(device)), images * 4 - 2


def correlations(found: Tensor, exact: Tensor) -> np.ndarray:
    """Spearman's of each pair of maps; NaN where one is constant or not finite."""
    values = []
    for pair in zip(found.flatten(1).numpy(), exact.flatten(1).numpy(), strict=True):
        if all(np.isfinite(one).all() and np.ptp(one) > 0 for one in pair):
            values.append(np.corrcoef(*(rankdata(one) for one in pair))[0, 1])
        else:
            values.append(np.nan)
    return np.array(values)


def measure(
    name: str, model: str, classifier: Classifier, images: Tensor, device: str
) -> list[dict[str, Any]]:
    """Lines of one method and model."""
    method = CATALOGUE[name]
    settings, function = method.settings(**SETTINGS.get(name, {})), method.load()
    targets = classifier.scores(images).argmax(dim=1)
    seeds = range(len(images))
    exact = function(classifier, images, targets, seeds, settings).maps
    rows = []
    for precision in REDUCED:
        reduced = replace(classifier, precision=precision, known_layers=classifier.layers)
        values = correlations(function(reduced, images, targets, seeds, settings).maps, exact)
        varied = np.isfinite(correlations(exact, exact))  # else there is nothing to compare
        values = np.nan_to_num(values[varied], nan=-1.0)
        if len(values):
            rows.append(
                {
                    "method": name,
                    "model": model,
                    "precision": precision,
                    "images": len(values),
                    "median": f"{np.median(values):.4f}",
                    "low": f"{np.percentile(values, 5):.4f}",
                    "device": device,
                    "machine": machine(),
                }
            )
    return rows


def table(rows: list[dict[str, str]]) -> str:
    """The decision: the lowest figures over the models, and in whose bits a method is safe."""
    if not rows:
        return ""
    where = "; ".join(dict.fromkeys(f"{row['machine']} ({row['device']})" for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines = [
        f"Lowest median / lowest 5th percentile over {', '.join(models)}; of the zoo's alone in "
        f"brackets, where others were measured too. Measured on {where}.",
        "",
        "| method | " + " | ".join(f"{one} | safe" for one in REDUCED) + " |",
        "|---|" + "---|---|" * len(REDUCED),
    ]
    for name in CATALOGUE:
        cells = []
        for precision in REDUCED:
            own = [row for row in rows if (row["method"], row["precision"]) == (name, precision)]
            zoo = [row for row in own if row["model"] not in LARGER]
            both = f"{_lowest(own)} ({_lowest(zoo)})" if len(zoo) < len(own) else _lowest(own)
            cells += [both, _verdict(own)]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _lowest(rows: list[dict[str, str]]) -> str:
    if not rows:
        return "-"
    return " / ".join(f"{min(float(row[key]) for row in rows):.3f}" for key in ("median", "low"))


def _verdict(rows: list[dict[str, str]]) -> str:
    if not rows:
        return "-"
    safe = all(float(row["median"]) >= MEDIAN and float(row["low"]) >= LOW for row in rows)
    return "yes" if safe else "no"


def write(rows: list[dict[str, Any]], docs: Path = DOCS) -> None:
    """Put lines into docs/precision.csv, in the place of the same ones, and make the table."""
    new = {(row["method"], row["model"]) for row in rows}
    kept = [row for row in read(docs / "precision.csv") if (row["method"], row["model"]) not in new]
    order = list(CATALOGUE)
    known = [row for row in (*kept, *rows) if row["method"] in CATALOGUE]
    known.sort(key=lambda row: order.index(row["method"]))
    with (docs / "precision.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(known)
    page = docs / "methods.md"
    page.write_text(block(page.read_text(), "precision", table(read(docs / "precision.csv"))))


def main() -> None:
    zoo = [
        path.stem
        for path in sorted((ROOT / "resources/zoo").glob("*.json"))
        if not path.stem.endswith("-biased")
    ]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=[*zoo, *LARGER])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="methods (default: all)")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", action="store_true", help="docs/precision.csv and methods.md")
    args = parser.parse_args()
    print(f"\nMaps with fewer bits, {machine()}")
    for model in args.models:
        make = untrained if model in LARGER else trained
        classifier, images = make(model, args.images, args.device)
        rows = []
        for name in args.only or CATALOGUE:
            try:
                rows += (found := measure(name, model, classifier, images, args.device))
            except SightlineError as error:
                print(f"{name} does not take {model}: {str(error).partition('.')[0]}")
                continue
            shown = (f"{row['precision']} {row['median']} / {row['low']}" for row in found)
            print(f"{name:<22} {model:<22} {', '.join(shown) or 'constant maps'}", flush=True)
        if args.write:
            write(rows)


if __name__ == "__main__":
    main()
