"""Find and examine the layer of timm's models; write the table docs/coverage.md shows.

``python tools/coverage.py`` takes the smallest classifier of each module, ``--all`` every name.
Each line is written when it is known, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import gc
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, fields
from multiprocessing import get_context
from pathlib import Path

import timm
import torch

from sightline.errors import SightlineError
from sightline.jobs.coverage import Coverage, cover
from sightline.models.load import load_classifier
from sightline.study.config import Model
from sightline.study.resolve import resolve_model

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "coverage.csv"
ALL = ROOT / "docs" / "coverage-all.csv"
# A head of ten classes, drawn at random also where timm starts it with zeros or has none.
CLASSES = 10
COLUMNS = [
    "module", "model", "parameters", "input", *(one.name for one in fields(Coverage)),
    "seconds", "reason",
]  # fmt: skip


def parameters(name: str) -> int:
    """Weights of a model, without making them."""
    with torch.device("meta"):
        module = timm.create_model(name, num_classes=CLASSES)
    return sum(one.numel() for one in module.parameters())


def smallest(module: str) -> tuple[int, str]:
    """The classifier of a timm module that has the fewest weights."""
    return min((parameters(name), name) for name in timm.list_models(module=module))


def examine(module: str, name: str, count: int) -> dict[str, object]:
    """One row of the table."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    row: dict[str, object] = {"module": module, "model": name, "parameters": count}
    try:
        spec = resolve_model(
            name, Model(name=name, pretrained=False, args={"num_classes": CLASSES})
        ).spec
        classifier = load_classifier(spec)
        row["input"] = "x".join(str(side) for side in classifier.preprocessing.size)
        row |= {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in asdict(cover(classifier)).items()
        }
    except SightlineError as error:
        row["reason"] = str(error).splitlines()[0]
    gc.collect()
    return row | {"seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    """Write the table and say how many models have a layer that holds."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--all", action="store_true", help="every name instead of every module")
    options.add_argument("--largest", type=float, default=700, help="millions of weights")
    options.add_argument("--jobs", type=int, default=2)
    chosen = options.parse_args()
    path = ALL if chosen.all else TABLE
    known = {row["model"]: row for row in csv.DictReader(path.open())} if path.exists() else {}
    context = get_context("spawn")
    with ProcessPoolExecutor(chosen.jobs, mp_context=context, max_tasks_per_child=20) as pool:
        modules = timm.list_modules()
        if chosen.all:
            names = [
                (module, name) for module in modules for name in timm.list_models(module=module)
            ]
            counts = pool.map(parameters, [name for _, name in names], chunksize=8)
            wanted = [(*name, count) for name, count in zip(names, counts, strict=True)]
        else:
            found = pool.map(smallest, modules)
            wanted = [
                (module, name, count) for module, (count, name) in zip(modules, found, strict=True)
            ]
        wanted.sort(key=lambda one: one[2])
        missing = [one for one in wanted if one[1] not in known and one[2] <= chosen.largest * 1e6]
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if not known:
                writer.writeheader()
            for done in as_completed(pool.submit(examine, *one) for one in missing):
                writer.writerow(done.result())
                file.flush()
    order = {name: i for i, (_, name, _) in enumerate(sorted(wanted))}
    rows = sorted(
        (row for row in csv.DictReader(path.open()) if row["model"] in order),
        key=lambda row: order[row["model"]],
    )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    found = sum(bool(row["layer"]) for row in rows)
    print(f"{len(rows)} of {len(wanted)} models examined, {found} with a layer.")


if __name__ == "__main__":
    main()
