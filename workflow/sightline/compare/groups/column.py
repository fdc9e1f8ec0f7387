"""A column of the models table as a factor: groups of models, or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Kind = Literal["groups", "number"]


@dataclass(frozen=True)
class Factor:
    """What is known of some models under one column.

    Attributes
    ----------
    name
        Of the column.
    kind
        Groups, or a number.
    models
        Those that can be used.
    codes
        int (models): which of ``levels`` each has.
    levels
        The groups by name, or the numbers, each once, in order.
    left_out
        Why models are not used: a reason and their names.
    """

    name: str
    kind: Kind
    models: list[str]
    codes: np.ndarray
    levels: list[str] | list[float]
    left_out: dict[str, list[str]]

    @property
    def sizes(self) -> list[int]:
        """Models of each level."""
        return [int(size) for size in np.bincount(self.codes, minlength=len(self.levels))]

    @property
    def untestable(self) -> str:
        """Why there is nothing to test, as the end of a sentence; empty where there is."""
        if self.kind == "groups":
            if not self.levels:
                return f"no two models share a {self.name}"
            if len(self.levels) == 1:
                return f"all models that can be compared are of one {self.name}, {self.levels[0]}"
            return ""
        if len(self.models) < 3:
            return f"of fewer than three models the {self.name} is known"
        return "" if len(self.levels) > 1 else f"all models have the same {self.name}"


def read_factor(column: pd.Series, dissimilarity: pd.DataFrame) -> Factor:
    """Make a factor of a column, for the models of a dissimilarity matrix.

    Models without a value are left out, then those without a dissimilarity to
    another, then groups of one: these have neither a spread nor pairs within.

    Parameters
    ----------
    column
        Of the models table, indexed by model. Numbers make a number, all else
        groups (true and false too).
    dissimilarity
        Symmetric, models by models.
    """
    values = column.reindex(dissimilarity.index)
    left_out = {f"no {column.name}": list(values.index[values.isna()])}
    values = values.dropna()
    lacking = _without_pairs(dissimilarity.loc[values.index, values.index])
    left_out["no dissimilarity to some other model"] = lacking
    values = values.drop(lacking)
    kind: Kind = "number" if _is_number(column) else "groups"
    if kind == "groups":
        values = values.astype(str)
        alone = values.index[~values.duplicated(keep=False)]
        left_out[f"the only one of its {column.name}"] = list(alone)
        values = values.drop(alone)
    levels, codes = np.unique(values.to_numpy(), return_inverse=True)
    return Factor(
        name=str(column.name),
        kind=kind,
        models=list(values.index),
        codes=codes,
        levels=levels.tolist(),
        left_out={reason: models for reason, models in left_out.items() if models},
    )


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _without_pairs(dissimilarity: pd.DataFrame) -> list[str]:
    """Models to leave out, the worst first, until every pair has a dissimilarity."""
    missing = dissimilarity.isna()
    found = []
    while missing.to_numpy().any():
        worst = missing.sum().idxmax()
        found.append(str(worst))
        missing = missing.drop(index=worst, columns=worst)
    return found
