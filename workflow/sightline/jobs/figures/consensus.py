"""Draw what all models have in common: numbers, and maps over photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from sightline.compare.consensus.agreement import MEASURES, REFERENCES
from sightline.compare.consensus.file import Consensus, read_consensus
from sightline.compare.consensus.table import ALL
from sightline.errors import SightlineError
from sightline.images.shards import Shard
from sightline.maps.scaling import scale_maps
from sightline.maps.series import MapSeries
from sightline.maps.store import OK, STATUS
from sightline.plots.consensus import consensus_figure
from sightline.plots.overlay import Overlay, overlay_grid
from sightline.plots.style import check_palette, house_style, save
from sightline.tabular import read_table

# Figures show the agreement of directions, with the mean map of the other models.
_MEASURE, _REFERENCE = "cosine", "others"


def draw_consensus(
    consensus: Path, related: Path, accuracy: Path, families: Mapping[str, str], output: Path
) -> None:
    """Draw how far each model agrees with the others, and its accuracy.

    Parameters
    ----------
    consensus, related
        Tables of a method, see `sightline.jobs.merging.consensus.merge_consensus`.
    accuracy
        The table of `sightline.jobs.merging.predictions.merge_predictions`.
    families
        Family of each model.
    output
        The figure.
    """
    known = read_table(accuracy)
    top1 = dict(zip(known["model"], known["top1"].astype(float), strict=True))
    with house_style():
        figure = consensus_figure(
            read_table(consensus), read_table(related), top1, families, _MEASURE
        )
        save(figure, output)


def draw_consensus_maps(
    method: str,
    shards: Sequence[Path],
    files: Sequence[Path],
    table: Path,
    maps: Mapping[str, Sequence[Path]],
    scaling: Sequence[str],
    output: Path,
    *,
    images: int,
    palette: str,
) -> None:
    """Draw the consensus over the first images, beside the models that agree most and least.

    Parameters
    ----------
    method
        Its id.
    shards, files
        Image shards and consensus files of its first ranges, in order.
    table
        The table of `sightline.jobs.merging.consensus.merge_consensus`: over all images.
    maps
        Map files of each model for these ranges.
    scaling
        Steps of `sightline.maps.scaling`.
    output
        The figure.
    images
        How many images.
    palette
        Colour map.
    """
    check_palette(palette)
    found = read_consensus(files, Consensus)
    pictures: list[tuple[str, Image.Image]] = []
    rows: list[int] = []
    for path in shards:
        with Shard(path) as shard:
            for row in shard.images[: images - len(pictures)]:
                pictures.append((row.label or row.image_id, shard.image(row)))
                rows.append(_row(found.image_id, row.image_id, path))
    overlays = {"mean of all": [_mean_overlay(found, row) for row in rows]}
    for word, model in _most_and_least(read_table(table)).items():
        series = MapSeries(maps[model])
        overlays[f"{word}: {model}"] = [
            _overlay(series, found, row, model, scaling) for row in rows
        ]
    with house_style():
        save(
            overlay_grid(pictures, overlays, palette, f"{method}: consensus of the models"), output
        )


def _most_and_least(table: pd.DataFrame) -> dict[str, str]:
    """Ids of the models that agree most and least; none where there is one model."""
    chosen = (table["measure"] == _MEASURE) & (table["reference"] == _REFERENCE)
    means = (
        table[chosen & (table["subset"] == ALL)].dropna(subset=["mean"]).set_index("model")["mean"]
    )
    return {} if len(means) < 2 else {"most": str(means.idxmax()), "least": str(means.idxmin())}


def _mean_overlay(found: Consensus, row: int) -> Overlay:
    mean = found.consensus[row]
    largest = float(np.abs(mean).max())
    shown = largest > 0
    caption = f"mean of {found.count[row]}" if shown else "no map"
    return Overlay(mean / largest if shown else mean, found.box[row], caption, shown)


def _overlay(
    series: MapSeries, found: Consensus, row: int, model: str, scaling: Sequence[str]
) -> Overlay:
    """A model's map with its agreement on this image."""
    own = series.rows().index((found.image_id[row], found.role[row]))
    status = int(series.status[own])
    scores = found.scores[MEASURES.index(_MEASURE), REFERENCES.index(_REFERENCE), row]
    score = float(scores[found.model.tolist().index(model)])
    caption = f"{score:.2f}" if np.isfinite(score) else f"{STATUS[status]} map"
    scaled = scale_maps(series.read(own, own + 1), scaling)[0]
    return Overlay(scaled, series.box[own], caption, status == OK)


def _row(image_ids: np.ndarray, image_id: str, path: Path) -> int:
    """The first row of an image."""
    places: np.ndarray = np.flatnonzero(image_ids == image_id)
    if not len(places):
        raise SightlineError(
            f"The consensus does not hold {image_id}, which is in {path}: delete it and run again."
        )
    return int(places[0])
