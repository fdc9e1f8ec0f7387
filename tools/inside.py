"""How much of each method's maps lies inside the object; write docs/inside.csv and docs/methods.md.

Every method explains held-out shapes to each clean model of the zoo, which know them. ``--resume``
keeps the rows that are there, ``--methods`` and ``--models`` name some, ``--page`` only writes the
page. Each row is written when it is known.
"""

from __future__ import annotations

import argparse
import csv
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from sightline.errors import SightlineError
from sightline.evaluate.explain import explainer
from sightline.evaluate.inside import inside
from sightline.evaluate.sanity.seeds import seed_agreement
from sightline.files import replacing
from sightline.images.shapes import Scene, render
from sightline.jobs.named import load_named
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.catalogue.entry import Method
from sightline.models.classifier import Classifier
from sightline.models.zoo import ZOO
from sightline.study.config import Compare
from sightline.study.ids import seed_of

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "inside.csv"
PAGE = ROOT / "docs" / "methods.md"
IMAGES = 64
# Where the defaults would take hours.
SETTINGS = {"rise": {"masks": 600}, "lime": {"samples": 350}}
SIGNIFICANT = 0.05
COLUMNS = [
    "method", "model", "images", "maps", "share", "chance", "area", "p", "cosine", "rank",
    "seconds", "reason",
]  # fmt: skip


@cache
def scenes(count: int) -> list[Scene]:
    """The first held-out shapes."""
    return [render(index) for index in range(count)]


def examine(
    model: str, classifier: Classifier, method: Method, images: Tensor
) -> dict[str, object]:
    """One row of the table."""
    count = len(images)
    row: dict[str, object] = {"method": method.name, "model": model, "images": count}
    explain = explainer(method.load(), method.settings(**SETTINGS.get(method.name, {})))
    targets = classifier.scores(images).argmax(dim=1)
    first, second = (
        [seed_of(seed, model, method.name, index, "predicted") for index in range(count)]
        for seed in (0, 1)
    )
    start = time.perf_counter()
    try:
        maps = explain(classifier, images, targets, first)
    except SightlineError as error:
        return row | {"reason": str(error).splitlines()[0]}
    row["seconds"] = time.perf_counter() - start
    masks = np.stack([scene.objects[0].mask for scene in scenes(count)]).astype(np.float32)
    found = inside(maps, masks, method.scaling)
    row["maps"] = int(np.isfinite(found.share).sum())
    if row["maps"]:
        row |= {name: np.nanmean(getattr(found, name)) for name in ("share", "chance", "area", "p")}
    if method.stochastic:
        again = seed_agreement(
            *(explain, classifier, images, targets, second, maps),
            scaling=method.scaling,
            grid=Compare().grid,
        )
        row |= {name: np.nanmean(values) for name, values in again.items()}
    return row


def main() -> None:
    """Examine what is asked for, and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--methods", default=",".join(CATALOGUE), help="separated by commas")
    options.add_argument("--models", default=",".join(ZOO), help="separated by commas")
    options.add_argument("--images", type=int, default=IMAGES)
    options.add_argument("--resume", action="store_true", help="keep the rows that are there")
    options.add_argument("--page", action="store_true", help="only write docs/methods.md")
    chosen = options.parse_args()
    if not chosen.page:
        examine_all(chosen)
    PAGE.write_text(page(PAGE.read_text(), read()))


def examine_all(chosen: argparse.Namespace) -> None:
    """Write the table; rows of others than the chosen methods and models stay."""
    methods, models = chosen.methods.split(","), chosen.models.split(",")
    known = {(row["method"], row["model"]): row for row in read()}
    known = {pair: row for pair, row in known.items() if pair[0] in CATALOGUE and pair[1] in ZOO}
    for model in models:
        _, classifier = load_named({"name": f"zoo:{model}"}, "cpu")
        shown = [Image.fromarray(scene.image) for scene in scenes(chosen.images)]
        images, _ = classifier.preprocessing(shown)
        for name in methods:
            if chosen.resume and (name, model) in known:
                continue
            row = examine(model, classifier, CATALOGUE[name], images)
            known[name, model] = {key: _text(value) for key, value in row.items()}
            order = [(one, other) for one in CATALOGUE for other in ZOO]
            write([known[pair] for pair in order if pair in known])
            print({key: value for key, value in known[name, model].items() if value}, flush=True)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read() -> list[dict[str, str]]:
    """Rows of the table."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def write(rows: list[dict[str, Any]]) -> None:
    """Write the table whole."""
    with replacing(TABLE) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def page(text: str, rows: list[dict[str, str]]) -> str:
    """The page with its blocks made anew from the table; other blocks stay."""
    parts = {"inside": inside_block(rows), "seeds": seeds_block(rows)}
    for mark, made in parts.items():
        pattern = rf"<!-- {mark} -->\n.*?<!-- end -->"
        filled = f"<!-- {mark} -->\n{made}<!-- end -->"
        text = re.sub(pattern, lambda _, filled=filled: filled, text, flags=re.DOTALL)
    return text


def inside_block(rows: list[dict[str, str]]) -> str:
    """A row a method: share inside and by chance on each model."""
    below = [row for row in rows if row["share"] and not _above(row)]
    judged = [row for row in rows if row["share"] and not CATALOGUE[row["method"]].control]
    above = sum(map(_above, judged))
    summary = (
        f"{judged[0]['images']} held-out shapes. Above chance (p < {SIGNIFICANT}) are {above} of "
        f"{len(judged)} pairs of a method and a model, controls\nnot counted.\n"
    )
    failing = [row for row in below if not CATALOGUE[row["method"]].control]
    if failing:
        listed = ", ".join(f"`{row['method']}` on `{row['model']}`" for row in failing)
        summary += f"Not above chance: {listed}.\n"
    # The part of the image is the same for all models of one input.
    areas = {row["model"]: f"{float(row['area']):.2f}" for row in rows if row["area"]}
    table = _table(rows, _inside_cell, [["mask's area", *(areas.get(m, "") for m in ZOO)]])
    return f"{summary}\n{table}"


def _above(row: dict[str, str]) -> bool:
    return float(row["p"]) < SIGNIFICANT


def _inside_cell(row: dict[str, str]) -> str:
    if row["reason"]:
        return "refused"
    if not row["share"]:
        return "zero maps"
    few = f" [{row['maps']}]" if row["maps"] != row["images"] else ""
    value = f"{float(row['share']):.2f} / {float(row['chance']):.2f}{few}"
    return value if _above(row) else f"{value} †"


def seeds_block(rows: list[dict[str, str]]) -> str:
    """A row a stochastic method: agreement of two seeds on each model."""
    own = [row for row in rows if CATALOGUE[row["method"]].stochastic]
    return _table(own, _seeds_cell, [])


def _seeds_cell(row: dict[str, str]) -> str:
    if row["reason"]:
        return "refused"
    return f"{float(row['cosine']):.2f} / {float(row['rank']):.2f}"


def _table(rows: list[dict[str, str]], cell: Any, first: list[list[str]]) -> str:
    cells = {(row["method"], row["model"]): cell(row) for row in rows}
    names = dict.fromkeys(row["method"] for row in rows)
    ordered = sorted(names, key=lambda name: CATALOGUE[name].control)
    lines = ["| method | " + " | ".join(f"`{model}`" for model in ZOO) + " |"]
    lines.append("|---" * (len(ZOO) + 1) + "|")
    lines += [f"| {' | '.join(line)} |" for line in first]
    for name in ordered:
        label = f"control: `{name}`" if CATALOGUE[name].control else f"`{name}`"
        lines.append(f"| {label} | " + " | ".join(cells.get((name, m), "") for m in ZOO) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
