"""What a model answers: its five best classes for each image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from sightline.files import replacing
from sightline.images.shards import Shard
from sightline.models.classes import read_classes
from sightline.models.load import load_classifier

_CHUNK = 128


def predict_range(
    model_id: str,
    spec: dict[str, Any],
    images: Path,
    output: Path,
    *,
    weights: Path | None = None,
    sha256: str | None = None,
    device: str = "auto",
    batch_size: int = 0,
) -> None:
    """Write the predictions for one shard.

    Parameters
    ----------
    model_id, spec
        The model and its resolved specification.
    images
        The shard.
    output
        CSV, a row an (image, rank): model, image_id, label, rank (1 to 5),
        target (the output's number), class (its name), probability, correct
        (whether the class is the label; empty without label or classes),
        parameters (weights of the model).
    weights, sha256, device, batch_size
        As for `sightline.models.load.load_classifier`.
    """
    classifier = load_classifier(spec, weights, sha256=sha256, device=device, batch_size=batch_size)
    classes = read_classes(spec["classes"])
    parameters = sum(weight.numel() for weight in classifier.module.parameters())
    tables = []
    with Shard(images) as shard, tqdm(total=len(shard), desc=model_id, unit="image") as progress:
        for start in range(0, len(shard), _CHUNK):
            rows = shard.images[start : start + _CHUNK]
            inputs, _ = classifier.preprocessing([shard.image(row) for row in rows])
            best = classifier.scores(inputs, "probability")
            top = best.topk(min(5, best.shape[1]), dim=1)
            for row, values, outputs in zip(rows, top.values, top.indices, strict=True):
                label = None if classes is None or not row.label else classes.index(row.label)
                tables.append(
                    pd.DataFrame(
                        {
                            "model": model_id,
                            "image_id": row.image_id,
                            "label": row.label,
                            "rank": np.arange(1, len(outputs) + 1),
                            "target": outputs.numpy(),
                            "class": [
                                "" if classes is None else classes.name(int(k)) for k in outputs
                            ],
                            "probability": values.numpy(),
                            "correct": "" if label is None else outputs.numpy() == label,
                            "parameters": parameters,
                        }
                    )
                )
            progress.update(len(rows))
    with replacing(output) as temporary:
        pd.concat(tables).to_csv(temporary, index=False, float_format="%.6g")
