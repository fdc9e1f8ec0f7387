"""What an experiment shows of each class, of all models."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pandas as pd

from sightline.tabular import read_table, write_table


def merge_classes(experiment: str, module: str, files: Sequence[Path], output: Path) -> None:
    """Write an experiment's table of classes.

    Parameters
    ----------
    experiment
        Its id.
    module
        Of its function ``by_class`` (`sightline.evaluate.protocol`).
    files
        What `sightline.jobs.experiments.evaluate_variants.evaluate_variants` wrote, one a model.
    output
        CSV: the experiment first, then the columns of ``by_class``.
    """
    by_class = import_module(module).by_class
    table = pd.concat([by_class(read_table(path)) for path in files], ignore_index=True)
    table.insert(0, "experiment", experiment)
    write_table(output, table)
