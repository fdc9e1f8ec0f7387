"""Put the predictions of all models together and count how often they are right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sightline.files import replacing


def merge_predictions(files: Sequence[Path], predictions: Path, accuracy: Path) -> None:
    """Put predictions together and count how often they are right.

    Parameters
    ----------
    files
        Predictions by range and model.
    predictions
        CSV: all of them, without the column parameters.
    accuracy
        CSV, a row a model: model, images, labelled, top1, top5 (shares of the
        labelled images; empty where there are none), parameters (its weights).
    """
    every = pd.concat([pd.read_csv(path, dtype={"label": str, "correct": str}) for path in files])
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
                "top1": first["correct"].mean(),
                "top5": known.groupby("image_id")["correct"].max().mean(),
                "parameters": own["parameters"].iloc[0],
            }
        )
    with replacing(predictions) as temporary:
        every.drop(columns="parameters").to_csv(temporary, index=False)
    with replacing(accuracy) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
