"""Put the checks of all models and methods together, and judge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sightline.errors import SightlineError
from sightline.evaluate.sanity.verdict import Declared, judge
from sightline.tabular import read_table, write_table


def merge_checks(
    files: Sequence[Path], declared: Mapping[str, Mapping[str, Any]], output: Path
) -> None:
    """Judge every check.

    Parameters
    ----------
    files
        What `sightline.jobs.sanity.check_method` wrote, of each model and method.
    declared
        Of each method id what the catalogue says of it.
    output
        CSV, a row a (model, method, check), see `sightline.evaluate.sanity.verdict.judge`.
    """
    tables = []
    for path in files:
        rows = read_table(path)
        if rows.empty:
            continue
        method = str(rows["method"].iloc[0])
        if method not in declared:
            raise SightlineError(f"{path} is of the method {method}, which the study has not.")
        tables.append(judge(rows, Declared.of(declared[method])))
    if not tables:
        raise SightlineError(
            "None of the chosen checks is defined for any method of the study: see sanity.checks."
        )
    write_table(output, pd.concat(tables), digits=6)
