"""Parquet files in which damage is found.

Parquet can checksum its pages, but not what describes them. So a file's own metadata
hold a CRC-32 of the whole file with the checksum's place filled by zeros.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_MARK = b"sightline crc32 "
_ZEROS = b"00000000"


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table with its checksum."""
    found = pa.Table.from_pandas(table, preserve_index=False)
    known = {**(found.schema.metadata or {}), b"checksum": _MARK + _ZEROS}
    pq.write_table(found.replace_schema_metadata(known), path)
    data = path.read_bytes()
    with path.open("r+b") as stream:
        stream.seek(_place(data))
        stream.write(f"{zlib.crc32(data):08x}".encode())


def check_parquet(path: Path) -> None:
    """Hold a file against its checksum.

    Raises
    ------
    ValueError
        Where its bytes are not those that were written.
    """
    data = bytearray(path.read_bytes())
    at = _place(data)
    kept, data[at : at + len(_ZEROS)] = bytes(data[at : at + len(_ZEROS)]), _ZEROS
    if at < len(_MARK) or kept != f"{zlib.crc32(data):08x}".encode():
        raise ValueError("its bytes are not those that were written")


def _place(data: bytes | bytearray) -> int:
    """Where the checksum is: the metadata are at the end."""
    return data.rfind(_MARK) + len(_MARK)
