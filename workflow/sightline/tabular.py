"""Tables on disk: CSV for people, Parquet where they are large."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from sightline.errors import DamagedError, SightlineError
from sightline.files import replacing

# Names that mean something else to a reader of CSV, such as a model called "none".
_CSV = {"keep_default_na": False, "na_values": [""]}
# Ids are text, also those that are numbers, such as 007.
_IDS = (
    "model",
    "model_a",
    "model_b",
    "method",
    "method_a",
    "method_b",
    "lowest_model",
    "highest_model",
    "left",
    "right",
    "measure",
    "experiment",
    "variant",
    "check",
    "role",
    "factor",
    "family",
    "image_id",
    "label",
    "class",
)


def write_table(path: Path, table: pd.DataFrame, *, digits: int | None = None) -> None:
    """Write a table, by the suffix of its file; it is complete or absent.

    Parameters
    ----------
    path
        Of the table.
    table
        Whose index is not written.
    digits
        Significant ones of the numbers of a CSV file; all unless given.
    """
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            from sightline.parquet import write_parquet

            write_parquet(temporary, table)
        else:
            float_format = None if digits is None else f"%.{digits}g"
            table.to_csv(temporary, index=False, float_format=float_format)


@contextmanager
def written_in_parts(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a CSV file whose rows are never all in memory; it is complete or absent.

    What is yielded takes some of its rows, with the same columns each time, without their index.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:

        def add(rows: pd.DataFrame) -> None:
            rows.to_csv(stream, index=False, header=stream.tell() == 0)

        yield add


def read_table(
    path: Path, wanted: Mapping[str, str] | None = None, *, ids: Iterable[str] = _IDS
) -> pd.DataFrame:
    """Read a table, by the suffix of its file.

    Parameters
    ----------
    path
        Of the table.
    wanted
        By column, the value of the rows to read; of all rows unless given. Of a Parquet
        file no others are held.
    ids
        Columns of a CSV file that are text, also where they look like numbers.

    Raises
    ------
    SightlineError
        Where it is missing or cannot be read.
    DamagedError
        Where it is damaged.
    """
    try:
        if path.suffix == ".parquet":
            from sightline.parquet import check_parquet

            filters = [(name, "==", value) for name, value in (wanted or {}).items()]
            check_parquet(path)
            return pd.read_parquet(path, filters=filters or None)
        table = pd.read_csv(path, dtype=dict.fromkeys(ids, str), **_CSV)
        for name, value in (wanted or {}).items():
            table = table[table[name] == value]
        return table.reset_index(drop=True)
    except ValueError as error:
        raise DamagedError(
            f"The table {path} is damaged: {error}. Delete it and run again."
        ) from error
    except OSError as error:
        raise SightlineError(f"The table {path} cannot be read: {error}.") from error
