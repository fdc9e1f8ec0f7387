"""Section: do models that answer alike look alike, and do accurate ones agree more?"""

from __future__ import annotations

import pandas as pd

from sightline.report.consensus import OPEN, accuracy_sentences, cases, central_sentence
from sightline.report.page import Figure, Section
from sightline.report.words import of_all, p_value, percent, shown

HEADING = "Do models that answer alike look alike?"
_NOTES = (
    "Looking alike: rank correlation, over pairs of models, of the share of images on which both "
    "answer one class with the similarity of their maps; p of Mantel's test, of it above 0.",
    "Accuracy: rank correlation, over models, of accuracy with agreement with the mean map of the "
    "other models (cosine); two-sided.",
    "P-values are not corrected for the number of methods.",
)


def predictions_section(
    prediction_agreement: pd.DataFrame,
    consensus: pd.DataFrame,
    consensus_accuracy: pd.DataFrame,
    *,
    measure: str,
) -> Section:
    """What the models' answers have to do with where they look, by each method.

    Parameters
    ----------
    prediction_agreement
        See `sightline.jobs.merging.prediction_agreement.correlate_predictions`.
    consensus, consensus_accuracy
        See `sightline.jobs.merging.consensus.merge_consensus`; agreement is the cosine with the
        other models' mean map, over all images.
    measure
        Of similarity.
    """
    alike = prediction_agreement[prediction_agreement["measure"] == measure]
    related = _chosen(consensus_accuracy)
    related = related[related["correlation"] == "spearman"]
    agreeing = _chosen(consensus).dropna(subset=["mean"]).reset_index(drop=True)
    return Section(
        HEADING,
        [*_alike(alike), *accuracy_sentences(related), central_sentence(agreeing)],
        short=_short(alike),
        figures=[
            Figure(f"{method}/consensus", f"Agreement with the others, {method}, and accuracy.")
            for method in alike["method"].iloc[:1]
        ],
        table=_table(alike, related, agreeing),
        notes=_NOTES,
    )


def _chosen(table: pd.DataFrame) -> pd.DataFrame:
    return table[
        (table["measure"] == "cosine")
        & (table["reference"] == "others")
        & (table["subset"] == "all")
    ]


def _short(alike: pd.DataFrame) -> str:
    counts = alike["answer"].value_counts()
    return "; ".join(
        f"{name}: {of_all(int(count), len(alike), 'method')}" if len(counts) > 1 else name
        for name, count in counts.items()
    )


def _alike(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return ["Nothing is known of it."]
    share = table["same_class"].dropna()
    sentences = []
    words = {
        "yes": "Yes, models that answer alike look alike under {}",
        "no evidence": "There is no evidence that models that answer alike look alike under {}",
        OPEN: "Whether models that answer alike look alike cannot be decided under {}",
    }
    for answer, form in words.items():
        own = table[table["answer"] == answer]
        if len(own):
            where = of_all(len(own), len(table), "method")
            sentences.append(f"{form.format(where)}: {cases(own, 'rho')}.")
    if len(share):
        models = int(table["models"].max())
        who = "The two models" if models == 2 else f"Two of the {models:,} models, on average,"
        # The answers do not depend on the method.
        sentences.append(f"{who} answer one class on {percent(share.iloc[0])} of the images.")
    return sentences


def _table(alike: pd.DataFrame, related: pd.DataFrame, agreeing: pd.DataFrame) -> pd.DataFrame:
    methods = pd.Index(alike["method"], name="method")
    accuracy = related.set_index("method").reindex(methods)
    by_method = agreeing.groupby("method", sort=False)["mean"]
    most = agreeing.loc[by_method.idxmax()].set_index("method").reindex(methods)
    least = agreeing.loc[by_method.idxmin()].set_index("method").reindex(methods)

    def model(rows: pd.DataFrame) -> list[str]:
        told = zip(rows["model"], rows["mean"], strict=True)
        # Two models agree with each other alike.
        alone = agreeing["model"].nunique() < 3
        return ["-" if alone or pd.isna(mean) else f"{name} {shown(mean)}" for name, mean in told]

    return pd.DataFrame(
        {
            "looking alike": [shown(value) for value in alike["rho"]],
            "p": [p_value(value) for value in alike["p"]],
            "accuracy": [shown(value) for value in accuracy["value"]],
            "its p": [p_value(value) for value in accuracy["p"]],
            "agrees most": model(most),
            "agrees least": model(least),
        },
        index=methods,
    )
