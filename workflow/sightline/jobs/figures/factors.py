"""Draw the models' dissimilarities beside what may explain them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sightline.compare.groups.column import Factor, read_factor
from sightline.compare.pairs import read_pairs
from sightline.jobs.merging.models import read_models
from sightline.plots.groups import empty_figure, groups_figure, number_figure, pairs_by_group
from sightline.plots.style import house_style, save


def draw_factors(pairs: Mapping[str, Path], models: Path, figures: Mapping[str, Path]) -> None:
    """Draw a figure a factor, of every method and measure.

    Parameters
    ----------
    pairs
        Statistics of the pairs of models, of each method.
    models
        The table of `sightline.jobs.merging.models.write_models_table`.
    figures
        Where to put the figure of each factor.
    """
    described = read_models(models)
    with house_style():
        for factor, path in figures.items():
            save(_figure(pairs, described[factor]), path)


def _figure(pairs: Mapping[str, Path], column: pd.Series) -> Figure:
    tables = []
    reason = ""
    numbers = False
    for method, path in pairs.items():
        of_method = read_pairs(path)
        for measure in of_method.measures:
            matrix = of_method.dissimilarity(measure)
            factor = read_factor(column, matrix)
            numbers = factor.kind == "number"
            if factor.untestable:
                reason = factor.untestable
                continue
            own = _differences(matrix, factor) if numbers else _grouped(matrix, factor)
            tables.append(own.assign(method=method, measure=measure))
    if not tables:
        return empty_figure(reason)
    every = pd.concat(tables, ignore_index=True)
    return number_figure(every, str(column.name)) if numbers else groups_figure(every)


def _grouped(matrix: pd.DataFrame, factor: Factor) -> pd.DataFrame:
    names = [str(factor.levels[code]) for code in factor.codes]
    return pairs_by_group(matrix, dict(zip(factor.models, names, strict=True)))


def _differences(matrix: pd.DataFrame, factor: Factor) -> pd.DataFrame:
    values = np.array(factor.levels, np.float64)[factor.codes]
    first, second = np.triu_indices(len(values), 1)
    chosen = matrix.loc[factor.models, factor.models].to_numpy()
    return pd.DataFrame(
        {
            "difference": np.abs(values[first] - values[second]),
            "dissimilarity": chosen[first, second],
        }
    )
