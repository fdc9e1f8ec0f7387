"""Tables on disk: CSV for people, Parquet where they are large."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sightline.errors import SightlineError
from sightline.files import replacing

# Ids are text, also those that mean something else to a reader of CSV: a model
# called "none", an image called 007.
_IDS = ("model", "model_a", "model_b", "method", "image_id", "label", "predicted")
_CSV = {"keep_default_na": False, "na_values": [""], "dtype": dict.fromkeys(_IDS, str)}


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table, by the suffix of its file; it is complete or absent."""
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table, by the suffix of its file.

    Raises
    ------
    SightlineError
        Where it is missing or damaged.
    """
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, **_CSV)
    except (OSError, ValueError) as error:
        raise SightlineError(f"The table {path} cannot be read: {error}.") from error
