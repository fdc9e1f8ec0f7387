"""Sentences on the tree of the models."""

from __future__ import annotations

import pandas as pd

from sightline.report.words import listed, percent, ranged

# Models of a branch that are named.
_NAMED = 4


def tree_sentence(trees: pd.DataFrame, branches: pd.DataFrame, method: str) -> str:
    """How well trees fit, and their strongest and weakest branch.

    Parameters
    ----------
    trees
        Merges of all methods, see `sightline.jobs.merging.structure.find_structures`.
    branches
        Those of them that have a support and are not of all models.
    method
        Of the linkage.
    """
    known = trees.drop_duplicates("method").dropna(subset=["cophenetic"])
    if known.empty:
        return ""
    fit = ranged(known["cophenetic"], list(known["method"]))
    text = f"The tree ({method} linkage) fits the dissimilarities with a correlation of {fit}."
    if branches.empty:
        return text
    strong = branches.loc[branches["support"].idxmax()]
    weak = branches.loc[branches["support"].idxmin()]
    return (
        f"{text} Its strongest branch is {_branch(strong)}, in {percent(strong['support'])} of "
        f"resamples of the images; its weakest {_branch(weak)}, in {percent(weak['support'])}."
    )


def _branch(row: pd.Series) -> str:
    names = listed(f"{row['left']} {row['right']}".split(), _NAMED)
    return f"{names} under {row['method']}"
