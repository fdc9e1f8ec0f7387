"""Test whether the models' architecture explains their dissimilarities, over all methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from sightline.compare.groups.table import architecture
from sightline.compare.pairs import read_pairs
from sightline.errors import SightlineError, unknown
from sightline.jobs.merging.models import read_models
from sightline.tabular import write_table


def examine_factors(
    pairs: Mapping[str, Path],
    models: Path,
    tests: Path,
    answers: Path,
    *,
    factors: Sequence[str],
    permutations: int,
    level: float,
    seed: int,
) -> None:
    """Test every factor on every method and measure.

    Parameters
    ----------
    pairs
        Statistics of the pairs of models, of each method.
    models
        The table of `sightline.jobs.merging.models.write_models_table`.
    tests
        CSV, a row a (method, measure, factor, test). Of a factor of groups the
        tests are permanova, welch, welch_flipped, permdisp, anosim,
        within_between, adjusted_rand, of a number regression and mantel. Columns: method,
        measure, factor, test; statistic; effect and effect_name (R2, omega2,
        ratio of spreads, R, probability that a pair between groups is further
        apart than one within, ARI, rho); unbiased (omega2 of PERMANOVA, adjusted
        R2 of the regression, else empty); p; p_holm (corrected over all methods
        and measures of this factor and test); smallest_p (attainable by any
        arrangement of these labels) and smallest_p_holm; permutations, exact
        (whether these are all); models, left_out (their numbers).
    answers
        CSV, a row a (method, measure, factor): method, measure, factor; answer
        (yes, no evidence, cannot be decided); effect (R2); p_holm and
        smallest_p_holm (the larger of the deciding tests'); models, left_out;
        models_needed (least for a decision, empty where one is made); sentence.
    factors
        Columns of the table of models.
    permutations, level, seed
        As for `sightline.compare.groups.table.architecture`.
    """
    described = read_models(models)
    for factor in factors:
        if factor not in described:
            raise SightlineError(f"{models}: {unknown('column', factor, described.columns)}")
    found = architecture(
        _matrices(pairs),
        described,
        factors,
        permutations=permutations,
        level=level,
        seed=seed,
    )
    for path, table in zip((tests, answers), found, strict=True):
        write_table(path, table, digits=6)


def _matrices(pairs: Mapping[str, Path]) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Method, measure and dissimilarity, one at a time."""
    for method, path in pairs.items():
        of_method = read_pairs(path)
        for measure in of_method.measures:
            yield method, measure, of_method.dissimilarity(measure)
