"""What an experiment says of every model and method: the results of its jobs, over all images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from sightline.compare.bootstrap import Bootstrap
from sightline.evaluate.long import over_images
from sightline.tabular import read_table, write_table


def merge_experiment(
    experiment: str,
    files: Sequence[Path],
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
        For other measures than those declared.
    """
    rows = pd.concat([read_table(path) for path in files], ignore_index=True)
    if set(rows["measure"]) != set(better):
        raise ValueError(
            f"{experiment} gives {sorted(set(rows['measure']))}, and declares {sorted(better)}"
        )
    table = over_images(rows, bootstrap)
    table.insert(0, "experiment", experiment)
    table["control"] = table["method"].isin(list(controls))
    table["better"] = table["measure"].map(dict(better))
    write_table(output, table)
