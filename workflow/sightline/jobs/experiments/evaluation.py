"""What all experiments of a study come to: ranks of its methods, and which to trust."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sightline.evaluate.ranking.judges import Significance, agreement_table
from sightline.evaluate.ranking.recommend import recommend
from sightline.evaluate.ranking.summary import Ranking, summarise
from sightline.tabular import read_table, write_table


def summarise_evaluation(
    tables: Mapping[str, Path],
    rankings: Mapping[str, Ranking],
    role: str,
    testing: Significance,
    outputs: Mapping[str, Path],
) -> None:
    """Write the summary of all experiments.

    Parameters
    ----------
    tables
        Of each experiment, see `sightline.jobs.experiments.experiment_table.merge_experiment`.
    rankings
        What the summary takes of each.
    role
        The study's first.
    testing
        How tests are made.
    outputs
        ``summary`` (`sightline.evaluate.ranking.summary.summarise`), ``methods``
        (`sightline.evaluate.ranking.recommend.recommend`) and ``agreement``
        (`sightline.evaluate.ranking.judges.agreement_table`).
    """
    summary = summarise({name: read_table(path) for name, path in tables.items()}, rankings, role)
    write_table(outputs["summary"], summary)
    write_table(outputs["methods"], recommend(summary))
    write_table(outputs["agreement"], agreement_table(summary, testing))
