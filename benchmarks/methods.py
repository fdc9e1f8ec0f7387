"""Every method beside the bare passes it is made of, and beside other tools.

    PYTHONPATH=workflow python benchmarks/methods.py [--only NAME ...] [--models NAME ...] [--write]

A line of the table is one method on one model with random weights, 224 x 224 pixels, explaining the
predicted class. Ours, the others and the bare passes (`floors`) run in turn, and all figures are
medians over the rounds of a ratio within one round: `ratio` is our time over that of as many bare
passes, `speed` a tool's time over ours, both with the settings in `LINES`, which are those of the
study or fewer samples where these would take minutes.

Of the bare passes the batch size is that of `BATCHES` which is quickest here; ours is the default.
With ``--write`` docs/methods.csv gets the lines, method by method, and docs/methods.md the table
made of it and of docs/inside.csv; ``--page`` only makes the table again.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from floors import Floors, passes
from sightline.errors import SightlineError
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.catalogue.entry import Method
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from timing import interleaved, once

DOCS = Path(__file__).resolve().parents[1] / "docs"
BATCHES = (4, 8, 16)
# Images of which the time of a bare pass is taken in each round.
TIMED = 16
# Seconds a line takes, about, and the rounds that are taken at least and at most.
SECONDS, FEWEST, MOST = 60.0, 3, 9
USUAL = ("resnet18", "deit_tiny_patch16_224")
# For methods that take none of the usual models.
OTHERS = ("vgg11",)


# Of the processor where others use the machine too; threads then add up.
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Line:
    """What a method is timed with: settings other than the defaults, and how many images."""

    images: int
    settings: dict[str, Any] = field(default_factory=dict)


PASS = Line(16)
# 64 channels in ResNet-18: other tools have no setting that takes fewer.
CHANNELS = Line(1, {"depth": 0.28})
LINES = {
    **dict.fromkeys(
        ("gradcam", "gradcam_plus_plus", "layercam", "hirescam", "xgradcam", "abscam_initial"),
        PASS,
    ),
    **dict.fromkeys(("scorecam", "abscam_final", "ablationcam"), CHANNELS),
    **dict.fromkeys(
        ("eigencam", "saliency", "input_x_gradient", "guided_backprop", "guided_gradcam"), PASS
    ),
    "smoothgrad": Line(2, {"samples": 32}),
    "integrated_gradients": Line(1, {"steps": 32}),
    "noise_tunnel": Line(1, {"samples": 4, "steps": 16}),
    "gradient_shap": Line(2, {"samples": 32}),
    "deeplift_shap": Line(8),
    "lrp": Line(8),
    "attention_rollout": PASS,
    "gradient_attention": PASS,
    "occlusion": Line(1, {"window": 32, "stride": 16}),
    "rise": Line(1, {"masks": 256}),
    "kernelshap": Line(1, {"samples": 128}),
    "lime": Line(1, {"samples": 128}),
    "random": PASS,
    "centred_gaussian": PASS,
    "sobel": PASS,
}
COLUMNS = (
    "method", "model", "images", "settings", "forward", "to_image", "to_layer", "seconds", "bare",
    "ratio", "peer", "version", "speed", "machine",
)  # fmt: skip


class Subject:
    """A model, images to explain, and its bare passes at the best batch sizes."""

    def __init__(self, name: str, clock: str, peers: bool) -> None:
        self.clock, self.peers = clock, peers
        torch.manual_seed(0)
        module = timm.create_model(name).eval().to(memory_format=torch.channels_last)
        self.name = name
        self.classifier = Classifier(module, Preprocessing((224, 224)), name=name)
        # Not noise: segments are cut from them.
        small = torch.rand(TIMED, 3, 8, 8)
        self.images = torch.nn.functional.interpolate(small, (224, 224), mode="bicubic") * 4 - 2
        self.targets = self.classifier.scores(self.images).argmax(dim=1)
        self._best: dict[tuple[str, str], list[int]] = {}

    def bare(self, kind: str, layer: str, batch: int) -> Callable[[], None]:
        """A way to take `TIMED` images through bare passes."""
        floors = Floors(self.classifier, layer)
        return lambda: floors.run(kind, self.images[:TIMED], self.targets[:TIMED], batch)

    def best(self, kind: str, layer: str) -> list[int]:
        """The two quickest batch sizes for a kind of pass, to be timed again beside a method."""
        if (kind, layer) not in self._best:
            ways = {str(batch): self.bare(kind, layer, batch) for batch in BATCHES}
            found = interleaved(ways, FEWEST, CLOCKS[self.clock])
            order = sorted(BATCHES, key=lambda batch: statistics.median(found[str(batch)]))
            self._best[kind, layer] = order[:2]
        return self._best[kind, layer]


def measure(subject: Subject, method: Method, limit: float) -> list[dict[str, Any]]:
    """Lines of the table for one method on one model, one for each other tool.

    Raises
    ------
    SightlineError
        Where the method cannot explain the model.
    """
    line = LINES[method.name]
    settings = method.settings(**line.settings)
    images, targets = subject.images[: line.images], subject.targets[: line.images]
    layer = subject.classifier.layer(getattr(settings, "depth", 1.0)).name
    function = method.load()

    def ours() -> None:
        function(subject.classifier, images, targets, [0] * len(images), settings)

    counts = passes(subject.classifier, ours)
    bare = {
        f"{kind} {batch}": subject.bare(kind, layer, batch)
        for kind in counts
        for batch in subject.best(kind, layer)
    }
    found = _others(subject, method.name, images, targets, settings, layer)
    seconds = _rounds({"ours": ours} | bare | found, limit, CLOCKS[subject.clock])
    shared = {
        "method": method.name,
        "model": subject.name,
        "images": len(images),
        "settings": json.dumps(line.settings),
        **{kind.replace(" ", "_"): counts[kind] for kind in ("forward", "to image", "to layer")},
        "seconds": _number(statistics.median(seconds["ours"]) / len(images)),
        **_ratio(counts, seconds),
        "machine": machine() + (", CPU time" if subject.clock == "cpu" else ""),
    }
    return [
        shared
        | {
            "peer": tool,
            "version": version_of(tool) if tool else "",
            "speed": _number(_median_ratio(seconds[tool], seconds["ours"])) if tool else "",
        }
        for tool in (found or {"": None})
    ]


def _others(
    subject: Subject, name: str, images: Tensor, targets: Tensor, settings: Any, layer: str
) -> dict[str, Callable[[], object]]:
    """Ways of the other tools that have the method and take the model."""
    if not subject.peers:
        return {}
    from peers import PEERS, Given  # slow to import, and the page does without

    given = Given(subject.classifier, images, targets, settings, layer)
    made = {tool: make(given) for tool, make in PEERS.get(name, {}).items()}
    found: dict[str, Callable[[], object]] = {}
    for tool, way in made.items():
        if way is None:
            continue
        try:
            way()
        except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
            print(f"{tool} does not take {subject.name} for {name}: {error}", flush=True)
        else:
            found[tool] = way
    return found


def version_of(tool: str) -> str:
    """A tool's version, nothing for code that is in no package."""
    try:
        return version(tool)
    except PackageNotFoundError:
        return ""


def _rounds(
    ways: Mapping[str, Callable[[], object]], limit: float, clock: Callable[[], float]
) -> dict[str, list[float]]:
    # The first round warms up, and says how many there is time for.
    first = sum(once(way, clock) for way in ways.values())
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(min(MOST, max(FEWEST, int(limit / first)))):
        for name, way in ways.items():
            seconds[name].append(once(way, clock))
    return seconds


def _ratio(counts: Counter[str], seconds: Mapping[str, list[float]]) -> dict[str, str]:
    """Our time over the bare passes', and their seconds; of no passes there is none."""
    if not counts:
        return {"bare": "", "ratio": ""}
    totals = [0.0] * len(seconds["ours"])
    for kind, items in counts.items():
        ways = [times for way, times in seconds.items() if way.rpartition(" ")[0] == kind]
        for i, second in enumerate(min(ways, key=statistics.median)):
            totals[i] += items * second / TIMED
    return {
        "bare": _number(statistics.median(totals)),
        "ratio": _number(_median_ratio(seconds["ours"], totals)),
    }


def _median_ratio(over: list[float], under: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def _number(value: float) -> str:
    return f"{value:.4g}"


def measure_all(
    names: list[str], models: list[str], limit: float, clock: str, peers: bool
) -> Iterator[list[dict[str, Any]]]:
    """Lines of some methods on all models that they fit, model by model."""
    missing = [name for name in names if name not in LINES]
    if missing:
        sys.exit(f"benchmarks/methods.py has no line for {', '.join(missing)}: add them to LINES.")
    subjects: dict[str, Subject] = {}
    for name in names:
        taken = 0
        for model in (*models, *OTHERS):
            if model in OTHERS and taken:
                continue
            if model not in subjects:
                subjects[model] = Subject(model, clock, peers)
            try:
                found = measure(subjects[model], CATALOGUE[name], limit)
            except SightlineError as error:
                print(f"{name} does not take {model}: {str(error).partition('.')[0]}", flush=True)
                continue
            taken += 1
            _print(found)
            yield found
        if not taken:
            sys.exit(f"{name} takes none of {', '.join((*models, *OTHERS))}: name one in OTHERS.")


def _print(rows: list[dict[str, Any]]) -> None:
    one = rows[0]
    made = ", ".join(f"{one[kind]} {kind}" for kind in ("forward", "to_image", "to_layer"))
    print(
        f"{one['method']:<22} {one['model']:<22} {made}: {float(one['seconds']) * 1e3:8.1f} ms an "
        f"image, {one['ratio'] or '-'} of the bare passes"
        + "".join(f"; {row['peer']} {row['speed']} x" for row in rows if row["peer"]),
        flush=True,
    )


# --- The page -----------------------------------------------------------------------------------


def machine() -> str:
    """What this ran on."""
    cpus = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", cpus.read_text() if cpus.exists() else "")
    threads = torch.get_num_threads()
    return (
        f"{found[1] if found else platform.processor()}, {threads} "
        f"thread{'s' if threads > 1 else ''}, torch {torch.__version__}"
    )


def table(rows: list[dict[str, str]], inside: list[dict[str, str]]) -> str:
    """The methods as a Markdown table, from the lines measured."""
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    lines = [
        f"Measured on {machines}." if rows else "Nothing is measured yet: `make bench`.",
        "",
        "| method | reference | signed | stochastic | passes an image | ratio | beside others | "
        "inside |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, method in CATALOGUE.items():
        own = [row for row in rows if row["method"] == name]
        ratios = {row["model"]: row["ratio"] for row in own}
        lines.append(
            f"| `{name}` | {method.reference} | {'yes' if method.signed else 'no'} | "
            f"{'yes' if method.stochastic else 'no'} | {method.cost} | {_ratios(ratios, own)} | "
            f"{_speeds(own)} | {_inside(name, inside)} |"
        )
    return "\n".join(lines) + "\n"


def _ratios(ratios: Mapping[str, str], own: list[dict[str, str]]) -> str:
    shown = [f"{float(ratio):.2f} ({_short(model)})" for model, ratio in ratios.items() if ratio]
    if not shown and own:
        return f"{float(own[0]['seconds']) * 1e3:.1f} ms"
    return ", ".join(shown)


def _speeds(own: list[dict[str, str]]) -> str:
    tools = dict.fromkeys(f"{row['peer']} {row['version']}".strip() for row in own if row["peer"])
    shown = []
    for tool in tools:
        of = [row for row in own if f"{row['peer']} {row['version']}".strip() == tool]
        speeds = ", ".join(f"{float(row['speed']):.2f} ({_short(row['model'])})" for row in of)
        shown.append(f"{tool}: {speeds}")
    return "; ".join(shown)


def _short(model: str) -> str:
    return model.partition("_patch")[0]


def _inside(name: str, inside: list[dict[str, str]]) -> str:
    own = [row for row in inside if row["method"] == name and row["share"]]
    if not own:
        return ""
    share, chance = (
        statistics.median(float(row[key]) for row in own) for key in ("share", "chance")
    )
    return f"{share:.2f} ({chance:.2f})"


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file, none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(rows: list[dict[str, Any]], docs: Path = DOCS) -> None:
    """Put lines into docs/methods.csv, in the place of those of the same method and model."""
    new = {(row["method"], row["model"]) for row in rows}
    kept = [row for row in read(docs / "methods.csv") if (row["method"], row["model"]) not in new]
    order = list(CATALOGUE)
    known = [row for row in (*kept, *rows) if row["method"] in CATALOGUE]
    known.sort(key=lambda row: order.index(row["method"]))
    with (docs / "methods.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(known)
    fill(docs)


def fill(docs: Path = DOCS) -> None:
    """Make the table of docs/methods.md anew from the files beside it."""
    made = table(read(docs / "methods.csv"), read(docs / "inside.csv"))
    page = docs / "methods.md"
    page.write_text(block(page.read_text(), "methods", made))


def block(text: str, name: str, content: str) -> str:
    """A page with what stands between ``<!-- name -->`` and ``<!-- end -->`` made anew."""
    found, count = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- end -->)",
        lambda match: match[1] + content + match[2],
        text,
        flags=re.DOTALL,
    )
    if count != 1:
        sys.exit(f"expected one <!-- {name} --> ... <!-- end --> in the page, found {count}.")
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="methods (default: all)")
    parser.add_argument("--models", nargs="+", default=list(USUAL), help="of timm")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="a line, about")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a busy machine")
    parser.add_argument("--no-peers", action="store_true", help="bare passes alone")
    parser.add_argument("--page", action="store_true", help="measure nothing, make the table again")
    parser.add_argument("--write", action="store_true", help="docs/methods.csv and .md")
    args = parser.parse_args(arguments)
    if args.page:
        fill(DOCS)
        return
    print(f"\nMethods beside bare passes, {machine()}")
    names = args.only or list(CATALOGUE)
    for rows in measure_all(names, args.models, args.seconds, args.clock, not args.no_peers):
        if args.write:
            write(rows)


if __name__ == "__main__":
    main()
