"""What is known of each model, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sightline.errors import DamagedError, SightlineError
from sightline.tabular import read_table, write_table

# What a study says of a model whose family nobody gave.
_UNKNOWN = "unknown"
# Columns that come of the predictions, and what they are called there.
_MEASURED = {"accuracy": "top1", "parameters": "parameters"}


def write_models_table(
    accuracy: Path,
    described: Mapping[str, Mapping[str, Any]],
    table: Path | None,
    output: Path,
) -> None:
    """Put together what the study, its predictions and a person's table say of its models.

    Parameters
    ----------
    accuracy
        The table of `sightline.jobs.merging.predictions.merge_predictions`.
    described
        Of each model, in order: family and attributes.
    table
        A CSV file with the column model; models that the study has not are passed over.
    output
        CSV, a row a model: model, family (empty where not known), accuracy (the
        share of labelled images whose first answer is right), parameters
        (weights), and a column an attribute or column of the table, empty
        where not known.
    """
    measured = read_models(accuracy)
    found = pd.DataFrame.from_dict(described, orient="index")
    found.index.name = "model"
    found["family"] = found["family"].where(found["family"] != _UNKNOWN)
    for place, (name, source) in enumerate(_MEASURED.items(), start=1):
        found.insert(place, name, measured[source].reindex(found.index))
    if table is not None:
        found = found.join(_given(table))
    write_table(output, found.reset_index())


def read_models(path: Path) -> pd.DataFrame:
    """A table with the column model, indexed by it; only what is empty is missing.

    Raises
    ------
    SightlineError
        Where the column is missing.
    """
    # Of a person's columns numbers are numbers, whatever the column is called.
    rows = read_table(path, ids=("model", "family"))
    if "model" not in rows:
        raise SightlineError(f"{path} has no column model; it has {list(rows)}.")
    return rows.set_index("model")


def _given(table: Path) -> pd.DataFrame:
    """A person's table, which running again does not make."""
    try:
        return read_models(table)
    except DamagedError as error:
        cause = str(error.__cause__).strip()
        raise SightlineError(
            f"{table} cannot be read as CSV: {cause}. Expected the column model, and in "
            "every row as many cells as columns. Correct the file, which compare.table names."
        ) from error
