"""Communities of models: Louvain's, whether they are the best, and whether they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import squareform

from sightline.compare.structure.agreement import adjusted_rand
from sightline.compare.structure.graph import community_weights
from sightline.compare.structure.louvain import louvain, modularity
from sightline.compare.structure.modularity import Optimum, greatest_modularity

SEEDS = 20
# Runs on replicates: all of them up to 223 models, 20 from 700 on, where one takes 0.3 s.
_PAIRS_IN_ALL, _FEWEST = 5_000_000, 20


@dataclass(frozen=True)
class Proof:
    """When the exact optimum is asked for.

    Attributes
    ----------
    models
        Most models for which it is tried.
    seconds
        Most time for each resolution.
    """

    models: int = 20
    seconds: float = 60.0


def prove(weights: np.ndarray, resolution: float, proof: Proof) -> Optimum | None:
    """The exact optimum; None for more models than are tried."""
    if len(weights) > proof.models:
        return None
    return greatest_modularity(weights, resolution, proof.seconds)


def communities_table(
    names: Sequence[str], labels: np.ndarray, score: float, optimum: Optimum | None
) -> pd.DataFrame:
    """The communities at one resolution.

    Returns
    -------
    DataFrame
        A row a model: model, community (Louvain's, from 1, numbered by their first
        model), modularity (of Louvain's), optimum (the model's community in the
        partition of proven greatest modularity; empty where nothing is proven).
    """
    known = optimum is not None and optimum.proven and optimum.labels is not None
    best = pd.array([pd.NA] * len(names), dtype="Int64")
    if known and optimum is not None and optimum.labels is not None:
        best = pd.array(optimum.labels + 1, dtype="Int64")
    return pd.DataFrame(
        {"model": list(names), "community": labels + 1, "modularity": score, "optimum": best}
    )


def resolution_row(
    weights: np.ndarray,
    replicates: np.ndarray,
    resolution: float,
    seed: int,
    labels: np.ndarray,
    optimum: Optimum | None,
) -> dict[str, object]:
    """How many communities a resolution gives, how firmly, and how near the best.

    Parameters
    ----------
    weights
        (models, models), see `community_weights`.
    replicates
        (replicates, pairs): dissimilarities under each resample.
    resolution, seed
        Of Louvain.
    labels
        Its communities.
    optimum
        See `prove`.

    Returns
    -------
    dict
        resolution, communities (how many), modularity, seed_stability and
        bootstrap_stability (mean adjusted Rand index, Hubert and Arabie 1985, of the
        communities with those under 20 further seeds and those of the replicates
        under the same seed; 1 is the same every time, 0 no more than chance), seeds
        and replicates (how many; for very many models not every replicate), optimum
        (the greatest modularity known), gap (how far Louvain is below it), proof:
        proven, not proven (time was up: gap is a lower bound) or too many models.
    """
    used = replicates[: max(_FEWEST, _PAIRS_IN_ALL // max(replicates.shape[1], 1))]
    seeds = [louvain(weights, resolution, seed + other) for other in range(1, SEEDS + 1)]
    resampled = [
        louvain(community_weights(squareform(row.astype(np.float64))), resolution, seed)
        for row in used
    ]
    score = modularity(weights, labels, resolution)
    return {
        "resolution": resolution,
        "communities": int(labels.max()) + 1,
        "modularity": score,
        "seed_stability": _mean_agreement(labels, seeds),
        "bootstrap_stability": _mean_agreement(labels, resampled),
        "seeds": len(seeds),
        "replicates": len(resampled),
        **_against(score, optimum),
    }


def _against(score: float, optimum: Optimum | None) -> dict[str, object]:
    if optimum is None:
        return {"optimum": np.nan, "gap": np.nan, "proof": "too many models"}
    # Louvain's own may be the best known where time was up.
    best = score if optimum.labels is None else max(score, optimum.modularity)
    # Sums of the same terms in another order differ in their last digits.
    gap = best - score if best - score > 1e-12 else min(best - score, 0.0)
    return {
        "optimum": best,
        "gap": gap,
        "proof": "proven" if optimum.proven else "not proven",
    }


def _mean_agreement(labels: np.ndarray, others: Sequence[np.ndarray]) -> float:
    return float(adjusted_rand(labels, np.array(others)).mean()) if len(others) else float("nan")
