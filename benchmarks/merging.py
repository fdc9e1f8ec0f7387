"""Time and memory of each job that runs no model, beside what was expected.

Expected by `sightline.study.estimates.merging`. Maps are synthetic, as those of
`benchmarks/scale.py`. A method's maps of a model are another model's under the next method:
comparing takes no notice.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scale import patterns
from sightline.images.shards import Entry, png, write_shard
from sightline.jobs.compare import compare_range
from sightline.jobs.merging.consensus import consensus_range
from sightline.maps.store import map_writer
from sightline.study.estimates.merging import Merging
from sightline.study.ranges import cut
from sightline.study.resolve import ResolvedStudy
from sightline.tabular import read_table, write_table

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/merging.csv"
RANGE = 1024
SIDE = 224
CLASSES = [f"class {number}" for number in range(10)]
ROLES = ("predicted", "top2", "top3", "top4", "top5")
EXPERIMENT = "localisation"
# Numbers of columns of the table of models, for the tests of architecture.
FACTORS = ("family", "parameters")


class Case(NamedTuple):
    """How large a study is; `native` is the maps' own side, `grid` that of comparing."""

    models: int
    images: int
    methods: int
    roles: int
    native: int
    grid: int


CASES = [
    Case(6, 32, 2, 1, 7, 56),
    Case(14, 1024, 3, 1, 7, 56),
    Case(4, 8192, 2, 1, 7, 56),
    Case(100, 64, 2, 1, 7, 56),
    Case(6, 256, 2, 3, 224, 224),
]


def main(arguments: list[str] | None = None) -> None:
    """Print what each rule's job takes; half an hour of a processor, 1 GB of disk."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/merging.csv")
    parser.add_argument("--case", type=int, nargs=6, metavar=Case._fields, help="this one alone")
    given = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for case in [Case(*given.case)] if given.case else CASES:
        for row in measure(case):
            rows.append(row)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
            if given.write:
                write(rows)


def write(rows: list[dict[str, Any]]) -> None:
    """The table, of what was measured."""
    heads = ("rule", *Case._fields, "seconds", "megabytes")
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, heads, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def study_of(case: Case) -> ResolvedStudy:
    """A study of a case's size, with the settings that studies have unless they say others."""
    names = [f"method{number}" for number in range(case.methods)]
    found = ResolvedStudy(
        {
            "study": "merging",
            "images": {"source": "shapes", "count": 32},
            "models": {"m": {"name": "resnet18", "pretrained": False, "classes": CLASSES}},
            "methods": {name: {"method": "rise"} for name in names},
            "roles": list(ROLES[: case.roles]),
            "compare": {"grid": case.grid, "factors": list(FACTORS)},
            "evaluate": {EXPERIMENT: {}},
        }
    )
    found.models = {f"model{number:04d}": found.models["m"] for number in range(case.models)}
    # Nothing reads them but for their number.
    found.__dict__["images"] = range(case.images)
    return found


def measure(case: Case) -> Iterator[dict[str, Any]]:
    """Seconds of a processor, and peak memory in MB, of one job of each rule."""
    study = study_of(case)
    merging = Merging(study)
    with tempfile.TemporaryDirectory() as name:
        jobs = Jobs(study, case, Path(name))
        for rule, wildcards, arguments in jobs.all():
            seconds, peak = run(*arguments)
            yield {
                "rule": rule,
                **case._asdict(),
                "seconds": round(seconds, 1),
                "megabytes": round(peak),
                "expected_s": round(merging.seconds(rule, wildcards), 1),
                "asked_mb": merging.memory(rule, wildcards, 1),
            }


def run(*arguments: str) -> tuple[float, float]:
    """Processor seconds and peak memory in MB of one command of the library."""
    # As the rules set them, workflow/rules/common.smk; and one thread, as a job has one processor:
    # on a busy machine those that wait for each other would count.
    given = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296"}
    given |= {"PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"}
    environment = os.environ | given | {"OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-m", "sightline", *arguments], env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"sightline {arguments[0]} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


class Jobs:
    """The commands of a study's jobs, as the rules say them, and the files that they read.

    Parameters
    ----------
    study
        Of the case.
    case
        Its size.
    folder
        For its files.
    """

    def __init__(self, study: ResolvedStudy, case: Case, folder: Path) -> None:
        self.study, self.case, self.folder = study, case, folder
        self.models, self.methods = list(study.models), list(study.methods)
        self.ranges = [one.name for one in cut(case.images, RANGE)]
        self.first = self.methods[0]
        self.scaling = study.scaling(self.first)
        self.settings = {"grid": case.grid, "measures": study.measures, "scaling": self.scaling}

    def all(self) -> Iterator[tuple[str, dict[str, str], list[str]]]:
        """Rule, wildcards and command, in an order in which each finds its files."""
        self.apart("make_maps")
        yield from self.of_ranges()
        self.apart("compare_the_rest")
        yield from self.of_the_method()
        for method in self.methods[1:]:
            os.link(self.path("pairs.h5"), self.path(f"{method}.h5"))
        yield from self.of_all_methods()
        self.apart("make_shards")
        yield from self.of_experiments()

    def apart(self, name: str) -> None:
        """Call a method in a process of its own: a command's peak is never below its parent's."""
        process = get_context("spawn").Process(target=call, args=(self.case, self.folder, name))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"{name} ended with status {process.exitcode}")

    def path(self, name: str) -> str:
        """A file of the study."""
        return str(self.folder / name)

    def of_ranges(self) -> Iterator[tuple[str, dict[str, str], list[str]]]:
        """Jobs of the first range."""
        one, models = self.ranges[0], ",".join(self.models)
        maps = self.path(f"maps/{{model}}/{self.first}/{one}.h5")
        common = [maps, "--models", models]
        wildcards = {"method": self.first, "range": one}
        output = ["--output", self.path(f"compare/{one}.h5")]
        yield "compare", wildcards, [
            "compare", *common, "--settings", json.dumps(self.settings), *output
        ]  # fmt: skip
        output = ["--output", self.path(f"consensus/{self.first}/{one}.h5")]
        yield "consensus", wildcards, [
            "consensus", *common, "--scaling", ",".join(self.scaling), *output
        ]  # fmt: skip

    def compare_the_rest(self) -> None:
        """Of other ranges and methods, what later jobs read."""
        for one in self.ranges:
            for method in self.methods:
                files = {
                    model: self.folder / f"maps/{model}/{method}/{one}.h5" for model in self.models
                }
                consensus = self.folder / f"consensus/{method}/{one}.h5"
                if not consensus.exists():
                    consensus_range(files, self.scaling, consensus)
                compared = self.folder / f"compare/{one}.h5"
                if method == self.first and not compared.exists():
                    compare_range(files, self.settings, compared)

    def of_the_method(self) -> Iterator[tuple[str, dict[str, str], list[str]]]:
        """Jobs of one method, all ranges."""
        compare, own = self.study.config.compare, {"method": self.first}
        statistics, ranges = self.path("compare/{range}.h5"), ["--ranges", ",".join(self.ranges)]
        named = ["--method", self.first]
        models, intervals = ["--models", ",".join(self.models)], self.study.intervals
        maps = self.path(f"maps/{{model}}/{self.first}/{{range}}.h5")
        yield "ceiling", own, [
            "ceiling", maps, "--again", self.path(f"maps/{{model}}/{self.first}/again.h5"),
            "--statistics", statistics, *models, "--ranges", self.ranges[0], *named,
            "--settings", json.dumps(self.settings), "--options", json.dumps(intervals),
            "--output", self.path("ceiling.csv"),
        ]  # fmt: skip
        tables = [
            f"--{name}={self.path(f'{name}.{self.study.pair_tables}')}"
            for name in ("similarity", "agreement")
        ]
        options = {"subsets": compare.subsets} | intervals
        yield "merge", own, [
            "merge", statistics, *ranges, *named, "--options", json.dumps(options),
            "--ceiling", self.path("ceiling.csv"), *tables, "--pairs", self.path("pairs.h5"),
        ]  # fmt: skip
        tests = compare.model_dump(include={"permutations", "level", "seed"})
        self.make_tables_of_models()
        yield "merge_consensus", own, [
            "merge-consensus", self.path(f"consensus/{self.first}/{{range}}.h5"), *ranges, *named,
            "--accuracy", self.path("accuracy.csv"),
            "--options", json.dumps(tests | {"intervals": intervals}),
            "--consensus", self.path("consensus.csv"), "--related", self.path("related.csv"),
        ]  # fmt: skip
        drawn = compare.model_dump(include={"draws", "precision", "linkage", "seed"})
        yield "images_needed", own, [
            "images-needed", statistics, *ranges, *named,
            "--options", json.dumps(drawn | {"level": compare.confidence}),
            "--curve", self.path("curve.csv"), "--recommended", self.path("recommended.csv"),
        ]  # fmt: skip
        found = compare.model_dump(
            include={
                *("linkage", "resolution", "resolutions", "exact_models", "exact_seconds"),
                *("seed", "level"),
            }
        )
        yield "structure", own, [
            "structure", self.path("pairs.h5"), *named, "--folder", self.path("structure"),
            "--options", json.dumps(found),
        ]  # fmt: skip
        yield "artefacts", own, [
            "artefacts", maps, *models, *ranges, *named, "--layers", "{}",
            "--role", self.study.config.roles[0], "--seed", "0",
            "--output", self.path("artefacts.csv"), "--means", self.path("artefacts.h5"),
        ]  # fmt: skip

    def of_all_methods(self) -> Iterator[tuple[str, dict[str, str], list[str]]]:
        """Jobs of all methods together."""
        compare, model = self.study.config.compare, self.models[0]
        ranges = ["--ranges", json.dumps(dict.fromkeys(self.methods, self.ranges))]
        yield "variance", {}, [
            "variance", self.path("consensus/{method}/{range}.h5"), *ranges,
            "--output", self.path("variance.csv"),
        ]  # fmt: skip
        scaling = dict.fromkeys(self.methods, self.scaling)
        yield "compare_methods", {"model": model}, [
            "compare-methods", self.path(f"maps/{model}/{{method}}/{{range}}.h5"), *ranges,
            "--model", model, "--settings", json.dumps(self.settings | {"scaling": scaling}),
            "--options", json.dumps(self.study.intervals),
            "--statistics", self.path("methods.h5"), "--table", self.path("methods.csv"),
        ]  # fmt: skip
        pairs = [f"{self.first}={self.path('pairs.h5')}"]
        pairs += [f"{method}={self.path(f'{method}.h5')}" for method in self.methods[1:]]
        tests = compare.model_dump(include={"factors", "permutations", "level", "seed"})
        yield "architecture", {}, [
            "architecture", *pairs, "--models", self.path("models.csv"),
            "--options", json.dumps(tests), "--tests", self.path("tests.csv"),
            "--answers", self.path("answers.csv"),
        ]  # fmt: skip

    def of_experiments(self) -> Iterator[tuple[str, dict[str, str], list[str]]]:
        """An experiment on objects: of one model, then all of them together."""
        evaluation, model = self.study.evaluation, self.models[0]
        told = json.dumps(evaluation.experiments[EXPERIMENT].spec)
        methods = evaluation.methods(EXPERIMENT)
        scaling = {method: evaluation.scaling(method) for method in methods}
        controls = ["--controls", ",".join(evaluation.controls)]
        output = self.path(f"evaluate/{model}.parquet")
        yield "evaluate", {"light": EXPERIMENT, "model": model}, [
            "evaluate", self.path("maps/{model}/{method}/{range}.h5").replace("{model}", model),
            "--experiment", told, "--model-id", model,
            "--ranges", json.dumps(dict.fromkeys(self.methods, self.ranges)),
            "--scaling", json.dumps(scaling), "--images", self.path("images/{range}.zip"),
            "--image-ranges", ",".join(self.ranges), *controls,
            "--classes", json.dumps(CLASSES), "--count", str(self.case.images),
            "--output", output,
        ]  # fmt: skip
        self.apart("copy_results")
        yield "experiment_table", {"experiment": EXPERIMENT}, [
            "experiment-table", self.path("evaluate/{model}.parquet"), "--experiment", told,
            "--experiment-id", EXPERIMENT, "--models", ",".join(self.models),
            "--methods", ",".join(methods), *controls,
            "--options", json.dumps(self.study.intervals), "--output", self.path("table.csv"),
        ]  # fmt: skip

    def make_maps(self) -> None:
        """Map files of all models, methods and ranges, and of the first images again."""
        sources = self.models + [f"more{number}" for number in range(len(self.methods) - 1)]
        for number, source in enumerate(sources):
            for one in self.ranges:
                first, last = map(int, one.split("-"))
                self.write(self.folder / f"made/{source}/{one}.h5", first, last + 1, number)
        again = min(self.study.config.compare.second_seed, self.case.images)
        for number, model in enumerate(self.models):
            for later, method in enumerate(self.methods):
                own = self.folder / f"maps/{model}/{method}"
                own.mkdir(parents=True)
                for one in self.ranges:
                    os.link(self.folder / f"made/{sources[number + later]}/{one}.h5",
                            own / f"{one}.h5")  # fmt: skip
            self.write(self.folder / f"maps/{model}/{self.first}/again.h5", 0, again, number)
        for name in ("compare", "images", "evaluate", "structure", *(
            f"consensus/{method}" for method in self.methods
        )):  # fmt: skip
            (self.folder / name).mkdir(parents=True)

    def write(self, path: Path, start: int, stop: int, model: int) -> None:
        """One map file; an image's maps of all roles are alike."""
        path.parent.mkdir(parents=True, exist_ok=True)
        roles = self.study.config.roles
        with map_writer(path, (stop - start) * len(roles), {}) as writer:
            for images, maps in patterns(start, stop, model, self.case.native):
                image = np.repeat(np.asarray(images), len(roles))
                answers = (image + model * (image % 7 == 0)) % len(CLASSES)
                writer.append(
                    np.repeat(maps, len(roles), axis=0),
                    {},
                    image_id=[f"image-{i:06d}" for i in image],
                    role=list(roles) * len(images),
                    target=answers,
                    explained=[CLASSES[i] for i in answers],
                    predicted=[CLASSES[i] for i in answers],
                    correct=(image % 7 > 0).astype(np.int8),
                    score=np.zeros(len(image)),
                    confidence=np.full(len(image), 0.5),
                    box=np.tile([0, 0, SIDE, SIDE], (len(image), 1)),
                    size=np.tile(SIDE, (len(image), 2)),
                )

    def make_tables_of_models(self) -> None:
        """Accuracies, and what the models are."""
        random = np.random.default_rng(0)
        count = len(self.models)
        table = pd.DataFrame({"model": self.models, "top1": random.uniform(0.5, 1, count)})
        table.to_csv(self.path("accuracy.csv"), index=False)
        table["family"] = np.where(np.arange(count) % 2, "cnn", "transformer")
        table["parameters"] = random.uniform(1e6, 1e8, count)
        table.to_csv(self.path("models.csv"), index=False)

    def copy_results(self) -> None:
        """What the experiment gives of the first model, as of all others."""
        table = read_table(self.folder / f"evaluate/{self.models[0]}.parquet")
        for other in self.models[1:]:
            write_table(self.folder / f"evaluate/{other}.parquet", table.assign(model=other))

    def make_shards(self) -> None:
        """Black images, each with an object."""
        black = png(np.zeros((SIDE, SIDE, 3), np.uint8))
        mask = np.zeros((SIDE, SIDE), bool)
        mask[60:160, 60:160] = True
        for one in self.ranges:
            first, last = map(int, one.split("-"))
            entries = [
                Entry(f"image-{i:06d}", label, black, "black.png",
                      ((label, (60.0, 60.0, 160.0, 160.0), mask),))
                for i in range(first, last + 1)
                for label in [CLASSES[i % len(CLASSES)]]
            ]  # fmt: skip
            write_shard(self.folder / f"images/{one}.zip", entries)


def call(case: Case, folder: Path, name: str) -> None:
    """A method of the jobs of a case."""
    getattr(Jobs(study_of(case), case, folder), name)()


if __name__ == "__main__":
    main()
