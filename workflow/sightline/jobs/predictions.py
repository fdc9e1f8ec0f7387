"""Put the predictions of all models together and count how often they are right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sightline.files import replacing

# Ids such as 007 or NA are text.
_AS_WRITTEN: dict[str, Any] = {
    "dtype": dict.fromkeys(("model", "image_id", "label", "class", "correct"), str),
    "keep_default_na": False,
    "na_values": {"label": [""]},
}


def merge_predictions(files: Sequence[Path], predictions: Path, accuracy: Path) -> None:
    """Put predictions together and count how often they are right.

    Parameters
    ----------
    files
        Predictions by range and model.
    predictions
        CSV: all of them, without the columns task and parameters.
    accuracy
        CSV, a row a model: model, images, labelled, top1, top5 (shares of the
        labelled images; empty where there are none, or for a multilabel model),
        auc (of a multilabel model: for each of its outputs the area under the
        curve of its probability, over the labelled images, and their mean over
        outputs that some of these have and others not), parameters (its weights).
    """
    every = pd.concat([pd.read_csv(path, **_AS_WRITTEN) for path in files])
    every["correct"] = every["correct"].map({"True": 1.0, "False": 0.0})
    rows = []
    for model, own in every.groupby("model", sort=False):
        first = own[own["rank"] == 1]
        known = own.dropna(subset=["correct"])
        rows.append(
            {
                "model": model,
                "images": len(first),
                "labelled": first["correct"].notna().sum(),
                **_rightness(first, known, several=own["task"].iloc[0] == "multilabel"),
                "parameters": own["parameters"].iloc[0],
            }
        )
    with replacing(predictions) as temporary:
        every.drop(columns=["task", "parameters"]).to_csv(temporary, index=False)
    with replacing(accuracy) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def _rightness(first: pd.DataFrame, known: pd.DataFrame, *, several: bool) -> dict[str, float]:
    if several:
        from sklearn.metrics import roc_auc_score

        areas = [
            roc_auc_score(one["correct"], one["probability"])
            for _, one in known.groupby("target")
            if one["correct"].nunique() > 1
        ]
        return {"top1": np.nan, "top5": np.nan, "auc": float(np.mean(areas)) if areas else np.nan}
    top5 = known.groupby("image_id")["correct"].max().mean()
    return {"top1": first["correct"].mean(), "top5": top5, "auc": np.nan}
