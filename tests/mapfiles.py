"""Map files that tests make by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sightline.maps.store import map_writer

WHOLE = (0.0, 0.0, 224.0, 224.0)


def write_maps(
    path: Path,
    maps: np.ndarray,
    boxes: Sequence[Sequence[float]] | None = None,
    targets: Sequence[int] | None = None,
    image_ids: Sequence[str] | None = None,
    role: str | Sequence[str] = "predicted",
    predicted: Sequence[str] | None = None,
    correct: Sequence[int] | None = None,
    size: tuple[int, int] = (224, 224),
    explained: Sequence[str] | None = None,
    confidence: Sequence[float] | None = None,
    region: np.ndarray | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Path:
    """Write raw maps (n, h, w) as the maps of images 0.png, 1.png, ... of 224 x 224 pixels."""
    count = len(maps)
    targets = list(range(count)) if targets is None else list(targets)
    with map_writer(path, count, attributes or {}) as writer:
        if region is not None:
            writer.region(region)
        writer.append(
            maps.astype(np.float32),
            {},
            image_id=[f"{i}.png" for i in range(count)] if image_ids is None else list(image_ids),
            role=[role] * count if isinstance(role, str) else list(role),
            target=np.array(targets),
            explained=[str(k) for k in targets] if explained is None else list(explained),
            predicted=[str(k) for k in targets] if predicted is None else list(predicted),
            correct=np.array([-1] * count if correct is None else correct),
            score=np.zeros(count),
            confidence=np.array([0.5] * count if confidence is None else confidence),
            box=np.array([WHOLE] * count if boxes is None else boxes),
            size=np.tile(size, (count, 1)),
        )
    return path


def write_in_chunks(path: Path, rows: int, chunks: Iterable[np.ndarray]) -> None:
    """Write a map file as a job does that explains some images at a time."""
    with map_writer(path, rows, {}) as writer:
        for maps in chunks:
            writer.append(maps, {}, **_columns(len(maps)))


def _columns(count: int) -> dict[str, Any]:
    text = dict.fromkeys(("image_id", "role", "explained", "predicted"), ["a"] * count)
    numbers = dict.fromkeys(("target", "correct", "score", "confidence"), np.zeros(count))
    return {**text, **numbers, "box": np.zeros((count, 4)), "size": np.ones((count, 2))}
