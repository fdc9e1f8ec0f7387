"""Draw the figures of a method from tables, statistics and maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from sightline.compare.pairs import read_pairs
from sightline.compare.statistics import Statistics
from sightline.errors import SightlineError
from sightline.images.shards import Shard
from sightline.maps.scaling import scale_maps
from sightline.maps.store import OK, STATUS, read_maps
from sightline.models.classes import Classes, read_classes
from sightline.plots.clusters import clusters_figure
from sightline.plots.communities import communities_figure, resolutions_figure
from sightline.plots.dendrogram import dendrogram_figure
from sightline.plots.embedding import embedding_figure
from sightline.plots.heatmap import heatmap
from sightline.plots.histograms import histograms
from sightline.plots.overlay import Overlay, overlay_grid
from sightline.plots.sanity import sanity_figure
from sightline.plots.style import check_palette, house_style, save
from sightline.tabular import read_table


def draw_pairs(
    folder: Path,
    statistics: Sequence[Path],
    families: Mapping[str, str],
    outputs: Mapping[str, Path],
    *,
    measure: str,
    linkage: str,
    resolution: float,
    palette: str,
) -> None:
    """Draw the figures of one method's pairs of models.

    Parameters
    ----------
    folder
        Of its comparison: the pairs file and the tables of
        `sightline.jobs.merging.structure.find_structures`.
    statistics
        Statistics files of its ranges.
    families
        Family of each model.
    outputs
        Where to put heatmap, dendrogram, communities, resolutions, clusters, embedding,
        histograms.
    measure, linkage, resolution, palette
        As in the configuration.
    """
    check_palette(palette)
    dissimilarity = read_pairs(folder / "pairs.h5", measure).dissimilarity(measure)

    def table(name: str) -> pd.DataFrame:
        return read_table(folder / f"{name}.csv", {"measure": measure})

    merges = table("linkage")
    with house_style():
        figures = {
            "heatmap": heatmap(dissimilarity, families, linkage, palette),
            "dendrogram": dendrogram_figure(
                dissimilarity, merges[merges["linkage"] == linkage], families
            ),
            "communities": communities_figure(dissimilarity, table("communities"), families),
            "resolutions": resolutions_figure(table("resolutions"), resolution),
            "clusters": clusters_figure(table("clusters"), table("cluster_test").iloc[0]),
            "embedding": embedding_figure(table("embedding"), families),
            "histograms": histograms(Statistics(statistics), measure),
        }
        for name, figure in figures.items():
            save(figure, outputs[name])


def draw_overlays(
    method: str,
    shards: Sequence[Path],
    maps: Mapping[str, Sequence[Path]],
    classes: Mapping[str, Any],
    scaling: Sequence[str],
    output: Path,
    *,
    images: int,
    palette: str,
) -> None:
    """Draw a method's maps over the first images of the study, model by model.

    Parameters
    ----------
    method
        Its id.
    shards
        Of its ranges, in order.
    maps
        Map files of each model, in the same order.
    classes
        The ``classes`` of each model.
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
    pictures: list[tuple[str, Image.Image]] = []
    overlays: dict[str, list[Overlay]] = {model: [] for model in maps}
    names = {model: read_classes(given) for model, given in classes.items()}
    for number, path in enumerate(shards):
        with Shard(path) as shard:
            rows = shard.images[: images - len(pictures)]
            pictures += [(row.label or row.image_id, shard.image(row)) for row in rows]
            for model, files in maps.items():
                overlays[model] += _overlays(
                    files[number], [row.image_id for row in rows], names[model], scaling
                )
        if len(pictures) >= images:
            break
    with house_style():
        save(overlay_grid(pictures, overlays, palette, method), output)


def draw_sanity(table: Path, output: Path, *, palette: str) -> None:
    """Draw which checks the methods pass, from the table of `sightline.jobs.merging.sanity`."""
    check_palette(palette)
    with house_style():
        save(sanity_figure(read_table(table), palette), output)


def _overlays(
    path: Path, image_ids: Sequence[str], classes: Classes | None, scaling: Sequence[str]
) -> list[Overlay]:
    """The maps of some images under the first role of the file."""
    found = read_maps(path)
    row_of: dict[str, int] = {}
    for row, image_id in enumerate(found.image_id):
        row_of.setdefault(image_id, row)
    overlays = []
    for image_id in image_ids:
        if image_id not in row_of:
            raise SightlineError(f"{path} holds no map of {image_id}: delete it and run again.")
        row = row_of[image_id]
        target, status = int(found.target[row]), int(found.status[row])
        caption = str(target) if classes is None else classes.name(target)
        scaled = scale_maps(found.maps[row : row + 1], scaling)[0]
        note = "" if status == OK else f" ({STATUS[status]} map)"
        overlays.append(Overlay(scaled, found.box[row], caption + note, status == OK))
    return overlays
