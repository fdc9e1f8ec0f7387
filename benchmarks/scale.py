"""Time and memory of comparing all pairs, as the rules do it: by models, images and map size.

Maps are synthetic: a pattern shared by an image's maps, and each model's own noise. Of a
thousand models a hundred are made, and each file has ten names: comparing takes no notice.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sightline.maps.store import map_writer
from sightline.study.ranges import cut

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/scale.csv"
PAGE = ROOT / "docs/comparison.md"
FIGURE = ROOT / "docs/images/scale.png"
KEYS = ("models", "images", "native", "grid")
MADE = 100
RANGE = 1024


class Case(NamedTuple):
    """How much is compared: models, images, the maps' own side and the grid's."""

    models: int
    images: int
    native: int
    grid: int


CASES = [
    *(Case(models, 128, 7, 56) for models in (14, 100, 1000)),
    *(Case(models, 1000, 56, 56) for models in (14, 100, 1000)),
    *(Case(14, images, 7, 56) for images in (1024, 8192, 50_000)),
    *(Case(14, images, 224, 224) for images in (128, 1024)),
]
SETTINGS = {
    "measures": {
        "cosine": {"measure": "cosine"},
        "kappa": {"measure": "kappa", "cuts": [0.5], "top": None},
    },
    "scaling": ["positive", "minmax"],
}
INTERVALS = {"replicates": 1000, "kind": "bca", "level": 0.95, "seed": 0}


def main(arguments: list[str] | None = None) -> None:
    """Print what each case takes; the largest takes some minutes and 6 GB of disk."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="into docs, beside other cases there")
    parser.add_argument(
        "--case",
        type=int,
        nargs=4,
        action="append",
        metavar=tuple(KEYS),
        help="this one; all unless given",
    )
    given = parser.parse_args(arguments)
    chosen = [Case(*values) for values in given.case] if given.case else CASES
    found = {key_of(row): row for row in read()} if given.write and TABLE.exists() else {}
    print("\nComparing all pairs: cosine and kappa, 1,000 resamples")
    for case in chosen:
        row = {name: str(value) for name, value in (case._asdict() | measure(case)).items()}
        found[key_of(row)] = row
        print("  " + "  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        if given.write:
            write([found[key] for key in map(tuple, CASES) if key in found])


def key_of(row: Mapping[str, str]) -> tuple[int, ...]:
    """Which case a row is of."""
    return tuple(int(row[name]) for name in KEYS)


def write(rows: list[dict[str, str]]) -> None:
    """The table, its figure and its part of the page."""
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw(rows)
    PAGE.write_text(page(PAGE.read_text(), rows))


def page(text: str, rows: list[dict[str, str]]) -> str:
    """The page with its table made anew."""
    heads = ("models", "images", "maps", "grid", "compare", "merge", "peak", "statistics")
    lines = [f"| {' | '.join(heads)} |", f"|{'--:|' * len(heads)}"]
    for row in rows:
        peak = max(int(row["compare_mb"]), int(row["merge_mb"]))
        cells = (
            f"{int(row['models']):,}",
            f"{int(row['images']):,}",
            f"{row['native']}x{row['native']}",
            row["grid"],
            f"{row['compare_s']} s",
            f"{row['merge_s']} s",
            f"{peak:,} MB",
            f"{row['statistics_mb']} MB",
        )
        lines.append(f"| {' | '.join(cells)} |")
    table = "\n".join(lines)
    filled = f"<!-- scale -->\n{table}\n<!-- end -->"
    return re.sub(r"<!-- scale -->\n.*?<!-- end -->", lambda _: filled, text, flags=re.DOTALL)


def read() -> list[dict[str, str]]:
    """The rows of docs/scale.csv."""
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def measure(case: Case) -> dict[str, float]:
    """Seconds and peak memory of the jobs of one method."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ranges = [one.name for one in cut(case.images, RANGE)]
        make_maps(folder, case, ranges)
        ids = ",".join(f"model{i:04d}" for i in range(case.models))
        compared, merged = [], []
        for one in ranges:
            settings = json.dumps(SETTINGS | {"grid": case.grid})
            maps = f"{folder}/{{model}}/{one}.h5"
            output = f"{folder}/compare/{one}.h5"
            options = ["--models", ids, "--settings", settings, "--output", output]
            compared.append(run("compare", maps, *options))
        options = json.dumps(INTERVALS | {"subsets": ["same_class", "both_correct"]})
        suffix = "csv" if case.models < 142 else "parquet"
        outputs = {"similarity": suffix, "agreement": suffix, "pairs": "h5"}
        named = [
            part for key, end in outputs.items() for part in (f"--{key}", f"{folder}/{key}.{end}")
        ]
        statistics = f"{folder}/compare/{{range}}.h5"
        merged = run("merge", statistics, "--ranges", ",".join(ranges), "--method", "m",
                     "--options", options, *named)  # fmt: skip
        size = sum(path.stat().st_size for path in (folder / "compare").iterdir())
    return {
        "compare_s": round(sum(seconds for seconds, _ in compared), 1),
        "compare_mb": round(max(peak for _, peak in compared)),
        "merge_s": round(merged[0], 1),
        "merge_mb": round(merged[1]),
        "statistics_mb": round(size / 2**20, 1),
    }


def run(command: str, *arguments: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of one command of the library."""
    # As the rules set them, workflow/rules/common.smk.
    allocator = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296"}
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")} | allocator
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "sightline", command, *arguments], env=environment
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise RuntimeError(f"sightline {command} ended with status {status}")
    return seconds, usage.ru_maxrss / 1024


def make_maps(folder: Path, case: Case, ranges: list[str]) -> None:
    """Map files of all models and ranges."""
    for model in range(case.models):
        own = folder / f"model{model:04d}"
        own.mkdir()
        for name in ranges:
            source = folder / f"model{model % MADE:04d}" / f"{name}.h5"
            if model >= MADE:
                os.link(source, own / f"{name}.h5")
            else:
                write_range(own / f"{name}.h5", name, model, case.native)


def write_range(path: Path, name: str, model: int, side: int) -> None:
    """One map file."""
    first, last = map(int, name.split("-"))
    with map_writer(path, last - first + 1, {}) as writer:
        for rows, maps in patterns(first, last + 1, model, side):
            writer.append(
                maps,
                {},
                image_id=[f"image-{i:06d}" for i in rows],
                role=["predicted"] * len(rows),
                target=np.zeros(len(rows)),
                explained=["class 0"] * len(rows),
                predicted=[f"class {(i + model * (i % 7 == 0)) % 10}" for i in rows],
                correct=(np.asarray(rows) % 7 > 0).astype(np.int8),
                score=np.zeros(len(rows)),
                confidence=np.zeros(len(rows)),
                box=np.tile([0, 0, 224, 224], (len(rows), 1)),
                size=np.tile(224, (len(rows), 2)),
            )


def patterns(start: int, stop: int, model: int, side: int) -> Iterator[tuple[range, np.ndarray]]:
    """Maps of some images at a time."""
    for first in range(start, stop, 64):
        rows = range(first, min(first + 64, stop))
        shape = (len(rows), side, side)
        shared = np.random.default_rng(first).random(shape, dtype=np.float32)
        own = np.random.default_rng([first, model + 1]).random(shape, dtype=np.float32)
        yield rows, shared + own


def draw(rows: list[dict[str, str]]) -> None:
    """Curves of time and memory."""
    import matplotlib.pyplot as plt

    from sightline.plots.style import house_style, save

    # What grows, what a curve is of, and whether a case belongs to it.
    curves: list[tuple[str, str, Callable[[Case], bool]]] = [
        ("models", "56x56, 1,000 images", lambda case: case.native == 56),
        ("models", "7x7, 128 images", lambda case: case.native == 7 and case.images == 128),
        ("images", "7x7, 14 models", lambda case: case.native == 7 and case.models == 14),
        ("images", "224x224, 14 models", lambda case: case.native == 224),
    ]
    cases = {Case(*key_of(row)): row for row in rows}
    with house_style():
        figure, grid = plt.subplots(2, 2, figsize=(8, 5.5), sharex="col", sharey="row")
        for along, label, belongs in curves:
            column = grid[:, 0 if along == "models" else 1]
            own = {getattr(case, along): row for case, row in cases.items() if belongs(case)}
            total = [float(row["compare_s"]) + float(row["merge_s"]) for row in own.values()]
            peak = [max(int(row["compare_mb"]), int(row["merge_mb"])) for row in own.values()]
            column[0].plot(list(own), total, marker="o", label=label)
            column[1].plot(list(own), peak, marker="o", label=label)
            column[1].set(xlabel=along, xscale="log")
            column[0].legend(frameon=False, fontsize=8)
        grid[0, 0].set(ylabel="seconds, compare and merge", yscale="log")
        grid[1, 0].set(ylabel="peak memory in MB", ylim=(0, None))
        save(figure, FIGURE)


if __name__ == "__main__":
    main()
