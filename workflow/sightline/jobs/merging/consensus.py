"""The consensus of all models, by method, and whether accurate models agree with it more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sightline.compare.bootstrap import Bootstrap
from sightline.compare.consensus.file import Scored, read_consensus, write_consensus
from sightline.compare.consensus.models import find_consensus
from sightline.compare.consensus.table import accuracy_table, consensus_table
from sightline.tabular import read_table, write_table

# Positions along a side: of the consensus, and of the maps whose variance is analysed.
GRID, COARSE = 56, 14


def consensus_range(files: Mapping[str, Path], scaling: Sequence[str], output: Path) -> None:
    """Put the maps of all models together, one method and range.

    Parameters
    ----------
    files
        Map file of each model.
    scaling
        Steps of `sightline.maps.scaling`.
    output
        HDF5, see `sightline.compare.consensus.file`.
    """
    found = find_consensus(files, scaling=scaling, grid=GRID, coarse=COARSE)
    write_consensus(output, *found)


def merge_consensus(
    method: str,
    files: Sequence[Path],
    accuracy: Path,
    consensus: Path,
    related: Path,
    *,
    intervals: Mapping[str, Any],
    permutations: int,
    level: float,
    seed: int,
) -> None:
    """Make a method's tables of agreement with the consensus.

    Parameters
    ----------
    method
        Its id.
    files
        Consensus files of its ranges, in order.
    accuracy
        The table of `sightline.jobs.merging.predictions.merge_predictions`; top1 is taken.
    consensus
        A row a (measure, reference, subset, model), see
        `sightline.compare.consensus.table.consensus_table`.
    related
        A row a (measure, reference, subset, correlation), see
        `sightline.compare.consensus.table.accuracy_table`.
    intervals
        ``replicates``, ``kind``, ``level`` and ``seed`` of
        `sightline.compare.bootstrap.Bootstrap`.
    permutations, level, seed
        Of the tests.
    """
    found = read_consensus(files, Scored)
    table = consensus_table(found, method, Bootstrap(**intervals))
    write_table(consensus, table)
    known = read_table(accuracy)
    top1 = dict(zip(known["model"], known["top1"].astype(float), strict=True))
    write_table(
        related,
        accuracy_table(table, top1, permutations=permutations, seed=seed, level=level),
    )
