"""Section: are there clusters at all?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sightline.report.page import Figure, Section
from sightline.report.words import counted, listed, of_all, p_value, percent, ranged, shown

HEADING = "Are there clusters at all?"
DRAWN = 3
# Models of a branch that are named.
_NAMED = 4
_NOTES = (
    "p: are the models more clustered than one cloud of the same spread? Not corrected for the "
    "number of methods.",
    "Stability: adjusted Rand index of the communities with those found in resamples of the images; "
    "1 the same every time, 0 no more than chance.",
    "Cophenetic: correlation of the dissimilarities with the heights of the tree. Support: share of "
    "resamples of the images whose tree has the branch.",
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
        See `sightline.jobs.structure.find_structures`.
    measure
        Of similarity.
    method
        Of the linkage.
    resolution
        Of the communities.
    """
    tests = _of(cluster_test, measure)
    chosen = _of(resolutions, measure)
    chosen = chosen[np.isclose(chosen["resolution"], resolution)]
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
            _communities(chosen, models, resolution),
            _proof(chosen),
            _tree(trees, branches, method),
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
    sentences = []
    if len(found):
        told = listed(
            f"{row.method}, {counted(int(row.clusters), 'cluster')}, p {p_value(row.p)}"
            for row in found.itertuples()
        )
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
    return sentences


def _tested(tests: pd.DataFrame) -> str:
    return listed(
        f"{row.method}, {'not tested' if pd.isna(row.p) else f'p {p_value(row.p)}'}"
        for row in tests.itertuples()
    )


def _communities(chosen: pd.DataFrame, models: int, resolution: float) -> str:
    if chosen.empty:
        return ""
    methods = list(chosen["method"])
    counts = ranged(chosen["communities"], methods, "{:.0f}")
    noun = "community" if counts == "1" else "communities"
    text = f"Louvain, which always gives some split, gives {counts} {noun} at resolution "
    text += f"{resolution:g}"
    stable = chosen.dropna(subset=["bootstrap_stability"])
    if len(stable):
        index = ranged(stable["bootstrap_stability"], list(stable["method"]))
        text += f"; resamples of the images find the same ones to an adjusted Rand index of {index}"
    trivial = chosen[chosen["communities"].isin([1, models])]["method"]
    if len(trivial):
        text += f" (one community, or each model its own, as under {listed(trivial)}, says nothing)"
    return text + "."


def _proof(chosen: pd.DataFrame) -> str:
    """Whether the communities have the greatest modularity, and where they have not."""
    if chosen.empty:
        return ""
    total = len(chosen)
    proven = chosen[chosen["proof"] == "proven"]
    best, worse = proven[proven["gap"] <= 0], proven[proven["gap"] > 0]
    sentences = []
    if len(best):
        where = of_all(len(best), total, "method")
        sentences.append(f"That no split has a greater modularity is proven under {where}.")
    if len(worse):
        gaps = listed(f"{row.method} by {row.gap:.2g}" for row in worse.itertuples())
        sentences.append(f"The greatest modularity, which is proven, is above Louvain's: {gaps}.")
    for proof, why in (("not proven", "time was up"), ("too many models", "too many models")):
        count = int((chosen["proof"] == proof).sum())
        if count:
            where = of_all(count, total, "method")
            sentences.append(f"Whether it is the best split is not proven under {where}: {why}.")
    return " ".join(sentences)


def _tree(trees: pd.DataFrame, branches: pd.DataFrame, method: str) -> str:
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
            "best split": ["-" if pd.isna(value) else value for value in split["proof"]],
            "cophenetic": [shown(value) for value in fit],
            "weakest support": [percent(value) for value in support["min"]],
            "strongest support": [percent(value) for value in support["max"]],
        },
        index=methods,
    )
