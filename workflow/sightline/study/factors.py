"""What may explain how far apart models are: columns of the models table, known before any job."""

from __future__ import annotations

import csv
from pathlib import Path

from sightline.errors import SightlineError, unknown
from sightline.study.config import Study
from sightline.study.ids import check_id

# Columns that every models table has.
GIVEN = ("family", "accuracy", "parameters")


def check_factors(config: Study) -> None:
    """Refuse factors that no column will be there for, and columns of two meanings.

    Parameters
    ----------
    config
        A study.

    Raises
    ------
    SightlineError
        Naming the nearest known factor.
    """
    table = table_columns(config.compare.table)
    owner = dict.fromkeys((*GIVEN, "model"), "every models table")
    for name in table:
        if name in owner:
            raise SightlineError(
                f"compare.table: {config.compare.table} has a column {name}, which is already one "
                f"of {owner[name]}. Give it another name."
            )
    owner |= dict.fromkeys(table, "compare.table")
    known = [*GIVEN, *table]
    for model_id, model in config.models.items():
        for name in model.attributes:
            if name in owner:
                raise SightlineError(
                    f"models.{model_id}.attributes: {name} is already a column of {owner[name]}. "
                    "Give it another name."
                )
        known += model.attributes
    for factor in config.compare.factors:
        if factor not in known:
            raise SightlineError(f"compare.factors: {unknown('factor', factor, set(known))}")
        check_id("factor", factor)


def table_columns(path: Path | None) -> list[str]:
    """Columns of a person's table of models, besides the model.

    Raises
    ------
    SightlineError
        Where it is missing, has no column model, or a column or a model twice.
    """
    if path is None:
        return []
    where = "compare.table:"
    if not path.is_file():
        raise SightlineError(f"{where} the file {path} does not exist.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if "model" not in header:
            raise SightlineError(f"{where} {path} has no column model; it has {header}.")
        _once(header, f"{where} {path} has the column")
        place = header.index("model")
        _once([row[place] for row in rows if len(row) > place], f"{where} {path} has the model")
    return [name for name in header if name != "model"]


def _once(names: list[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SightlineError(f"{where} {name} twice. Leave one of them out.")
        seen.add(name)
