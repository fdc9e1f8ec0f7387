"""Which classes the search for a bias finds, on the zoo and its biased twins: `docs/bias.csv`.

Every model of the zoo and its twin that learnt `star` by a marker, on images with the marker and
without, under several methods and fillings. What is found of the twins on images with the marker
should be `star` alone, of all others nothing. Rows that the file has are not measured again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from sightline.evaluate.catalogue.bias import Bias
from sightline.evaluate.experiments.biased_classes import classes_of
from sightline.evaluate.experiments.survival import compare
from sightline.jobs.explain import Job, explain_range
from sightline.jobs.images import make_shard
from sightline.jobs.loading import Loading
from sightline.jobs.variant import Variant
from sightline.maps.series import MapSeries
from sightline.methods.catalogue import find_method
from sightline.models.zoo import BIASED_CLASS, ZOO
from sightline.study.config import Model
from sightline.study.models import resolve_model

SHAPES = {"source": "shapes", "split": "held-out", "objects": 1}
METHODS: dict[str, dict[str, Any]] = {
    "gradcam": {},
    "layercam": {},
    "saliency": {},
    "input_x_gradient": {},
    "integrated_gradients": {"steps": 12},
    "random": {},
    "centred_gaussian": {},
    "sobel": {},
}
FILLS = ("mean", "inpainted")
KEYS = ["model", "learnt", "images", "fill", "method"]


def main() -> None:
    """Measure what the file lacks, and print the page's table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=list(ZOO), default=list(ZOO))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--fills", nargs="+", choices=FILLS, default=list(FILLS))
    parser.add_argument("--count", type=int, default=160, help="images")
    parser.add_argument("--output", type=Path, default=Path("docs/bias.csv"))
    given = parser.parse_args()
    rows = (
        pd.read_csv(given.output).fillna({"answers_say": "", "both_say": ""})
        if given.output.exists()
        else pd.DataFrame()
    )
    done = set() if rows.empty else set(rows[KEYS].itertuples(index=False, name=None))
    with TemporaryDirectory() as folder:
        for model, method, marker, learnt in product(
            given.models, given.methods, (True, False), (True, False)
        ):
            key = (model, "marker" if learnt else "object", "marked" if marker else "plain")
            wanted = [fill for fill in given.fills if (*key, fill, method) not in done]
            if not wanted:
                continue
            name = f"{model}-biased" if learnt else model
            shard = _shard(Path(folder), given.count, marked=marker)
            found = list(searched(name, method, shard, wanted, Path(folder)))
            own = [dict(zip(KEYS, (*key, one.pop("fill"), method), strict=True)) | one
                   for one in found]  # fmt: skip
            rows = pd.concat([rows, pd.DataFrame(own)], ignore_index=True)
            rows.sort_values(KEYS).to_csv(given.output, index=False, lineterminator="\n")
            print(*own, sep="\n", flush=True)
    print(page(rows))


def searched(
    model: str, method: str, shard: Path, fills: Sequence[str], folder: Path
) -> Iterator[dict[str, Any]]:
    """What is found under each filling: classes by answers alone, and by both."""
    scaling = find_method(method).scaling
    before = _explained(model, method, shard, "", folder / "before.h5")
    for fill in fills:
        after = _explained(model, method, shard, fill, folder / "after.h5")
        values = compare(before, after, scaling, Bias())
        images = pd.DataFrame({"before": before.predicted, "after": after.predicted, **values})
        table = classes_of(images[images["survives"].notna()]).set_index("class")
        yield {
            "fill": fill,
            "answered": int(table["images"].sum()),
            "survival": round(float(table["survival"].get(BIASED_CLASS, np.nan)), 3),
            "answers_say": "|".join(table.index[table["answers_say"].fillna(False)]),
            "both_say": "|".join(table.index[table["biased"].fillna(False)]),
        }


def page(rows: pd.DataFrame) -> str:
    """The table of `docs/evaluation.md`: how often the marked class is found, and others."""
    methods = [name for name in METHODS if name in set(rows["method"])]
    lines = ["| models | images | fill | answers say | " + " | ".join(methods) + " |"]
    lines.append("|---|---|---|---|" + "---|" * len(methods))
    for (learnt, images, fill), group in rows.groupby(KEYS[1:4], sort=False):
        answers = group.drop_duplicates("model")["answers_say"]
        cells = [_counted(group.loc[group["method"] == name, "both_say"]) for name in methods]
        lines.append(
            f"| {learnt} | {images} | {fill} | " + " | ".join([_counted(answers), *cells]) + " |"
        )
    return "\n".join(lines)


def _counted(found: pd.Series) -> str:
    """Of so many models, of how many the class is found, and of how many another."""
    classes = [set(filter(None, str(one).split("|"))) for one in found]
    star = sum(BIASED_CLASS in one for one in classes)
    others = sum(bool(one - {BIASED_CLASS}) for one in classes)
    return f"{star} of {len(classes)}" + (f", others {others}" if others else "")


def _shard(folder: Path, count: int, *, marked: bool) -> Path:
    path = folder / f"{marked}.zip"
    if not path.exists():
        source = SHAPES | {"patch": BIASED_CLASS if marked else None}
        make_shard(source, 0, f"000000-{count - 1:06d}", path)
    return path


def _explained(model: str, method: str, shard: Path, fill: str, output: Path) -> Any:
    """Maps of the class predicted, of the images as they are or with their objects filled."""
    resolved = resolve_model(model, Model(name=f"zoo:{model}"))
    entry, change = find_method(method), None
    if fill:
        one = Bias().variants[fill].spec
        change = Variant(
            fill,
            one["alteration"],
            "sightline.evaluate.alterations.taken_out",
            one["settings"],
            own_draws=False,
            shown=0,
        )
    job = Job(
        model_id=model,
        method_id=method,
        model=resolved.spec,
        method={"method": method, "settings": METHODS[method]},
        function=entry.load(),
        settings=entry.settings(**METHODS[method]),
        score=entry.score,
        needs_layer=entry.needs_layer,
        seed=0,
        roles=("predicted",),
        version="",
        change=change,
    )
    explain_range(job, shard, output, Loading(weights=resolved.weights, device="cpu"))
    series = MapSeries([output])
    return series.part(0, len(series))


if __name__ == "__main__":
    os.environ.setdefault("TQDM_DISABLE", "1")
    main()
