"""Tables of pairs of models, from their statistics over all images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sightline.compare.aggregate import aggregate, aggregate_kappa
from sightline.compare.bootstrap import Bootstrap
from sightline.compare.pairs import REPLICATES, Pairs
from sightline.compare.statistics import Statistics

ALL = "all"
_PAIR = ("method", "measure", "subset", "model_a", "model_b")
SIMILARITY = (
    *_PAIR, "images", "left_out", "mean", "mean_low", "mean_high", "spread", "dissimilarity",
    "dissimilarity_low", "dissimilarity_high", "ceiling", "of_ceiling",
)  # fmt: skip
AGREEMENT = (
    *_PAIR, "classes", "images", "left_out", "pixels", "kappa", "kappa_low", "kappa_high",
)  # fmt: skip


@dataclass(frozen=True)
class Merged:
    """All that is told of a method's pairs.

    Attributes
    ----------
    similarity
        A row a (measure, subset, pair): method, measure, subset, model_a, model_b, images
        (used), left_out (of the subset's, for a map that is zero or non-finite, or where
        the measure has no value), mean, mean_low, mean_high, spread (unbiased standard deviation),
        dissimilarity, dissimilarity_low, dissimilarity_high, ceiling, of_ceiling. Spread and
        dissimilarity are empty below two images, all below one. ``ceiling`` is the
        geometric mean of the two models' agreement with themselves under a second seed,
        and ``of_ceiling`` the mean divided by it: for correlations, Spearman's (1904)
        correction for attenuation. Empty where the ceiling is not known.
    agreement
        A row a (measure that counts, subset, pair): method, measure, subset, classes,
        model_a, model_b, images, left_out, pixels, kappa (empty where both models put
        every pixel into one class), kappa_low, kappa_high.
    pairs
        What structure is found in.
    """

    similarity: pd.DataFrame
    agreement: pd.DataFrame
    pairs: Pairs


def merge(
    statistics: Statistics,
    method: str,
    *,
    bootstrap: Bootstrap,
    subsets: Sequence[str] = (),
    ceilings: Mapping[str, Mapping[str, float]] | None = None,
) -> Merged:
    """Put the statistics of all images together.

    Parameters
    ----------
    statistics
        Of one method.
    method
        Its id.
    bootstrap
        How intervals are made.
    subsets
        Of the images, besides all of them: ``same_class``, on which the pair answers one
        class; ``both_correct``, on which both answer the label.
    ceilings
        By measure and model, its agreement with itself under a second seed.
    """
    gathered = _Gathered(statistics, method, bootstrap, ceilings or {})
    # A few arrays of values and one of counts are held at a time.
    for part in statistics.chunks(bytes_a_row=64):
        gathered.add(part, (ALL, *subsets))
    return gathered.merged()


class _Gathered:
    """What `merge` has made of the pairs so far."""

    def __init__(
        self,
        statistics: Statistics,
        method: str,
        bootstrap: Bootstrap,
        ceilings: Mapping[str, Mapping[str, float]],
    ) -> None:
        self.statistics = statistics
        self.method = method
        self.bootstrap = bootstrap.over(statistics.image_id)
        self.ceilings = ceilings
        self.similarity: list[pd.DataFrame] = []
        self.agreement: list[pd.DataFrame] = []
        measures = list(statistics.measures)
        self.means: dict[str, list[np.ndarray]] = {name: [] for name in measures}
        self.apart: dict[str, list[np.ndarray]] = {name: [] for name in measures}
        self.resampled: dict[str, list[np.ndarray]] = {name: [] for name in measures}
        self.same: list[np.ndarray] = []

    def add(self, part: slice, subsets: Sequence[str]) -> None:
        """Some of the pairs."""
        statistics = self.statistics
        used, same = statistics.used(part), statistics.same_class(part)
        self.same.append(same.mean(axis=1))
        within = {
            ALL: np.ones_like(used),
            "same_class": same,
            "both_correct": statistics.both_correct(part),
        }
        names = np.array(statistics.models, object)[statistics.pairs[part]]
        for measure, resolved in statistics.measures.items():
            values = statistics.similarity(measure, part)
            counts = statistics.confusion(measure, part) if resolved.entry.counts else None
            for subset in subsets:
                chosen = within[subset] & used
                label = {
                    "method": self.method,
                    "measure": measure,
                    "subset": subset,
                    "model_a": names[:, 0],
                    "model_b": names[:, 1],
                }
                asked = within[subset].sum(axis=1)
                self._add_similarity(label, np.where(chosen, values, np.nan), asked)
                if counts is not None:
                    pooled = aggregate_kappa(counts, chosen, self.bootstrap)
                    label["classes"] = counts.shape[-1]
                    self.agreement.append(_table(label | pooled, asked))

    def _add_similarity(self, label: dict[str, Any], values: np.ndarray, asked: np.ndarray) -> None:
        told = aggregate(values, self.bootstrap)
        measure = label["measure"]
        if label["subset"] == ALL:
            self.means[measure].append(told.columns["mean"])
            self.apart[measure].append(told.columns["dissimilarity"])
            self.resampled[measure].append(told.replicates[:REPLICATES].astype(np.float32))
        own = self.ceilings.get(measure, {})
        both = [[own.get(name, np.nan) for name in label[side]] for side in ("model_a", "model_b")]
        # Two models that do not even agree with themselves have no ceiling.
        ceiling = np.sqrt(np.prod(np.where(np.array(both) > 0, both, np.nan), axis=0))
        attenuated = {"ceiling": ceiling, "of_ceiling": told.columns["mean"] / ceiling}
        self.similarity.append(_table(label | told.columns | attenuated, asked))

    def merged(self) -> Merged:
        """Everything, measure by measure."""
        pairs = Pairs(
            models=self.statistics.models,
            means=_joined(self.means),
            dissimilarities=_joined(self.apart),
            resampled=_joined(self.resampled),
            same_class=np.concatenate(self.same) if self.same else np.empty(0),
        )
        return Merged(
            _in_order(self.similarity, SIMILARITY), _in_order(self.agreement, AGREEMENT), pairs
        )


def _table(columns: dict[str, Any], asked: np.ndarray) -> pd.DataFrame:
    """Rows of pairs, with how many images were left out of those asked for."""
    return pd.DataFrame(columns | {"left_out": asked - columns["images"]})


def _joined(parts: Mapping[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """By measure, chunks of pairs put together; pairs are the last axis."""
    return {name: np.concatenate(chunks, axis=-1) for name, chunks in parts.items() if chunks}


def _in_order(tables: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """All chunks of pairs, those of one measure and subset together."""
    if not tables:
        return pd.DataFrame({name: [] for name in columns})
    groups: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for table in tables:
        groups.setdefault((table["measure"].iloc[0], table["subset"].iloc[0]), []).append(table)
    joined = [table for group in groups.values() for table in group]
    return pd.concat(joined, ignore_index=True)[list(columns)]
