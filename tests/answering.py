"""Tables of a small study, as its jobs write them: three models, two methods."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

MODELS, METHODS = ["a", "b", "c"], ["near", "far"]


def _rows(columns: str, *rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


def similarity() -> pd.DataFrame:
    """Under near a and b are most alike, under far b and c; near has a second seed."""
    means = {"near": (0.91, 0.52, 0.61), "far": (0.33, 0.12, 0.71)}
    rows = []
    for method, values in means.items():
        for (one, other), mean in zip(combinations(MODELS, 2), values, strict=True):
            ceiling = 0.95 if method == "near" else None
            share = mean / 0.95 if ceiling else None
            row = (method, "cosine", "all", one, other, 30, 2, mean, mean - 0.04, mean + 0.03)
            rows += [(*row, ceiling, share), (*row[:2], "same_class", *row[3:], ceiling, share)]
            rows.append((method, "rbf", *row[2:7], 0.99, 0.98, 1.0, ceiling, share))
    return _rows(
        "method measure subset model_a model_b images left_out mean mean_low mean_high ceiling "
        "of_ceiling",
        *rows,
    )


def agreement() -> pd.DataFrame:
    values = {"near": (0.81, 0.42, 0.51), "far": (0.23, 0.02, 0.64)}
    return _rows(
        "method measure subset model_a model_b kappa",
        *(
            (method, "kappa", "all", one, other, kappa)
            for method, own in values.items()
            for (one, other), kappa in zip(combinations(MODELS, 2), own, strict=True)
        ),
    )


def cluster_test() -> pd.DataFrame:
    return _rows(
        "method measure models axes p smallest_p level clusters decision",
        ("near", "cosine", 3, 2, 0.013, 0.002, 0.05, 2, "clusters"),
        ("far", "cosine", 3, 2, 0.27, 0.002, 0.05, 1, "cannot be decided"),
    )


def resolutions() -> pd.DataFrame:
    return _rows(
        "method measure resolution communities modularity bootstrap_stability gap proof",
        ("near", "cosine", 1.0, 1, 0.2, 1.0, 0.0, "proven"),
        ("near", "cosine", 1.06, 2, 0.1, 0.83, 0.0, "proven"),
        ("far", "cosine", 1.0, 2, 0.2, 0.41, 0.0, "proven"),
        ("far", "cosine", 1.06, 2, 0.1, 0.74, 0.021, "proven"),
    )


def linkage() -> pd.DataFrame:
    return _rows(
        "method measure linkage step left right size support cophenetic",
        ("near", "cosine", "average", 1, "a", "b", 2, 0.94, 0.88),
        ("near", "cosine", "average", 2, "a b", "c", 3, 1.0, 0.88),
        ("far", "cosine", "average", 1, "b", "c", 2, 0.57, 0.79),
        ("far", "cosine", "average", 2, "b c", "a", 3, 1.0, 0.79),
    )


def prediction_agreement() -> pd.DataFrame:
    return _rows(
        "method measure models same_class rho p smallest_p answer",
        ("near", "cosine", 3, 0.66, 0.77, 0.031, 0.01, "yes"),
        ("far", "cosine", 3, 0.66, -0.15, 0.64, 0.01, "no evidence"),
    )


def consensus() -> pd.DataFrame:
    means = {"near": (0.82, 0.86, 0.63), "far": (0.44, 0.58, 0.47)}
    return _rows(
        "method measure reference subset model mean",
        *(
            (method, "cosine", reference, "all", model, mean + (reference == "all") / 10)
            for method, own in means.items()
            for reference in ("others", "all")
            for model, mean in zip(MODELS, own, strict=True)
        ),
    )


def consensus_accuracy() -> pd.DataFrame:
    return _rows(
        "method measure reference subset correlation models value p smallest_p answer",
        ("near", "cosine", "others", "all", "spearman", 3, 0.87, 0.021, 0.02, "yes"),
        ("near", "cosine", "others", "all", "pearson", 3, 0.97, 0.001, 0.02, "yes"),
        ("far", "cosine", "others", "all", "spearman", 3, 0.5, 1.0, 0.33, "cannot be decided"),
    )


def methods_overall() -> pd.DataFrame:
    return _rows(
        "measure method_a method_b models mean spread lowest lowest_model highest highest_model",
        ("cosine", "near", "far", 3, 0.25, 0.2, 0.1, "c", 0.4, "a"),
        ("rank_correlation", "near", "far", 3, 0.36, 0.2, -0.07, "b", 0.72, "c"),
    )


def variance() -> pd.DataFrame:
    shares = {
        "model": 0.11, "method": 0.05, "image": 0.41, "model:method": 0.08, "model:image": 0.06,
        "method:image": 0.07, "model:method:image": 0.22,
    }  # fmt: skip
    table = _rows(
        "component share share_low share_high reason",
        *((name, share, share - 0.03, share + 0.04, None) for name, share in shares.items()),
    )
    return table.assign(models=3, methods=2, images=30, left_out=2)


def artefacts() -> pd.DataFrame:
    columns = "artefact value reference effect p smallest_p p_corrected flagged period corner"
    found = {
        ("near", "a"): [
            ("grid", 9.1, 1.02, 0.3, 0.001, 0.001, 0.003, True, 16, None),
            ("border", 0.2, 0.26, -0.1, 0.9, 0.001, 1.0, False, None, None),
            ("corner", 0.63, 0.02, 0.6, 0.001, 0.001, 0.004, True, None, "top left"),
        ],
        ("far", "b"): [
            ("grid", None, None, None, None, None, None, None, None, None),
            ("border", 0.97, 0.26, 0.96, 0.002, 0.001, 0.006, True, None, None),
            ("corner", 0.1, 0.02, 0.1, 0.5, 0.001, 1.0, False, None, "top left"),
        ],
    }
    rows = [(*key, *row) for key, own in found.items() for row in own]
    table = _rows(f"method model {columns}", *rows).assign(images=32)
    none = "not applicable: maps of 7x7 hold no lattice"
    return table.assign(reason=[none if row is None else None for row in table["flagged"]])


def images_recommended() -> pd.DataFrame:
    return _rows(
        "method measure of_pair model_a model_b images half_width precision recommended enough",
        ("near", "cosine", "median", "a", "b", 32, 0.011, 0.02, 10, True),
        ("near", "cosine", "worst", "a", "c", 32, 0.018, 0.02, 26, True),
        ("far", "cosine", "median", "a", "b", 32, 0.043, 0.02, 148, False),
        ("far", "cosine", "worst", "b", "c", 32, 0.162, 0.02, 2100, False),
    )


TABLES = (
    similarity, agreement, cluster_test, resolutions, linkage, prediction_agreement, consensus,
    consensus_accuracy, methods_overall, variance, artefacts, images_recommended,
)  # fmt: skip
