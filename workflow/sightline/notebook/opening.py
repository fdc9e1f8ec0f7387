"""What a study has made, in a notebook: its maps as labelled arrays, its tables.

study = sightline.open_study("results/demo")
study.maps().loc[{"model": "test_vit", "method": "gradcam"}].isel(image=0).plot()
study.table("similarity")
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from sightline.errors import SightlineError, unknown
from sightline.notebook.labels import labelled, native_array
from sightline.notebook.lazy import GridMaps
from sightline.notebook.stored import StoredMaps
from sightline.notebook.tables import Tables
from sightline.study.record import StudyRecord, read_record


def open_study(results: str | os.PathLike[str]) -> OpenStudy:
    """Open the results of a study.

    No map is read before its values are asked for.

    Parameters
    ----------
    results
        Its folder, such as ``results/demo``.

    Raises
    ------
    SightlineError
        Where there is no study, or none that has run.
    """
    folder = Path(results)
    return OpenStudy(folder, read_record(folder))


class OpenStudy:
    """A study's results.

    Attributes
    ----------
    record
        What the study is: models, methods, ranges, settings.
    folder
        Where its results are.
    tables
        By name, such as ``similarity``.
    """

    def __init__(self, folder: Path, record: StudyRecord) -> None:
        self.folder = folder
        self.record = record
        self.tables = Tables(folder / "tables")

    @property
    def models(self) -> list[str]:
        """Ids of the models."""
        return list(self.record.models)

    @property
    def methods(self) -> list[str]:
        """Ids of the methods."""
        return list(self.record.methods)

    @property
    def families(self) -> dict[str, str]:
        """Family of each model."""
        return {name: str(one["family"]) for name, one in self.record.models.items()}

    @property
    def attributes(self) -> pd.DataFrame:
        """What the study says of each model: its family and attributes, models by name."""
        return pd.DataFrame.from_dict(
            {
                name: {"family": one["family"], **one["attributes"]}
                for name, one in self.record.models.items()
            },
            orient="index",
        )

    @property
    def roles(self) -> list[str]:
        """Classes explained of each image."""
        return list(self.record.roles)

    @cached_property
    def images(self) -> pd.DataFrame:
        """The images in the study's order: image_id, label, width, height and so on."""
        if "images" not in self.tables:
            raise SightlineError(
                f"{self.folder}/tables/images.csv does not exist: the study has not run to its "
                "end. Run it again; it goes on where it stopped."
            )
        table = self.table("images")
        if len(table) != self.record.images:
            raise SightlineError(
                f"{self.folder}/tables/images.csv lists {len(table)} images, the study now has "
                f"{self.record.images}: it has not run to its end. Run it again."
            )
        return table

    def table(self, name: str) -> pd.DataFrame:
        """A table of the study.

        Parameters
        ----------
        name
            One of `tables`.
        """
        return self.tables[name]

    def maps(
        self,
        *,
        role: str | None = None,
        grid: int | None = None,
        scaling: Literal["compare", "raw"] | Sequence[str] = "compare",
    ) -> xr.DataArray:
        """All maps as one lazy array over the whole original images.

        Parameters
        ----------
        role
            Which class's maps; the study's first role unless given.
        grid
            Positions down and across; as the study compares maps unless given.
        scaling
            ``compare``: each method's maps scaled as before the study compares
            them. ``raw``: as the method gave them. Or steps of
            `sightline.maps.scaling.scale_maps`. Maps are scaled, then resampled.

        Returns
        -------
        DataArray
            float32 (model, method, image, y, x); y and x are the centres of the
            grid's cells, as shares of the original's height and width; also
            ``family`` and attributes by model and ``label`` by image. NaN where a model does not
            see the image, or its map is not finite. Values are read each time they
            are asked for: select first, and ``load()`` what is used twice. By method
            select with ``loc[{"method": ...}]``: ``sel`` has an argument of that name.
        """
        cells = self.record.compare["grid"] if grid is None else grid
        if cells < 1:
            raise SightlineError(f"grid: at least one position is expected, got {cells}.")
        steps = {name: self._steps(name, scaling) for name in self.methods}
        array = GridMaps(
            self._stored, self.models, steps, self._role(role), self.record.images, cells
        )
        centres = (np.arange(cells) + 0.5) / cells
        return labelled(
            array,
            {
                "model": self.models,
                "method": self.methods,
                "image": self._image_ids,
                "y": centres,
                "x": centres,
            },
            {
                **{name: ("model", values.to_numpy()) for name, values in self.attributes.items()},
                "label": ("image", self._labels),
            },
            {"study": self.record.study, "role": self._role(role)},
        )

    def native(self, model: str, method: str, *, role: str | None = None) -> xr.DataArray:
        """Raw maps of a model and method at the resolution they are stored in.

        Parameters
        ----------
        model, method
            Their ids.
        role
            Which class's maps; the study's first role unless given.

        Returns
        -------
        DataArray
            Lazy, float32 (image, y, x); y and x are shares of the part of the
            original that the map covers: the box from ``x0``, ``y0`` to ``x1``, ``y1`` of
            each image, in its pixels. By image also ``label``, ``target``, ``score``,
            ``status``, ``predicted``, ``correct`` (-1 where it is not known),
            ``height`` and ``width``. Which part of the original that is differs between
            models: to compare them take `maps`.
        """
        if model not in self.record.models:
            raise unknown("model", model, self.models)
        if method not in self.record.methods:
            raise unknown("method", method, self.methods)
        chosen = self._role(role)
        found = native_array(self._stored, (model, method, chosen), self._image_ids, self._labels)
        return found.assign_attrs(study=self.record.study)

    def __repr__(self) -> str:
        record = self.record
        return "\n".join(
            [
                f"<study {record.study}: {len(self.models)} models, {len(self.methods)} methods, "
                f"{record.images} images>",
                f"models   {_shown([f'{name} ({kind})' for name, kind in self.families.items()])}",
                f"methods  {_shown(self.methods)}",
                f"roles    {_shown(self.roles)}",
                f"tables   {_shown(list(self.tables)) or 'none yet'}",
            ]
        )

    @cached_property
    def _stored(self) -> StoredMaps:
        return StoredMaps(self.folder, self.record, self.images["image_id"].tolist())

    @property
    def _image_ids(self) -> np.ndarray:
        return self.images["image_id"].to_numpy(object)

    @property
    def _labels(self) -> np.ndarray:
        return self.images["label"].fillna("").to_numpy(object)

    def _role(self, role: str | None) -> str:
        if role is None:
            return self.roles[0]
        if role not in self.roles:
            raise unknown("role", role, self.roles)
        return role

    def _steps(self, method: str, scaling: str | Sequence[str]) -> list[str]:
        if scaling == "compare":
            return list(self.record.methods[method]["scaling"])
        if isinstance(scaling, str) and scaling != "raw":
            raise SightlineError(
                "scaling is compare, raw or a list of steps such as ['abs', 'max'], got "
                f"{scaling!r}."
            )
        return [] if scaling == "raw" else list(scaling)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])}, ..."
