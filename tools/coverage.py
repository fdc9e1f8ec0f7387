"""Find and examine the layer of timm's models; write docs/coverage.csv and docs/coverage.md.

``python tools/coverage.py`` takes the smallest classifier of each module, ``--all`` every name
(docs/coverage-all.csv), with smaller images where the model takes them. Each line is written when
it is known, so that a run that was stopped goes on where it was; ``--page`` only writes the page.
"""

from __future__ import annotations

import argparse
import csv
import gc
import re
import time
import warnings
from dataclasses import asdict, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import timm
import torch

from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.jobs.coverage import Coverage, cover
from sightline.models.load import load_classifier
from sightline.study.config import Model
from sightline.study.models import resolve_model

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "coverage.csv"
PAGE = ROOT / "docs" / "coverage.md"
ALL = ROOT / "docs" / "coverage-all.csv"
# A head of ten classes, drawn at random also where timm starts it with zeros or has none.
CLASSES = 10
WHOLE: dict[str, Any] = {"args": {"num_classes": CLASSES}}
# Sides of images: 128 is whole for strides up to 32, others for patches of 14 and windows of 7.
SMALL = (128, 112, 160, 192, 224)
# Beyond it smaller images are taken for every model: they would take minutes.
LARGEST_SIDE = 512
COLUMNS = [
    "module", "model", "parameters", "input", *(one.name for one in fields(Coverage)),
    "holds", "seconds", "reason",
]  # fmt: skip


def parameters(name: str) -> tuple[int, bool]:
    """Weights of a model, and whether it gives scores of classes and is no encoder alone."""
    with torch.device("meta"):
        module = timm.create_model(name, num_classes=CLASSES)
    count = sum(one.numel() for one in module.parameters())
    return count, module.num_classes == CLASSES


def smallest(module: str) -> tuple[int, str]:
    """The classifier of a timm module that has the fewest weights."""
    found = [(*parameters(name), name) for name in timm.list_models(module=module)]
    return min((count, name) for count, classifies, name in found if classifies)


def specification(name: str, *, small: bool = False) -> dict[str, Any]:
    """What a model is made with, besides its name."""
    return small_input(name) if small or native_side(name) > LARGEST_SIDE else WHOLE


def small_input(name: str) -> dict[str, Any]:
    """A specification by which a model takes small images, or its own size if it takes no other."""
    native = native_side(name)
    with torch.device("meta"):
        for side in (size for size in SMALL if size < native):
            for args in ({"img_size": side}, {}):
                try:
                    module = timm.create_model(name, num_classes=CLASSES, **args).eval()
                    module(torch.zeros(1, 3, side, side))
                except Exception:  # whatever it says: it does not take this size
                    continue
                return {"args": {"num_classes": CLASSES} | args, "input": {"size": (side, side)}}
    return WHOLE


def native_side(name: str) -> int:
    """Pixels along a side of the images that a model was made for."""
    config = timm.models.get_pretrained_cfg(name)
    return int(config.input_size[-1])


def examine(module: str, name: str, count: int, small: bool) -> dict[str, object]:
    """One row of the table."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    row: dict[str, object] = {"module": module, "model": name, "parameters": count}
    try:
        given = specification(name, small=small)
        spec = resolve_model(name, Model(name=name, pretrained=False, **given)).spec
        classifier = load_classifier(spec)
        row["input"] = "x".join(str(side) for side in classifier.preprocessing.size)
        found = cover(classifier)
        row |= asdict(found) | {"holds": found.holds}
    except SightlineError as error:
        row["reason"] = str(error).splitlines()[0]
        row["holds"] = False
    gc.collect()
    row["seconds"] = time.perf_counter() - start
    return {
        key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()
    }


def _examine(one: tuple[str, str, int, bool]) -> dict[str, object]:
    return examine(*one)


def main() -> None:
    """Examine what is asked for, and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--all", action="store_true", help="every name instead of every module")
    options.add_argument("--largest", type=float, default=700, help="millions of weights")
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--resume", action="store_true", help="keep the rows that are there")
    options.add_argument("--page", action="store_true", help="only write docs/coverage.md")
    chosen = options.parse_args()
    if not chosen.page:
        examine_models(chosen)
    PAGE.write_text(page(PAGE.read_text()))


def examine_models(chosen: argparse.Namespace) -> None:
    """Write the table and say how many models have a layer."""
    path = ALL if chosen.all else TABLE
    known = {row["model"]: row for row in read(path)} if chosen.resume and path.exists() else {}
    modules = timm.list_modules()
    with get_context("spawn").Pool(chosen.jobs, maxtasksperchild=20) as pool:
        if chosen.all:
            pairs = [
                (module, name) for module in modules for name in timm.list_models(module=module)
            ]
            counts = pool.map(parameters, [name for _, name in pairs])
            wanted = [(*pair, count) for pair, (count, _) in zip(pairs, counts, strict=True)]
        else:
            found = zip(modules, pool.map(smallest, modules), strict=True)
            wanted = [(module, name, count) for module, (count, name) in found]
        wanted.sort(key=lambda one: one[2])
        missing = [
            (*one, chosen.all)
            for one in wanted
            if one[1] not in known and one[2] <= chosen.largest * 1e6
        ]
        for row in pool.imap_unordered(_examine, missing):
            known[str(row["model"])] = row
            write(path, [known[name] for _, name, _ in wanted if name in known])
    rows = read(path)
    found = sum(row["holds"] == "True" for row in rows)
    print(f"{len(rows)} of {len(wanted)} models examined, {found} with a layer that holds.")


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a table whole."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def page(text: str) -> str:
    """The page with everything between its marks made anew from the tables."""
    rows = sorted(read(TABLE), key=lambda row: row["module"])
    parts = {"summary": summary(rows), "table": table(rows), "all": every_name()}
    for mark, made in parts.items():
        pattern = rf"<!-- {mark} -->\n.*?<!-- end -->"
        filled = f"<!-- {mark} -->\n{made}<!-- end -->"
        text = re.sub(pattern, lambda _, filled=filled: filled, text, flags=re.DOTALL)
    return text


def summary(rows: list[dict[str, str]]) -> str:
    """How many modules have a layer that holds."""
    versions = f"timm {timm.__version__}, torch {torch.__version__.partition('+')[0]}"
    holding = sum(row["holds"] == "True" for row in rows)
    return (
        f"**{holding} of timm's {len(timm.list_modules())} model modules have a layer "
        "that holds**, tried with the\nclassifier of each that has the fewest weights, drawn at "
        f"random like its head of {CLASSES} classes\n({versions}, CPU).\n"
    )


def table(rows: list[dict[str, str]]) -> str:
    """A row a module."""
    lines = [
        "| module | model | layer | layout | map | layers | at 0.25/0.5/0.75 | reach | varies "
        "| spread | share | locality | by steps |",
        "|---|---|---|---|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        shares = [
            f"{float(row[key]):.2f}" if row[key] else ""
            for key in ("reach", "varied", "spread", "share", "locality", "stepwise")
        ]
        layer = f"none: {row['reason']}" if row["reason"] else f"`{row['layer']}`"
        cells = [row["module"], row["model"], layer, row["layout"], row["map"], row["layers"]]
        cells.append(row["depths"])
        lines.append(f"| {' | '.join([*cells, *shares])} |")
    return "\n".join(lines) + "\n"


def every_name() -> str:
    """What came of all names, and the ones without a layer that holds."""
    if not ALL.exists():
        return "`make coverage-all` examines every name that timm registers; it was not run yet.\n"
    rows = sorted(read(ALL), key=lambda row: row["model"])
    failing = [row for row in rows if row["holds"] != "True"]
    lines = [
        f"`make coverage-all` examined {len(rows)} of timm's {len(timm.list_models())} names "
        f"(coverage-all.csv), with images\nof the smallest of {SMALL} pixels that each takes: "
        f"{len(rows) - len(failing)} have a layer that holds."
    ]
    if failing:
        lines += ["", "| model | why not |", "|---|---|"]
        lines += [f"| {row['model']} | {row['reason'] or shortfall(row)} |" for row in failing]
    return "\n".join(lines) + "\n"


def shortfall(row: dict[str, str]) -> str:
    """What an examined layer lacks."""
    return (
        f"`{row['layer']}`: finite {row['finite']}, varies {row['varied']}, locality "
        f"{row['locality']}, by steps {row['stepwise']}"
    )


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a table."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
