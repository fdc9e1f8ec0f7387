"""Put the predictions of all models together and count how often they are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sightline.tabular import write_table, written_in_parts

# Ids such as 007 or NA are text.
_AS_WRITTEN: dict[str, Any] = {
    "dtype": dict.fromkeys(("model", "image_id", "label", "class", "correct"), str),
    "keep_default_na": False,
    "na_values": {"label": [""]},
}


def merge_predictions(files: Sequence[Path], predictions: Path, accuracy: Path) -> None:
    """Put predictions together and count how often they are right.

    This runs where Snakemake does: of one file at a time the rows are held, of one model at a
    time what is counted.

    Parameters
    ----------
    files
        Predictions by model and range; those of a model follow each other.
    predictions
        CSV: all of them, without the columns task and parameters.
    accuracy
        CSV, a row a model: model, images, labelled, top1, top5 (shares of the
        labelled images; empty where there are none, or for a multilabel model),
        auc (of a multilabel model: for each of its outputs the area under the
        curve of its probability, over the labelled images, and their mean over
        outputs that some of these have and others not), parameters (its weights).
    """
    with written_in_parts(predictions) as add:
        tables = _read(files, add)
        rows = [
            {"model": model, **_counted(own)}
            for model, own in groupby(tables, key=lambda table: table["model"].iloc[0])
        ]
    write_table(accuracy, pd.DataFrame(rows))


def _read(files: Sequence[Path], add: Callable[[pd.DataFrame], None]) -> Iterator[pd.DataFrame]:
    """Each file's table, after its rows were added to those of all."""
    for path in files:
        table = pd.read_csv(path, **_AS_WRITTEN)
        table["correct"] = table["correct"].map({"True": 1.0, "False": 0.0})
        add(table.drop(columns=["task", "parameters"]))
        yield table


def _counted(tables: Iterable[pd.DataFrame]) -> dict[str, Any]:
    """What is said of a model, from the tables of its ranges."""
    first, best, known = [], [], []
    for table in tables:
        about = table.iloc[0]
        first.append(table.loc[table["rank"] == 1, "correct"])
        labelled = table.dropna(subset=["correct"])
        # No image is of two ranges.
        best.append(labelled.groupby("image_id")["correct"].max())
        if about["task"] == "multilabel":
            known.append(labelled[["target", "probability", "correct"]])
    answers = pd.concat(first)
    if known:
        right = {"top1": np.nan, "top5": np.nan, "auc": _area(pd.concat(known))}
    else:
        right = {"top1": answers.mean(), "top5": pd.concat(best).mean(), "auc": np.nan}
    return {
        "images": len(answers),
        "labelled": answers.notna().sum(),
        **right,
        "parameters": about["parameters"],
    }


def _area(known: pd.DataFrame) -> float:
    """The mean area under the curve of those outputs that some images have and others not."""
    from sklearn.metrics import roc_auc_score

    areas = [
        roc_auc_score(one["correct"], one["probability"])
        for _, one in known.groupby("target")
        if one["correct"].nunique() > 1
    ]
    return float(np.mean(areas)) if areas else np.nan
