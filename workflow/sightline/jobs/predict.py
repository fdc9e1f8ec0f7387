"""What a model answers: its best classes for each image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor
from tqdm import tqdm

from sightline.images.shards import ImageRow, Shard
from sightline.jobs.targets import class_names, labelled_outputs
from sightline.models.classes import Classes, read_classes
from sightline.models.load import load_classifier
from sightline.tabular import write_table

_CHUNK = 128
# Classes kept of each image; all of them where it may be of several.
_BEST = 5


def predict_range(
    model_id: str,
    spec: dict[str, Any],
    images: Path,
    output: Path,
    *,
    weights: Path | None = None,
    sha256: str | None = None,
    device: str = "auto",
) -> None:
    """Write the predictions for one shard.

    Parameters
    ----------
    model_id, spec
        The model and its resolved specification.
    images
        The shard.
    output
        CSV, a row an (image, rank): model, image_id, label, rank (1 to 5; of a
        multilabel model every output), target (the output's number), class (its
        name), probability, correct (whether the class is among the labels; empty
        without label or classes), task and parameters (weights) of the model.
    weights, sha256, device
        As for `sightline.models.load.load_classifier`.
    """
    classifier = load_classifier(spec, weights, sha256=sha256, device=device)
    classes = read_classes(spec["classes"])
    about = {
        "task": classifier.task,
        "parameters": sum(weight.numel() for weight in classifier.module.parameters()),
    }
    tables = []
    with Shard(images) as shard, tqdm(total=len(shard), desc=model_id, unit="image") as progress:
        for start in range(0, len(shard), _CHUNK):
            rows = shard.images[start : start + _CHUNK]
            inputs, _ = classifier.preprocessing([shard.image(row) for row in rows])
            every = classifier.scores(inputs, "probability")
            kept = every.shape[1] if classifier.task == "multilabel" else _BEST
            top = every.topk(min(kept, every.shape[1]), dim=1)
            for row, values, outputs in zip(rows, top.values, top.indices, strict=True):
                tables.append(_answers(row, values, outputs, classes).assign(**about))
            progress.update(len(rows))
    found = pd.concat(tables)
    found.insert(0, "model", model_id)
    write_table(output, found, digits=6)


def _answers(
    row: ImageRow, values: Tensor, outputs: Tensor, classes: Classes | None
) -> pd.DataFrame:
    """What a model says of one image."""
    right: Any = ""
    if classes is not None and row.label:
        right = np.isin(outputs.numpy(), labelled_outputs(row.label, classes))
    names = [""] * len(outputs) if classes is None else class_names(outputs.tolist(), classes)
    return pd.DataFrame(
        {
            "image_id": row.image_id,
            "label": row.label,
            "rank": np.arange(1, len(outputs) + 1),
            "target": outputs.numpy(),
            "class": names,
            "probability": values.numpy(),
            "correct": right,
        }
    )
