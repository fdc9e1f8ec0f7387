"""The tables of a study by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from sightline.errors import unknown
from sightline.tabular import read_table


class Tables(Mapping[str, pd.DataFrame]):
    """The tables of a study by name, read when asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> pd.DataFrame:
        # A study that grew has its older, shorter table in the other format still.
        files = [self._folder / f"{name}{suffix}" for suffix in (".csv", ".parquet")]
        found = [file for file in files if file.is_file()]
        if not found:
            raise unknown("table", name, self)
        return read_table(max(found, key=lambda file: file.stat().st_mtime_ns))

    def __iter__(self) -> Iterator[str]:
        if not self._folder.is_dir():
            return iter(())
        # Experiments have a folder of their own: evaluate/randomisation.
        return iter(
            sorted(
                {
                    one.relative_to(self._folder).with_suffix("").as_posix()
                    for one in self._folder.rglob("[!.]*")
                    if one.suffix in (".csv", ".parquet")
                }
            )
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __repr__(self) -> str:
        return f"<tables: {', '.join(self) or 'none yet'}>"
