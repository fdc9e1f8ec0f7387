"""What an experiment says of every model and method: the results of its jobs, over all images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from sightline.compare.bootstrap import Bootstrap
from sightline.evaluate.long import over_images
from sightline.tabular import read_table, write_table


def merge_experiment(
    experiment: str,
    files: Sequence[Path],
    models: Sequence[str],
    methods: Sequence[str],
    controls: Sequence[str],
    better: Mapping[str, str],
    bootstrap: Bootstrap,
    output: Path,
) -> None:
    """Write an experiment's table.

    Parameters
    ----------
    experiment
        Its id.
    files
        What its jobs wrote, see `sightline.evaluate.long.long_table`: of each model all
        rows, or those of one method and range.
    models, methods
        Ids of those that have results, controls among the methods.
    controls
        Ids of methods that read no model.
    better
        Of each measure that the experiment declares, on which side maps that hold lie:
        higher, lower, or nothing.
    bootstrap
        How intervals are made.
    output
        CSV, a row a (model, method, variant, role, measure, x), see
        `sightline.evaluate.long.over_images`, with the columns experiment first, control
        (whether the method reads no model) and better.

    Raises
    ------
    ValueError
        For other measures than those declared, and where results are missing.
    """
    rows = pd.concat([read_table(path) for path in files], ignore_index=True)
    if set(rows["measure"]) != set(better):
        raise ValueError(
            f"{experiment} gives {sorted(set(rows['measure']))}, and declares {sorted(better)}"
        )
    _check_complete(experiment, rows, models, methods)
    table = over_images(rows, bootstrap, controls)
    table.insert(0, "experiment", experiment)
    table["control"] = table["method"].isin(list(controls))
    table["better"] = table["measure"].map(dict(better))
    write_table(output, table)


def _check_complete(
    experiment: str, rows: pd.DataFrame, models: Sequence[str], methods: Sequence[str]
) -> None:
    """Every model has every method, and all of a model's methods the same images."""
    found = set(zip(rows["model"], rows["method"], strict=True))
    missing = sorted(set(product(models, methods)) - found)
    if missing:
        raise ValueError(f"{experiment} has no results of {' and '.join(missing[0])}")
    own = ["model", "variant", "role"]
    sizes = rows.groupby([*own, "method", "measure", "x"], dropna=False).size()
    unequal = sizes.groupby(own, dropna=False).nunique()
    if (unequal > 1).any():
        where = dict(zip(own, unequal.idxmax(), strict=True))
        raise ValueError(f"{experiment} has methods with more images than others: {where}")
