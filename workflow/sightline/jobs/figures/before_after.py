"""Draw what models were shown and where they looked, before and after an alteration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from sightline.errors import SightlineError
from sightline.images.shards import Shard
from sightline.maps.scaling import scale_maps
from sightline.maps.store import OK, STATUS, MapSet, map_file, read_maps
from sightline.plots.before_after import Shown, before_after
from sightline.plots.overlay import Overlay
from sightline.plots.style import check_palette, house_style, save

ORIGINAL = "original"
# Images and models together: a page that can still be looked at.
ROWS = 16


def draw_before_after(
    title: str,
    shard: Path,
    maps: Mapping[str, Mapping[str, Path]],
    scaling: Sequence[str],
    output: Path,
    *,
    palette: str,
) -> None:
    """Draw the first images of every model as they are and as variants alter them.

    Parameters
    ----------
    title
        Heading.
    shard
        The first range of the study's own images.
    maps
        Of each model the first map file of each variant, ``original`` among them, and of some
        other.
    scaling
        Steps of `sightline.maps.scaling`.
    output
        The figure.
    palette
        Colour map.
    """
    check_palette(palette)
    shown_of_each = max(1, ROWS // len(maps))
    rows: list[tuple[str, list[Shown]]] = []
    columns: list[str] = []
    for model, files in maps.items():
        columns = [ORIGINAL, *(name for name in files if name != ORIGINAL)]
        before = read_maps(files[ORIGINAL])
        seen = {name: _seen(files[name]) for name in columns[1:]}
        first = next(iter(seen.values()))[0]
        with Shard(shard) as images:
            row_of = {row.image_id: row for row in images.images}
            for place in range(min(shown_of_each, *(len(shown) for _, shown in seen.values()))):
                key = (first.image_id[place], first.role[place])
                line = [_original(before, key, images.image(row_of[key[0]]), scaling)]
                line += [_altered(*seen[name], key, scaling) for name in columns[1:]]
                rows.append((f"{model}\n{key[0]}", line))
    with house_style():
        save(before_after(rows, columns, palette, title), output)


def _seen(path: Path) -> tuple[MapSet, np.ndarray]:
    """A variant's maps, and what the model saw of the first, uint8 (m, H, W, 3)."""
    with map_file(path) as file:
        shown = file["shown"][:]
    return read_maps(path), shown


def _original(
    maps: MapSet, key: tuple[str, str], image: Image.Image, scaling: Sequence[str]
) -> Shown:
    row = _row(maps, key)
    return Shown(image, _overlay(maps, row, maps.box[row], scaling), _answer(maps, row))


def _altered(
    maps: MapSet, shown: np.ndarray, key: tuple[str, str], scaling: Sequence[str]
) -> Shown:
    row = _row(maps, key)
    image = Image.fromarray(shown[row])
    whole = np.array([0, 0, *image.size], np.float32)
    return Shown(image, _overlay(maps, row, whole, scaling), _answer(maps, row))


def _row(maps: MapSet, key: tuple[str, str]) -> int:
    found = np.flatnonzero((maps.image_id == key[0]) & (maps.role == key[1]))
    if not len(found):
        raise SightlineError(
            f"The maps of {maps.attributes.get('model')} hold none of {key[0]} ({key[1]}): delete "
            "them and run again."
        )
    return int(found[0])


def _answer(maps: MapSet, row: int) -> str:
    return f"{maps.predicted[row]}"


def _overlay(maps: MapSet, row: int, box: np.ndarray, scaling: Sequence[str]) -> Overlay:
    status = int(maps.status[row])
    scaled = scale_maps(maps.maps[row : row + 1], scaling)[0]
    note = "" if status == OK else f" ({STATUS[status]} map)"
    caption = f"{maps.explained[row]} {maps.confidence[row]:.2f}{note}"
    return Overlay(scaled, box, caption, status == OK)
