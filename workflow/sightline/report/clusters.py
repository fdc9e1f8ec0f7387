"""Section: are there clusters at all?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sightline.report.communities import communities_sentence, proof_cell, proof_sentence
from sightline.report.page import Figure, Section
from sightline.report.trees import tree_sentence
from sightline.report.words import counted, listed, of_all, p_value, percent, shown

HEADING = "Are there clusters at all?"
DRAWN = 3
_NOTES = (
    "p: are the models more clustered than one cloud of the same spread? Not corrected for the "
    "number of methods.",
    "Stability: adjusted Rand index of Louvain's communities with those found in resamples of the "
    "images; 1 the same every time, 0 no more than chance. One community is always stable.",
    "Cophenetic: correlation of the dissimilarities with the heights of the tree. Support: share "
    "of resamples of the images whose tree has the branch.",
)


def clusters_section(
    cluster_test: pd.DataFrame,
    resolutions: pd.DataFrame,
    linkage: pd.DataFrame,
    *,
    measure: str,
    method: str,
    resolution: float,
) -> Section:
    """Clusters, communities and trees of each method.

    Parameters
    ----------
    cluster_test, resolutions, linkage
        See `sightline.jobs.merging.structure.find_structures`.
    measure
        Of similarity.
    method
        Of the linkage.
    resolution
        Of the communities.
    """
    tests = _of(cluster_test, measure)
    every = _of(resolutions, measure)
    chosen = every[np.isclose(every["resolution"], resolution)]
    trees = _of(linkage, measure)
    trees = trees[trees["linkage"] == method]
    if tests.empty:
        return Section(HEADING, ["Nothing is known: no method has a test."], "not known")
    models = int(tests["models"].max())
    # The last merge, of all models, is in every tree.
    branches = trees[trees["size"] < models].dropna(subset=["support"])
    return Section(
        HEADING,
        [
            *_decisions(tests, models),
            communities_sentence(every, models, resolution),
            proof_sentence(chosen),
            tree_sentence(trees, branches, method),
        ],
        short=_short(tests),
        figures=[
            Figure(f"{one}/dendrogram", f"Tree of the models, {one}; support of its branches in %.")
            for one in tests["method"].iloc[:DRAWN]
        ],
        table=_table(tests, chosen, trees, branches),
        notes=_NOTES,
    )


def _of(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    return table[table["measure"] == measure].reset_index(drop=True)


def _short(tests: pd.DataFrame) -> str:
    counts = tests["decision"].value_counts()
    return "; ".join(
        f"{name}: {of_all(int(count), len(tests), 'method')}" if len(counts) > 1 else name
        for name, count in counts.items()
    )


def _decisions(tests: pd.DataFrame, models: int) -> list[str]:
    """A sentence a decision, of the methods that come to it."""
    found = tests[tests["decision"] == "clusters"]
    none = tests[tests["decision"] == "no clusters found"]
    undecided = tests[tests["decision"] == "cannot be decided"]
    untested = undecided[undecided["p"].isna()]
    undecided = undecided.drop(untested.index)
    sentences = []
    if len(found):
        cases = (
            f"{row.method} {counted(int(row.clusters), 'cluster')}, p {p_value(row.p)}"
            for row in found.itertuples()
        )
        told = listed(cases, separator="; ")
        where = of_all(len(found), len(tests), "method")
        sentences.append(f"There are clusters under {where} ({told}).")
    if len(none):
        sentences.append(
            f"No clusters are found under {of_all(len(none), len(tests), 'method')} "
            f"({_tested(none)})."
        )
    if len(undecided):
        sentences.append(
            f"It cannot be decided under {of_all(len(undecided), len(tests), 'method')} "
            f"({_tested(undecided)}): none are found, but of {counted(models, 'model')} even clear "
            "clusters are easily missed."
        )
    if len(untested):
        sentences.append(
            f"It cannot be tested under {of_all(len(untested), len(tests), 'method')} "
            f"({listed(untested['method'])}), with {counted(models, 'model')}."
        )
    return sentences


def _tested(tests: pd.DataFrame) -> str:
    return listed(f"{row.method} p {p_value(row.p)}" for row in tests.itertuples())


def _table(
    tests: pd.DataFrame, chosen: pd.DataFrame, trees: pd.DataFrame, branches: pd.DataFrame
) -> pd.DataFrame:
    methods = pd.Index(tests["method"], name="method")
    split = chosen.set_index("method").reindex(methods)
    fit = trees.drop_duplicates("method").set_index("method")["cophenetic"].reindex(methods)
    support = branches.groupby("method")["support"].agg(["min", "max"]).reindex(methods)
    return pd.DataFrame(
        {
            "p": [p_value(value) for value in tests["p"]],
            "decision": list(tests["decision"]),
            "communities": [shown(value, 0) for value in split["communities"]],
            "stability": [shown(value) for value in split["bootstrap_stability"]],
            "greatest modularity": [proof_cell(row) for _, row in split.iterrows()],
            "cophenetic": [shown(value) for value in fit],
            "weakest support": [percent(value) for value in support["min"]],
            "strongest support": [percent(value) for value in support["max"]],
        },
        index=methods,
    )
